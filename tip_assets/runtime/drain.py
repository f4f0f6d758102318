"""Hold new months during an upgrade: running ones end, later ones stay in Dagster's queue.

Every month starts with a step in the pool `START_POOL`. While its limit is 0, the daemon starts no
month, and a month started by a person waits. Sensors and schedules stay on: what they request runs
after `resume`. Jobs without ingestion, such as the release of a model, are not held.
"""

import json
import time

import dagster as dg

# Steps that wait are given their places; no public class can.
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from tip_assets.partitions import START_POOL
from tip_assets.runtime.instance import close_dead_runs, is_ours

# Where Dagster's database keeps the limit to restore.
_KEPT = "tips/drain"
_POLL_SECONDS = 1.0
_ACTIVE = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class Held(Exception):
    """New months are held; the message says how to go on."""


def hold(instance: dg.DagsterInstance) -> None:
    """Let no new month start; does nothing if months are held already."""
    if is_held(instance):
        return
    pools = instance.event_log_storage.get_pool_limits()
    own = [pool.limit for pool in pools if pool.name == START_POOL and not pool.from_default]
    kept = json.dumps({"limit": own[0] if own else None})
    instance.daemon_cursor_storage.set_cursor_values({_KEPT: kept})
    instance.event_log_storage.set_concurrency_slots(START_POOL, 0)


def resume(instance: dg.DagsterInstance) -> bool:
    """Restore the pool's limit; returns whether months were held."""
    kept = _kept(instance)
    if not kept:
        return False
    storage, limit = instance.event_log_storage, kept["limit"]
    if limit is not None:
        storage.set_concurrency_slots(START_POOL, limit)
    else:
        storage.delete_concurrency_limit(START_POOL)
        storage.initialize_concurrency_limit_to_default(START_POOL)
        if isinstance(storage, SqlEventLogStorage):  # as every storage is that the platform uses
            storage.assign_pending_steps([START_POOL])
    instance.daemon_cursor_storage.set_cursor_values({_KEPT: ""})
    return True


def is_held(instance: dg.DagsterInstance) -> bool:
    """Return whether new months are held."""
    return bool(_kept(instance))


def check_not_held(instance: dg.DagsterInstance) -> None:
    """Raise Held if new months are held."""
    if is_held(instance):
        raise Held("no month starts during an upgrade: wait for it, or run `tips resume`")


def wait(instance: dg.DagsterInstance, seconds: float) -> list[dg.DagsterRun]:
    """Wait until no run of ours works; returns those that still do after `seconds`."""
    close_dead_runs(instance)
    deadline = time.monotonic() + seconds
    while working := _working(instance):
        if time.monotonic() >= deadline:
            return working
        time.sleep(_POLL_SECONDS)
    return []


def _working(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return our active runs, except those that wait for the held pool."""
    waiting = {
        step.run_id
        for step in instance.event_log_storage.get_concurrency_info(START_POOL).pending_steps
    }
    active = instance.get_runs(filters=dg.RunsFilter(statuses=_ACTIVE))
    return [run for run in active if is_ours(run) and run.run_id not in waiting]


def _kept(instance: dg.DagsterInstance) -> dict[str, int | None]:
    text = instance.daemon_cursor_storage.get_cursor_values({_KEPT}).get(_KEPT)
    return dict(json.loads(text)) if text else {}
