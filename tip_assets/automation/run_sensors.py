"""Sensors that report runs of the daemon, and missing landing files.

They call `reporting/report_run.py`, so that a month run by the daemon is recorded and reported like
one run by the command line. Starting runs is in `landing_sensor.py`.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from tip_assets.ingestion.landing import newest_landing
from tip_assets.metric_store.store import MetricStore
from tip_assets.reporting.messages import silence_message
from tip_assets.reporting.outbox import notifications
from tip_assets.reporting.report_run import report_missed_runs, report_run
from tip_assets.reporting.status import states, states_line
from tip_assets.runtime.published_parameters import publish_parameters
from tip_assets.settings import Settings


def _report(context: dg.RunStatusSensorContext, settings: Settings) -> None:
    for problem in report_run(context.instance, context.dagster_run.run_id, settings):
        context.log.error("not delivered: %s", problem)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def success_report(
    context: dg.RunStatusSensorContext, settings: dg.ResourceParam[Settings]
) -> None:
    """Record a successful run and send the messages about the month's model and drift."""
    _report(context, settings)


@dg.run_failure_sensor(minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def failure_report(
    context: dg.RunFailureSensorContext, settings: dg.ResourceParam[Settings]
) -> None:
    """Record a run that failed, hung or was stopped by a check, and send its message."""
    _report(context, settings)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def cancellation_report(
    context: dg.RunStatusSensorContext, settings: dg.ResourceParam[Settings]
) -> None:
    """Record a canceled run."""
    _report(context, settings)


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def silence_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.SkipReason:
    """Notify people once when no file has landed for too long.

    Also reports runs whose report was missed, retries undelivered messages, and logs on AWS how
    many states need a person.
    """
    report_missed_runs(context.instance, settings)
    outbox, newest = notifications(settings), newest_landing(settings.storage_root)
    silent = timedelta(days=settings.max_silent_days)
    if newest is not None and datetime.now(UTC) - newest > silent:
        problem = f"{newest:%Y-%m-%d %H:%M} UTC"
        undelivered = outbox.send(silence_message(problem, settings.max_silent_days))
    else:
        undelivered = outbox.send()
    for problem in (*undelivered, *publish_parameters(settings)):
        context.log.error("not delivered: %s", problem)
    if settings.parameter_prefix:  # on AWS, the log of this server becomes a metric
        store = MetricStore(url=settings.metric_store_url)
        line = states_line(states(store, settings, datetime.now(UTC)))
        print(line, flush=True)  # noqa: T201
    return dg.SkipReason(f"newest landing file: {newest or 'none yet'}")
