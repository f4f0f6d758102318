"""The history of numbers in SQL: drift, model quality, who served when, how runs went.

Belongs here: writes that replace a month as a whole, and questions about the history. Does not
belong here: the schema (`tables.py`), where numbers come from or how they are shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tip_assets.metric_store.schema import bring_up_to_date
from tip_assets.metric_store.tables import (
    asset_success,
    champion_history,
    check_result,
    run_outcome,
)

Row = Mapping[str, Any]
# Dagster's run tag that says who launched a run.
PERSON_TAG = "user"


def in_utc(time: datetime) -> datetime:
    """A time as the store gives it back; SQLite keeps no time zone."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def decision_cause(month: str, version: int) -> str:
    """The key of the rule's decision in the champion's history: one per month and version."""
    return f"decision {month} version {version}"


class MetricStore(dg.ConfigurableResource):
    """The metric store behind a SQLAlchemy URL; its schema is brought up to date at first use."""

    url: str

    @cached_property
    def engine(self) -> sa.Engine:
        """The engine, its schema in place."""
        engine = sa.create_engine(self.url, pool_pre_ping=True)
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        bring_up_to_date(engine)
        return engine

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """An insert that can say what happens to a row of the same key."""
        if self.engine.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)

    def upsert(
        self, table: sa.Table, rows: Sequence[Row], only_if_changed: Sequence[str] = ()
    ) -> None:
        """Insert rows, each replacing the one of the same key, in one transaction.

        `only_if_changed` names columns of which one must differ, or the row stays as it is.
        """
        with self.engine.begin() as connection:
            for row in rows:
                insert = self.insert(table).values(**row)
                changed = [table.c[name] != insert.excluded[name] for name in only_if_changed]
                upsert = insert.on_conflict_do_update(
                    index_elements=list(table.primary_key.columns),
                    set_=dict(row),
                    where=sa.or_(*changed) if changed else None,
                )
                connection.execute(upsert)

    def replace_month(self, month: str, rows: Mapping[sa.Table, Sequence[Row]]) -> None:
        """Put a month's rows in place of what the tables hold of it, in one transaction."""
        with self.engine.begin() as connection:
            for table, new in rows.items():
                connection.execute(sa.delete(table).where(table.c.month == month))
                if new:
                    connection.execute(sa.insert(table), [{"month": month, **row} for row in new])

    def record_decision(self, row: Row) -> None:
        """Write a row of the champion's history; the same cause replaces its row."""
        self.upsert(champion_history, [row])

    def record_checks(self, month: str, results: Iterable[Row]) -> None:
        """Write a month's check results; one that says what it said before stays untouched."""
        now = datetime.now(UTC)
        rows = [{"month": month, "since": now, **result} for result in results]
        self.upsert(check_result, rows, only_if_changed=("passed", "words", "blocking"))

    def record_run(self, outcome: Row, successes: Mapping[str, datetime]) -> None:
        """Write how a run ended, and when each asset of its month was made."""
        self.upsert(run_outcome, [outcome])
        made = [{"month": outcome["month"], "asset": a, "at": at} for a, at in successes.items()]
        self.upsert(asset_success, made)

    def decision(self, month: str, version: int) -> Row | None:
        """The last decision on a month's version: made by the rule, or released by a person.

        A release that was refused has changed nothing.
        """
        rows = [
            row
            for row in self.history()
            if row["month"] == month and row["challenger"] == version and row["action"] != "refused"
        ]
        return rows[-1] if rows else None

    def hold(self, month: str, version: int, champion: int | None, reason: str) -> str | None:
        """Record that a check holds a version back; gives the reason of its release, if any.

        The first reason stays: a rerun changes nothing.
        """
        decided = self.decision(month, version)
        if decided is None:
            self.record_decision(
                {
                    "cause": decision_cause(month, version),
                    "month": month,
                    "at": datetime.now(UTC),
                    "action": "held",
                    "challenger": version,
                    "champion_before": champion,
                    "champion_after": champion,
                    "reason": reason,
                    "person": None,
                }
            )
        released = decided is not None and decided["action"] == "released"
        return str(decided["reason"]) if decided and released else None

    def change_to(self, version: int) -> Row | None:
        """The last change of the champion to this version."""
        changes = [
            row
            for row in self.history()
            if row["champion_after"] == version and row["champion_before"] != version
        ]
        return changes[-1] if changes else None

    def history(self) -> list[Row]:
        """The champion's history, oldest month first, in the order things happened."""
        return self.select(
            sa.select(champion_history).order_by(champion_history.c.month, champion_history.c.at)
        )

    def champion_before(self, month: str) -> int | None:
        """The registry version that served when a month began; None before the first promotion.

        Only changes of the champion count, and only to a model of an earlier month: no model is
        held against data that it was trained on.
        """
        history = self.history()
        later = {row["challenger"] for row in history if str(row["month"]) >= month}
        served = [
            row["champion_after"]
            for row in history
            if str(row["month"]) < month
            and row["champion_after"] != row["champion_before"]
            and row["champion_after"] not in later
        ]
        return served[-1] if served else None

    def decided_months(self) -> set[str]:
        """Months of which a model was promoted, kept, held or released."""
        return {
            row["month"]
            for row in self.history()
            if row["challenger"] is not None and row["action"] != "refused"
        }

    def reported_runs(self) -> set[str]:
        """The runs whose outcome is recorded."""
        return {row["run_id"] for row in self.select(sa.select(run_outcome.c.run_id))}

    def checks(self, month: str) -> list[Row]:
        """What the checks of a month said when they last ran."""
        query = sa.select(check_result).where(check_result.c.month == month)
        return self.select(query.order_by(check_result.c.asset, check_result.c.check))

    def last_success(self, month: str) -> str | None:
        """The last run of a month that succeeded; None if none has."""
        query = sa.select(run_outcome.c.run_id).where(
            run_outcome.c.month == month, run_outcome.c.status == "SUCCESS"
        )
        found = self.select(query.order_by(run_outcome.c.ended_at.desc()).limit(1))
        return str(found[0]["run_id"]) if found else None

    def was_followed(self, month: str, ended_at: datetime) -> bool:
        """Whether a run of the month is recorded that ended later."""
        later = sa.and_(run_outcome.c.month == month, run_outcome.c.ended_at > ended_at)
        return bool(self.select(sa.select(run_outcome.c.run_id).where(later).limit(1)))

    def select(self, query: sa.Select[Any]) -> list[Row]:
        """The rows of a query."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _prepare_sqlite(engine: sa.Engine) -> None:
    from pathlib import Path

    if engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)

    @sa.event.listens_for(engine, "connect")
    def wait_for_other_writers(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 20000")
