"""The sensor that requests runs for new or changed landing files.

Reading files is in `ingestion/landing.py`, the clock in `schedules.py`, what follows a run in
`run_sensors.py`.
"""

import json
from collections.abc import Iterator

import dagster as dg

from tip_assets.automation.jobs import ingestion_job, monthly_retraining_job
from tip_assets.automation.run_order import pending_months
from tip_assets.ingestion.landing import LANDED, landed_months
from tip_assets.ingestion.landing_log import LandingLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import months
from tip_assets.reporting.run_facts import ingested, last_ingestion, last_training, was_deferred
from tip_assets.runtime.instance import close_dead_runs
from tip_assets.settings import Settings, get_settings


@dg.sensor(
    jobs=[monthly_retraining_job, ingestion_job],
    minimum_interval_seconds=get_settings().landing_check_seconds,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def landing_sensor(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    metric_store: MetricStore,
) -> dg.SensorResult:
    """Run each month whose landing files changed since its last run.

    Files count once two consecutive ticks see them unchanged, so a month does not run while it is
    being written. A late file for an old month ingests that month again and retrains the newest
    one. A deferred month runs again when the earlier months are done. The sensor logs and ignores
    folders that are not months.
    """
    for run_id in close_dead_runs(context.instance):
        context.log.warning("the process of run %s was killed: closed the run", run_id)
    landed = landed_months(settings.storage_root)
    for folder in landed.keys() - set(months.get_partition_keys()):
        context.log.warning("landing/%s is not one of the platform's months: ignored", folder)
    landed = {month: what for month, what in landed.items() if months.has_partition_key(month)}
    LandingLog(metric_store).record_check(landed)
    known = {month: what.digest for month, what in landed.items()}
    cursor = json.loads(context.cursor or "{}")
    seen, before = cursor.get("seen", {}), cursor.get("asked", {})
    still = {month: digest for month, digest in known.items() if seen.get(month) == digest}
    changed = {month: digest for month, digest in still.items() if before.get(month) != digest}
    decided = metric_store.decided_months()
    requests = [
        *_requests(context.instance, known, changed, decided),
        *_deferred(context.instance, settings, metric_store, set(known) - set(changed)),
    ]
    requested = {month: digest for month, digest in before.items() if month in known} | changed
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else _why_nothing(known, still, requested),
        cursor=json.dumps({"seen": known, "asked": requested}),
        asset_events=[_landed(month, digest) for month, digest in changed.items()],
    )


def _requests(
    instance: dg.DagsterInstance,
    known: dict[str, str],
    changed: dict[str, str],
    decided: set[str],
) -> Iterator[dg.RunRequest]:
    """Yield the runs that bring every changed month up to date, oldest month first.

    The run key names the files and the run before, so that the same change never runs twice, and
    restored files run again.
    """
    newest = max(known, default="")
    late = ""
    for month, digest in sorted(changed.items()):
        if ingested(instance, month) == digest:
            continue
        last = last_ingestion(instance, month)
        change = f"{month} {digest}" + (f" after {last.storage_id}" if last else "")
        late = "" if month == newest else change
        if month in decided and month != newest:
            yield dg.RunRequest(
                run_key=f"ingest {late}", partition_key=month, job_name=ingestion_job.name
            )
        else:
            yield _whole_month(month, change)
    if late and newest in decided:
        yield _whole_month(newest, f"{newest} {known[newest]} after {late}")


def _why_nothing(known: dict[str, str], still: dict[str, str], requested: dict[str, str]) -> str:
    moving = sorted(known.keys() - still.keys())
    if moving:
        return f"files are still landing for {', '.join(moving)}"
    waiting = sorted(month for month in known if requested.get(month) != known[month])
    return f"waiting for {', '.join(waiting)}" if waiting else "every month has been requested"


def _landed(month: str, digest: str) -> dg.AssetMaterialization:
    """Return the materialization that records new landing files; freshness counts from it."""
    return dg.AssetMaterialization("landing_tips", partition=month, metadata={LANDED: digest})


def _deferred(
    instance: dg.DagsterInstance, settings: Settings, store: MetricStore, known: set[str]
) -> Iterator[dg.RunRequest]:
    """Yield runs of the deferred months whose earlier months are done."""
    for month in sorted(known):
        run = last_training(instance, month)
        if run is None or not was_deferred(instance, run):
            continue
        if not pending_months(instance, settings, store, month):
            yield _whole_month(month, f"{month} after {run.run_id}")


def _whole_month(month: str, run_key: str) -> dg.RunRequest:
    return dg.RunRequest(run_key=run_key, partition_key=month, job_name=monthly_retraining_job.name)
