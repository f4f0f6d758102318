"""The monthly schedule. Reacting to new files is in `landing_sensor.py`."""

from datetime import timedelta

import dagster as dg

from tip_assets.automation.jobs import monthly_retraining_job
from tip_assets.ingestion.landing import landing_digests
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import MONTH_FORMAT, months
from tip_assets.reporting.run_facts import ingested, last_training
from tip_assets.settings import Settings


@dg.schedule(
    job=monthly_retraining_job,
    cron_schedule="0 6 1 * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def monthly_schedule(
    context: dg.ScheduleEvaluationContext,
    settings: dg.ResourceParam[Settings],
    metric_store: MetricStore,
) -> dg.RunRequest | dg.SkipReason:
    """Run the month that has just ended, on the first of each month at 06:00 UTC.

    Skips with a reason when the landing sensor has already run the month or nothing has landed.
    """
    ended = context.scheduled_execution_time.replace(day=1) - timedelta(days=1)
    month = ended.strftime(MONTH_FORMAT)
    digest = landing_digests(settings.storage_root).get(month)
    if not months.has_partition_key(month):
        return dg.SkipReason(f"{month} is not one of the platform's months")
    if digest is None:
        return dg.SkipReason(f"nothing has landed for {month}")
    run = last_training(context.instance, month)
    if run is not None and not run.is_finished:
        return dg.SkipReason(f"{month} is being run")
    refused = any(c["blocking"] and not c["passed"] for c in metric_store.checks(month))
    settled = refused or month in metric_store.decided_months()
    if settled and ingested(context.instance, month) == digest:
        return dg.SkipReason(f"{month} has been run on what has landed")
    return dg.RunRequest(run_key=f"{month} {digest}", partition_key=month)
