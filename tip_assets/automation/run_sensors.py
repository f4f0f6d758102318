"""What follows a run of the daemon, and what follows from silence.

Belongs here: the sensors that call `reporting/report_run.py`, so that a month run by the daemon is
recorded and reported like one of the command line. Does not belong here: starting runs
(`landing_sensor.py`).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from tip_assets.ingestion.landing import newest_landing
from tip_assets.reporting.messages import silence_message
from tip_assets.reporting.outbox import notifications
from tip_assets.reporting.report_run import report_missed_runs, report_run
from tip_assets.runtime.published_parameters import publish_parameters
from tip_assets.settings import Settings


def _report(context: dg.RunStatusSensorContext, settings: Settings) -> None:
    for words in report_run(context.instance, context.dagster_run.run_id, settings):
        context.log.error("not told: %s", words)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def success_report(
    context: dg.RunStatusSensorContext, settings: dg.ResourceParam[Settings]
) -> None:
    """Records a run that succeeded and tells of the month's model and drift."""
    _report(context, settings)


@dg.run_failure_sensor(minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def failure_report(
    context: dg.RunFailureSensorContext, settings: dg.ResourceParam[Settings]
) -> None:
    """Records a run that failed, hung or was stopped by a check, and tells of it."""
    _report(context, settings)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def cancellation_report(
    context: dg.RunStatusSensorContext, settings: dg.ResourceParam[Settings]
) -> None:
    """Records a run that somebody canceled."""
    _report(context, settings)


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def silence_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.SkipReason:
    """Tells, once, when no landing file has come for too long.

    Also reports runs whose report was missed, and tries again what could not be told.
    """
    report_missed_runs(context.instance, settings)
    telling, newest = notifications(settings), newest_landing(settings.storage_root)
    silent = timedelta(days=settings.max_silent_days)
    if newest is not None and datetime.now(UTC) - newest > silent:
        words = f"{newest:%Y-%m-%d %H:%M} UTC"
        not_told = telling.send(silence_message(words, settings.max_silent_days))
    else:
        not_told = telling.send()
    for trouble in (*not_told, *publish_parameters(settings)):
        context.log.error("not told: %s", trouble)
    return dg.SkipReason(f"newest landing file: {newest or 'none yet'}")
