"""The order of months: a month is trained and decided on after every earlier month that has landed.

Belongs here: finding the earlier months that are still pending, and waiting for them. Does not
belong here: the check that stops a month which is too early (`checks/order.py`), or running it
again (`landing_sensor.py`).

A champion is compared with the one before it, so the order of months decides who serves. Runs may
be launched in any order and by several processes; this keeps the order without a queue of its own.
"""

import logging
import time
from collections.abc import Callable
from typing import Literal

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG  # set by Dagster on a run that was killed

from tip_assets.ingestion.landing import landing_digests
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import months, months_apart
from tip_assets.reporting.run_facts import last_training, was_deferred
from tip_assets.runtime.instance import COMMAND_LINE_TAG, close_dead_runs, own_mark
from tip_assets.settings import Settings

Progress = Literal["runs", "is queued", "was never run", "was deferred", "has failed"]
Pending = dict[str, Progress]

# Processes started at the same moment are seen by each other after this time: on two cores, a dozen
# of them take half of it to import Dagster.
STARTED_WITHIN_SECONDS = 30
_POLL_SECONDS = 5.0  # a dozen that look every 2 s take half a core
_NAMED = 3  # in a sentence
_log = logging.getLogger(__name__)

_QUEUED = {dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED}


def pending_months(
    instance: dg.DagsterInstance, settings: Settings, store: MetricStore, month: str
) -> Pending:
    """Earlier months that have landed and are not done, with their progress.

    A month is done when it was decided on, or when its last run ended in any way but by being
    deferred. Within the training window it must also have rows, unless its own checks refused them:
    no model is trained on a window that a crash has left incomplete.
    """
    landed = [
        other
        for other in landing_digests(settings.storage_root)
        if other < month and months.has_partition_key(other)
    ]
    decided = store.decided_months() if landed else set()
    pending: Pending = {}
    for other in landed:
        training = None if other in decided else last_training(instance, other)
        progress = None if other in decided else _progress(instance, training)
        if progress is None and _leaves_a_gap(other, month, settings, store):
            progress = "has failed"
        if progress is not None:
            pending[other] = progress
    return pending


def wait_for_pending_months(
    run: dg.DagsterRun,
    look: Callable[[], Pending],
    instance: dg.DagsterInstance,
    at_most_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Pending:
    """Wait while pending months are running; gives those that no process runs.

    It does not wait for queued months: a waiting run may hold the place that they are queued for.
    A run of the command line gives processes that started at the same moment time to be seen.
    """
    begun = time.monotonic()
    patience = STARTED_WITHIN_SECONDS if COMMAND_LINE_TAG in run.tags else 0
    reported: Pending = {}
    while pending := look():
        if pending != reported:
            _log.info("waiting: %s", describe(pending))
            reported = pending
        waited = time.monotonic() - begun
        if waited > at_most_seconds or ("runs" not in pending.values() and waited >= patience):
            return pending
        sleep(_POLL_SECONDS)
        close_dead_runs(instance)
    return {}


def describe(pending: Pending) -> str:
    """A sentence about the months that go first, each with its progress."""
    named = [f"{month} goes first and {words}" for month, words in list(pending.items())[:_NAMED]]
    others = [f"{len(pending) - _NAMED} months after it"] if len(pending) > _NAMED else []
    return ", ".join(named + others)


def _leaves_a_gap(other: str, month: str, settings: Settings, store: MetricStore) -> bool:
    """Whether a month that should be in the window has no rows and was not refused."""
    if months_apart(other, month) >= settings.window_months:
        return False
    if (settings.storage_root / "assets" / "splits" / f"{other}.parquet").exists():
        return False
    return not any(
        check["blocking"] and not check["passed"] and check["asset"] == "raw_tips"
        for check in store.checks(other)
    )


def _progress(instance: dg.DagsterInstance, run: dg.DagsterRun | None) -> Progress | None:
    """The progress of an undecided month; None when it is done."""
    if run is None:
        return "was never run"
    if run.status in _QUEUED and not own_mark(instance, run):
        return "is queued"
    if not run.is_finished:
        return "runs"
    if run.tags.get(WILL_RETRY_TAG) == "true" and run.remote_job_origin is not None:
        return "is queued"  # the daemon has not made the second run yet
    return "was deferred" if was_deferred(run) else None
