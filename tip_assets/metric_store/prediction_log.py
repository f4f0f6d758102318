"""The prediction log in the metric store: the app's predictions and the feedback on them.

Checking feedback and landing it is in `ingestion/feedback.py`.
"""

import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tip_assets.metric_store.store import MetricStore, Row, in_utc
from tip_assets.metric_store.tables import prediction_log as log

_ASKED_AT_ONCE = 5_000  # ids in a query; databases bound their number
_CONFIDENCE = 0.95
OF_FILE = "-"  # in the id of a prediction for a file, before the row's number
# A row's tip may still change while it is not assigned to a landing file.
_OPEN = log.c.landing_file.is_(None)


@dataclass(frozen=True)
class Realised:
    """Realised errors of a month's predictions with feedback, in dollars.

    Errors are prediction minus tip. `covered` is the share of tips within their intervals, `low`
    and `high` the 95 % interval of that share (Wilson), and `coverage` the promised share; all four
    are None when no prediction has an interval.
    """

    month: str
    predictions: int
    tips: int
    mean_error: float
    mean_absolute_error: float
    rmse: float
    intervals: int
    covered: float | None
    low: float | None
    high: float | None
    coverage: float | None


def new_id() -> str:
    """Return an id for a prediction, or the prefix of the ids of a file's predictions."""
    return secrets.token_hex(8)


