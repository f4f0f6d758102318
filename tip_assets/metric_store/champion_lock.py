"""The lock for reading and replacing the champion, so that no change overwrites another."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from filelock import FileLock, Timeout

from tip_assets.metric_store.store import MetricStore

WAIT_SECONDS = 120.0
_POLL_SECONDS = 0.2
_KEY = 0x7469_7063  # of Postgres's advisory locks; the schema's lock has another


class ChampionLocked(TimeoutError):
    """Another process held the lock for longer than the caller waited."""


@contextmanager
def champion_lock(store: MetricStore, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock while the block reads the champion, decides, and moves the alias `champion`.

    All processes on the same metric store share it: an advisory lock on Postgres, a locked file
    beside the database on SQLite. It is released when the process that holds it ends. Raises
    ChampionLocked after `wait_seconds`.
    """
    busy = ChampionLocked(
        f"another process is deciding which model serves and has not finished within "
        f"{wait_seconds:g} s: try again when it has"
    )
    if store.engine.dialect.name == "sqlite":
        lock = FileLock(f"{store.engine.url.database}.champion.lock")
        try:
            lock.acquire(timeout=wait_seconds, poll_interval=_POLL_SECONDS)
        except Timeout as error:
            raise busy from error
        try:
            yield
        finally:
            lock.release()
        return
    deadline = time.monotonic() + wait_seconds
    # The transaction holds the lock. Polling, unlike waiting, can be interrupted.
    with store.engine.begin() as connection:
        query = sa.text("select pg_try_advisory_xact_lock(:key)")
        while not connection.execute(query, {"key": _KEY}).scalar_one():
            if time.monotonic() > deadline:
                raise busy
            time.sleep(_POLL_SECONDS)
        yield
