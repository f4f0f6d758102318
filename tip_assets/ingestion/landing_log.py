"""The log of landing files: what has landed, when it was last checked, which months are pending.

Reads and writes the tables `landing` and `last_look`. Landed and processed files are compared by
digest. Waiting times use the platform's clock: a file's time may be that of the original it was
copied from, or of a clock that is ahead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tip_assets.metric_store.holds import TRAINING_WINDOW_IS_WHOLE
from tip_assets.metric_store.store import MetricStore, Row, in_utc
from tip_assets.metric_store.tables import check_result, landing, last_look, run_outcome

if TYPE_CHECKING:
    from tip_assets.ingestion.landing import Landed

Select = Callable[[sa.Select[Any]], list[Row]]
LANDING = "landing"


@dataclass(frozen=True)
class LandingLog:
    """The tables `landing` and `last_look`; all times are in UTC."""

    store: MetricStore

    def record(self, found: Mapping[str, "Landed"], at: datetime | None = None) -> None:
        """Write the landing files of some months; unchanged months are not written.

        Files wait from when the platform first saw them, `at`. Files that land while others wait do
        not reset that time.
        """
        known = self._known()
        changed = {
            m: what for m, what in found.items() if m not in known or _differ(known[m], what)
        }
        if not changed:
            return
        waiting, now = unprocessed(self.store.select), at or datetime.now(UTC)
        rows = []
        for month, what in changed.items():
            facts = {"files": what.files, "at": what.at, "digest": what.digest}
            before = known.get(month)
            if before is not None and (month in waiting or _same_files(before, what)):
                facts["seen_at"] = before["seen_at"]
            rows.append({"month": month, "seen_at": now, **facts})
        self.store.upsert(landing, rows)

    def record_check(self, found: Mapping[str, "Landed"], at: datetime | None = None) -> None:
        """Write the result and the time of a listing of the whole landing.

        A month whose files are gone is not pending.
        """
        now = at or datetime.now(UTC)
        self.record(found, now)
        gone = [row for month, row in self._known().items() if row["files"] and month not in found]
        self.store.upsert(landing, [{**row, "files": 0, "digest": ""} for row in gone])
        self.store.upsert(last_look, [{"place": LANDING, "at": now}])

    def _known(self) -> dict[str, Row]:
        rows = self.store.select(sa.select(landing))
        return {
            row["month"]: {**row, "at": in_utc(row["at"]), "seen_at": in_utc(row["seen_at"])}
            for row in rows
        }


def unprocessed(select: Select) -> dict[str, datetime]:
    """Return the months with files that no run has finished on, and since when.

    A run stopped by a check is finished: the stop is reported separately. The run of a deferred
    month is not, because the month runs again.
    """
    runs, early = _last_finished(select), _too_early(select)
    since: dict[str, datetime] = {}
    for row in select(sa.select(landing).where(landing.c.files > 0)):
        month, seen = row["month"], in_utc(row["seen_at"])
        run = runs.get(month)
        if month in early:
            since[month] = max(seen, early[month])
        elif run is None:
            since[month] = seen
        elif not _was_of(run, row):
            since[month] = max(seen, in_utc(run["ended_at"]))
    return since


def _differ(known: Row, what: "Landed") -> bool:
    now = {"files": what.files, "at": what.at, "digest": what.digest}
    return any(known[name] != value for name, value in now.items())


def _same_files(known: Row, what: "Landed") -> bool:
    """Return whether the files are the known ones; schemas before 0006 have no digest."""
    if known["digest"]:
        return bool(known["digest"] == what.digest)
    return bool(known["files"] == what.files and known["at"] == what.at)


def _was_of(run: Row, landed: Row) -> bool:
    """Return whether a finished run processed these files."""
    if run["landing_digest"] is None:  # recorded before 0006
        return in_utc(run["ended_at"]) >= in_utc(landed["seen_at"])
    return bool(run["landing_digest"] == landed["digest"])


def _last_finished(select: Select) -> dict[str, Row]:
    """Return the last run of each month that has finished on landing files."""
    run = run_outcome.c
    stopped = sa.and_(run.status == "FAILURE", run.failure.is_(None))
    finished = sa.and_(
        sa.or_(run.status == "SUCCESS", stopped),
        sa.or_(run.landing_digest.is_(None), run.landing_digest != ""),
    )
    last = (
        sa.select(run.month, sa.func.max(run.ended_at).label("ended_at"))
        .where(finished)
        .group_by(run.month)
        .subquery()
    )
    same = sa.and_(run.month == last.c.month, run.ended_at == last.c.ended_at)
    query = sa.select(run.month, run.ended_at, run.landing_digest).join(last, same).where(finished)
    return {row["month"]: row for row in select(query)}


def _too_early(select: Select) -> dict[str, datetime]:
    """Return the deferred months, and since when."""
    check = check_result.c
    query = sa.select(check.month, check.since)
    query = query.where(check.check == TRAINING_WINDOW_IS_WHOLE, sa.not_(check.passed))
    return {row["month"]: in_utc(row["since"]) for row in select(query)}