@dataclass(frozen=True)
class PredictionLog:
    """The table `prediction_log`; all times are in UTC."""

    store: MetricStore

    def record(self, rows: Sequence[Row]) -> None:
        """Write predictions; existing ones stay as they are."""
        if rows:
            statement = self.store.insert(log).on_conflict_do_nothing(index_elements=[log.c.id])
            with self.store.engine.begin() as connection:
                connection.execute(statement, [dict(row) for row in rows])

    def find(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return the logged predictions with these ids."""
        found: dict[str, Row] = {}
        for start in range(0, len(ids), _ASKED_AT_ONCE):
            query = sa.select(log).where(log.c.id.in_(ids[start : start + _ASKED_AT_ONCE]))
            found |= {row["id"]: _in_utc(row) for row in self.store.select(query)}
        return found

    def newest(self, count: int, without_tip: bool = False) -> list[Row]:
        """Return the last predictions from the form, newest first; `without_tip`: no others."""
        query = sa.select(log).order_by(log.c.at.desc(), log.c.id).limit(count)
        query = query.where(sa.not_(log.c.id.contains(OF_FILE)))
        if without_tip:
            query = query.where(log.c.actual_at.is_(None))
        return [_in_utc(row) for row in self.store.select(query)]

    def inputs_of(self, month: str, version: int, contract: str, count: int) -> list[Row]:
        """Return the last records that a version predicted in a month."""
        query = sa.select(log.c.inputs).where(
            log.c.month == month, log.c.version == version, log.c.contract == contract
        )
        rows = self.store.select(query.order_by(log.c.at.desc(), log.c.id).limit(count))
        return [row["inputs"] for row in rows]

    def record_tips(self, tips: Mapping[str, float], at: datetime) -> None:
        """Write tips by prediction id; one already assigned to a landing file stays."""
        if tips:
            statement = (
                sa.update(log)
                .where(log.c.id == sa.bindparam("of_id"), _OPEN)
                .values(actual=sa.bindparam("tip_usd"), actual_at=at)
            )
            rows = [{"of_id": key, "tip_usd": tip} for key, tip in tips.items()]
            with self.store.engine.begin() as connection:
                connection.execute(statement, rows)

    def withdraw_tips(self, at: datetime) -> int:
        """Remove the tips written at a time unless they are landing; returns their number."""
        statement = (
            sa.update(log).where(log.c.actual_at == at, _OPEN).values(actual=None, actual_at=None)
        )
        with self.store.engine.begin() as connection:
            return int(connection.execute(statement).rowcount)

    def waiting(self) -> dict[str, tuple[int, datetime, datetime]]:
        """Return by month how many tips wait for a landing file, and the first and last time."""
        query = (
            sa.select(
                log.c.month,
                sa.func.count().label("rows"),
                sa.func.min(log.c.actual_at).label("first"),
                sa.func.max(log.c.actual_at).label("last"),
            )
            .where(log.c.actual_at.is_not(None), _OPEN)
            .group_by(log.c.month)
            .order_by(log.c.month)
        )
        rows = self.store.select(query)
        return {
            row["month"]: (row["rows"], in_utc(row["first"]), in_utc(row["last"])) for row in rows
        }

    def waiting_rows(self) -> list[Row]:
        """Return the predictions whose tips wait for a landing file, by month and id."""
        query = (
            sa.select(log)
            .where(log.c.actual_at.is_not(None), _OPEN)
            .order_by(log.c.month, log.c.id)
        )
        return [_in_utc(row) for row in self.store.select(query)]

    def name_for_landing(self, month: str, file: str) -> None:
        """Assign the month's waiting tips to a landing file, for good."""
        statement = (
            sa.update(log)
            .where(log.c.month == month, log.c.actual_at.is_not(None), _OPEN)
            .values(landing_file=file)
        )
        with self.store.engine.begin() as connection:
            connection.execute(statement)

    def unwritten_files(self) -> list[tuple[str, str]]:
        """Return month and name of the landing files that are not marked as written."""
        query = (
            sa.select(log.c.month, log.c.landing_file)
            .where(log.c.landing_file.is_not(None), log.c.landed_at.is_(None))
            .distinct()
            .order_by(log.c.landing_file)
        )
        return [(row["month"], row["landing_file"]) for row in self.store.select(query)]

    def rows_of(self, file: str) -> list[Row]:
        """Return the predictions whose tips go to a landing file, always in the same order."""
        query = sa.select(log).where(log.c.landing_file == file).order_by(log.c.id)
        return [_in_utc(row) for row in self.store.select(query)]

    def mark_landed(self, file: str, at: datetime) -> None:
        """Mark a landing file as written."""
        statement = sa.update(log).where(log.c.landing_file == file).values(landed_at=at)
        with self.store.engine.begin() as connection:
            connection.execute(statement)

    def forget(self, before: datetime) -> int:
        """Delete predictions older than a time; those whose tip is still to land stay."""
        on_their_way = sa.and_(log.c.actual_at.is_not(None), log.c.landed_at.is_(None))
        statement = sa.delete(log).where(log.c.at < before, sa.not_(on_their_way))
        with self.store.engine.begin() as connection:
            return int(connection.execute(statement).rowcount)

    def forget_file(self, prefix: str) -> None:
        """Delete the predictions of an undelivered file: ids that begin with this prefix."""
        statement = sa.delete(log).where(log.c.id.startswith(f"{prefix}{OF_FILE}", autoescape=True))
        with self.store.engine.begin() as connection:
            connection.execute(statement)

    def realised(self) -> list[Realised]:
        """Return the realised errors of each month with feedback, oldest first."""
        return self._realised()

    def newest_realised(self, before: str = "9999-12") -> Realised | None:
        """Return the realised errors of the newest month with feedback before the month `before`.

        Does not count predictions without a tip: there may be millions, and this query runs every
        few seconds.
        """
        with_tip = sa.and_(log.c.actual_at.is_not(None), log.c.month < before)
        newest = sa.select(sa.func.max(log.c.month)).where(with_tip).scalar_subquery()
        return next(iter(self._realised(with_tip, log.c.month == newest)), None)

    def _realised(self, *of: sa.ColumnElement[bool]) -> list[Realised]:
        error = log.c.predicted - log.c.actual
        held = log.c.actual.between(log.c.low, log.c.high)
        query = (
            sa.select(
                log.c.month,
                sa.func.count().label("predictions"),
                sa.func.count(log.c.actual).label("tips"),
                sa.func.avg(error).label("mean_error"),
                sa.func.avg(sa.func.abs(error)).label("mean_absolute_error"),
                sa.func.avg(error * error).label("mean_square"),
                sa.func.count(sa.case((held, 1), (sa.not_(held), 0))).label("intervals"),
                sa.func.sum(sa.case((held, 1), else_=0)).label("held"),
                sa.func.avg(sa.case((log.c.actual.is_not(None), log.c.coverage))).label("coverage"),
            )
            .where(*of)
            .group_by(log.c.month)
            .having(sa.func.count(log.c.actual) > 0)
            .order_by(log.c.month)
        )
        return [_realised(row) for row in self.store.select(query)]


def _realised(row: Row) -> Realised:
    intervals, held = int(row["intervals"]), int(row["held"])
    low, high = wilson(held, intervals) if intervals else (None, None)
    return Realised(
        month=row["month"],
        predictions=int(row["predictions"]),
        tips=int(row["tips"]),
        mean_error=float(row["mean_error"]),
        mean_absolute_error=float(row["mean_absolute_error"]),
        rmse=math.sqrt(row["mean_square"]),
        intervals=intervals,
        covered=held / intervals if intervals else None,
        low=low,
        high=high,
        coverage=float(row["coverage"]) if intervals else None,
    )


def wilson(held: int, rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927): `held` of `rows`."""
    from scipy import stats

    interval = stats.binomtest(held, rows).proportion_ci(_CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def _in_utc(row: Row) -> Row:
    times: Iterable[str] = ("at", "actual_at", "landed_at")
    return {**row, **{name: in_utc(row[name]) for name in times if row[name] is not None}}
