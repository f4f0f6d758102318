"""Read and write the metric store: drift, model quality, champions, runs.

Writes replace a month as a whole. The tables are in `tables.py`.
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
# Dagster's run tag for the person who launched a run.
PERSON_TAG = "user"


def in_utc(time: datetime) -> datetime:
    """Return a time of the store in UTC; SQLite keeps no time zone."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def decision_cause(month: str, version: int) -> str:
    """Return the dedupe key of the rule's decision in the champion's history."""
    return f"decision {month} version {version}"


class MetricStore(dg.ConfigurableResource):
    """The metric store behind a SQLAlchemy URL; the first use upgrades its schema."""

    url: str

    @cached_property
    def engine(self) -> sa.Engine:
        """The engine, with the schema up to date."""
        engine = sa.create_engine(self.url, pool_pre_ping=True)
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        bring_up_to_date(engine)
        return engine

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """Return an insert that supports `on_conflict_...`."""
        if self.engine.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)

    def upsert(
        self, table: sa.Table, rows: Sequence[Row], only_if_changed: Sequence[str] = ()
    ) -> None:
        """Insert or replace rows by key, in one transaction.

        With `only_if_changed`, a row is only replaced if one of these columns differs.
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
        """Replace a month's rows in the given tables, in one transaction."""
        with self.engine.begin() as connection:
            for table, new in rows.items():
                connection.execute(sa.delete(table).where(table.c.month == month))
                if new:
                    connection.execute(sa.insert(table), [{"month": month, **row} for row in new])

    def record_decision(self, row: Row) -> None:
        """Write a row of the champion's history; the same dedupe key (`cause`) replaces its row."""
        self.upsert(champion_history, [row])

    def record_checks(self, month: str, results: Iterable[Row]) -> None:
        """Write a month's check results; unchanged results keep their row."""
        now = datetime.now(UTC)
        rows = [{"month": month, "since": now, **result} for result in results]
        self.upsert(check_result, rows, only_if_changed=("passed", "words", "blocking"))

    def record_run(self, outcome: Row, successes: Mapping[str, datetime]) -> None:
        """Write the outcome of a run, and when each asset of its month was materialized."""
        self.upsert(run_outcome, [outcome])
        made = [{"month": outcome["month"], "asset": a, "at": at} for a, at in successes.items()]
        self.upsert(asset_success, made)

    def decision(self, month: str, version: int) -> Row | None:
        """Return the last decision on a month's version, by the rule or by a person's release.

        Refused releases do not count.
        """
        rows = [
            row
            for row in self.history()
            if row["month"] == month and row["challenger"] == version and row["action"] != "refused"
        ]
        return rows[-1] if rows else None

    def hold(self, month: str, version: int, champion: int | None, reason: str) -> str | None:
        """Record that a check holds a version; returns the reason of its release, if any.

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
        """Return the last change of the champion to this version."""
        changes = [
            row
            for row in self.history()
            if row["champion_after"] == version and row["champion_before"] != version
        ]
        return changes[-1] if changes else None

    def history(self) -> list[Row]:
        """Return the champion's history, oldest month first, in order of time."""
        return self.select(
            sa.select(champion_history).order_by(champion_history.c.month, champion_history.c.at)
        )

    def champion_before(self, month: str) -> int | None:
        """Return the version that served when a month began; None before the first promotion.

        Only counts changes to a model of an earlier month, so that no model is measured on its
        training data.
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
        """Return the months whose model was promoted, kept, held or released."""
        return {
            row["month"]
            for row in self.history()
            if row["challenger"] is not None and row["action"] != "refused"
        }

    def reported_runs(self) -> set[str]:
        """Return the ids of the runs whose outcome is recorded."""
        return {row["run_id"] for row in self.select(sa.select(run_outcome.c.run_id))}

    def checks(self, month: str) -> list[Row]:
        """Return the latest results of a month's checks."""
        query = sa.select(check_result).where(check_result.c.month == month)
        return self.select(query.order_by(check_result.c.asset, check_result.c.check))

    def last_success(self, month: str) -> str | None:
        """Return the last successful run of a month; None if there is none."""
        query = sa.select(run_outcome.c.run_id).where(
            run_outcome.c.month == month, run_outcome.c.status == "SUCCESS"
        )
        found = self.select(query.order_by(run_outcome.c.ended_at.desc()).limit(1))
        return str(found[0]["run_id"]) if found else None

    def was_followed(self, month: str, ended_at: datetime) -> bool:
        """Return whether a later run of the month is recorded."""
        later = sa.and_(run_outcome.c.month == month, run_outcome.c.ended_at > ended_at)
        return bool(self.select(sa.select(run_outcome.c.run_id).where(later).limit(1)))

    def select(self, query: sa.Select[Any]) -> list[Row]:
        """Return the rows of a query."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _prepare_sqlite(engine: sa.Engine) -> None:
    from pathlib import Path

    if engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)

    @sa.event.listens_for(engine, "connect")
    def wait_for_other_writers(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 20000")
