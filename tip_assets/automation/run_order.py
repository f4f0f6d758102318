"""Run order: find earlier months that have landed and are still pending.

A challenger is compared with the champion before it, so the run order decides which model serves.
Dagster's queue runs one month at a time, oldest first. A month that starts too early is deferred
(`checks/order.py`) and runs again when the earlier ones are done (`landing_sensor.py`,
`cli/months.py`). Self-dependent partitions cannot do this: a held month makes no
`production_model`, and a backfill would stop there.
"""

from typing import Literal

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG  # set by Dagster on a run that was killed

from tip_assets.ingestion.landing import landing_digests
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import months, months_apart
from tip_assets.reporting.run_facts import HAS_FAILED, last_training, was_deferred
from tip_assets.settings import Settings

Progress = Literal["runs", "is queued", "was never run", "was deferred", "has failed"]
Pending = dict[str, Progress]

_NAMED = 3  # in a sentence
_QUEUED = {dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED}


def pending_months(
    instance: dg.DagsterInstance, settings: Settings, store: MetricStore, month: str
) -> Pending:
    """Return earlier months that have landed and are not done, oldest first, with their progress.

    A month is done when its model was decided on, or when its last run ended without being
    deferred. A month in the training window must also have rows unless its own checks refused them,
    so that no model is trained on a window that a crash has left incomplete.
    """
    landed = [
        other
        for other in landing_digests(settings.storage_root)
        if other < month and months.has_partition_key(other)
    ]
    decided = store.decided_months() if landed else set()
    pending: Pending = {}
    for other in landed:
        progress = None if other in decided else _progress(instance, other)
        if progress is None and _leaves_a_gap(other, month, settings, store):
            progress = HAS_FAILED
        if progress is not None:
            pending[other] = progress
    return pending


def without_a_run(pending: Pending) -> list[str]:
    """Return the pending months that were never run or were deferred."""
    return [
        month
        for month, progress in pending.items()
        if progress in ("was never run", "was deferred")
    ]


def describe(pending: Pending) -> str:
    """Describe the months that go first, each with its progress."""
    named = [
        f"{month} goes first and {progress}" for month, progress in list(pending.items())[:_NAMED]
    ]
    others = [f"{len(pending) - _NAMED} months after it"] if len(pending) > _NAMED else []
    return ", ".join(named + others)


def _leaves_a_gap(other: str, month: str, settings: Settings, store: MetricStore) -> bool:
    """Return whether a month of the window has no rows although its checks did not refuse it."""
    if months_apart(other, month) >= settings.window_months:
        return False
    if (settings.storage_root / "assets" / "splits" / f"{other}.parquet").exists():
        return False
    return not any(
        check["blocking"] and not check["passed"] and check["asset"] == "raw_tips"
        for check in store.checks(other)
    )


def _progress(instance: dg.DagsterInstance, month: str) -> Progress | None:
    """Return the progress of an undecided month; None if it is done."""
    run = last_training(instance, month)
    if run is None:
        return "was never run"
    if not run.is_finished:
        return "is queued" if run.status in _QUEUED else "runs"
    if run.tags.get(WILL_RETRY_TAG) == "true" and run.remote_job_origin is not None:
        return "is queued"  # the daemon has not created the retry yet
    return "was deferred" if was_deferred(instance, run) else None
