"""What lies in the landing, when it was last looked at, and which months no run has finished on.

Belongs here: the tables `landing` and `last_look`, and that question. Does not belong here: listing
files (`landing.py`) or starting runs (`automation/landing_sensor.py`).

What has landed is compared with what was run by digests, and waiting counts by the platform's own
clock: a file's time may be that of the original it was copied from, or of a clock that is ahead.
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
        """Write what lies in some months' folders; what has not changed is not written.

        Files wait from when the platform first saw them, `at`. Those that come while others wait do
        not put that off.
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

    def looked(self, found: Mapping[str, "Landed"], at: datetime | None = None) -> None:
        """Write what a look at the whole landing found, and that it was made.

        A month whose files are gone waits for nothing.
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
    """The months with files that no run has finished on, and since when that is so.

    A run that a check has stopped is finished: that is told as such. One whose month came too early
    is not, since it is to be run again.
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
    """Whether the files are those that are known; schemas before 0006 knew no digest."""
    if known["digest"]:
        return bool(known["digest"] == what.digest)
    return bool(known["files"] == what.files and known["at"] == what.at)


def _was_of(run: Row, landed: Row) -> bool:
    """Whether a run that has finished was one of these files."""
    if run["landing_digest"] is None:  # recorded before 0006
        return in_utc(run["ended_at"]) >= in_utc(landed["seen_at"])
    return bool(run["landing_digest"] == landed["digest"])


def _last_finished(select: Select) -> dict[str, Row]:
    """The last run of each month that has finished on landing files."""
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
    """Months that were deferred because earlier ones go first, and since when."""
    check = check_result.c
    query = sa.select(check.month, check.since)
    query = query.where(check.check == TRAINING_WINDOW_IS_WHOLE, sa.not_(check.passed))
    return {row["month"]: in_utc(row["since"]) for row in select(query)}
