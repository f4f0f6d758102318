"""The history of numbers in SQL: drift, model quality, who served when.

Belongs here: the schema, and writes that replace a month as a whole. Does not belong here: where
numbers come from or how they are shown. MLflow's own tables are nobody's API; these are.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

metadata = sa.MetaData()
_MONTH = sa.String(7)

drift = sa.Table(
    "drift",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("column", sa.String(40), primary_key=True),
    sa.Column("role", sa.String(12), nullable=False),
    sa.Column("test", sa.String(20), nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("p_value", sa.Float, nullable=False),
    sa.Column("p_value_corrected", sa.Float, nullable=False),
    sa.Column("effect", sa.String(20), nullable=False),
    sa.Column("effect_size", sa.Float, nullable=False),
    sa.Column("threshold_p_value", sa.Float, nullable=False),
    sa.Column("threshold_effect_size", sa.Float, nullable=False),
    sa.Column("drifted", sa.Boolean, nullable=False),
)
dataset_drift = sa.Table(
    "dataset_drift",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("columns", sa.Integer, nullable=False),
    sa.Column("drifted_columns", sa.Integer, nullable=False),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("threshold_share", sa.Float, nullable=False),
    sa.Column("drifted", sa.Boolean, nullable=False),
    sa.Column("reference_rows", sa.Integer, nullable=False),
    sa.Column("current_rows", sa.Integer, nullable=False),
    sa.Column("served_by", sa.Integer),
)
correlation = sa.Table(
    "correlation",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("dataset", sa.String(12), primary_key=True),
    sa.Column("column", sa.String(40), primary_key=True),
    sa.Column("with_column", sa.String(40), primary_key=True),
    sa.Column("pearson", sa.Float, nullable=False),
)
column_quality = sa.Table(
    "column_quality",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("dataset", sa.String(12), primary_key=True),
    sa.Column("column", sa.String(40), primary_key=True),
    sa.Column("statistic", sa.String(40), primary_key=True),
    sa.Column("value", sa.Float),
    sa.Column("category", sa.String(80)),
)
model_quality = sa.Table(
    "model_quality",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    # `train` and `test`: the month's challenger on its window. `reference` and `current`: the model
    # that served the month.
    sa.Column("part", sa.String(12), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("mean_error", sa.Float, nullable=False),
    sa.Column("mean_error_std", sa.Float, nullable=False),
    sa.Column("mean_absolute_error", sa.Float, nullable=False),
    sa.Column("mean_absolute_error_std", sa.Float, nullable=False),
    sa.Column("mape", sa.Float, nullable=False),
    sa.Column("mape_std", sa.Float, nullable=False),
    sa.Column("rmse", sa.Float, nullable=False),
    sa.Column("r2", sa.Float, nullable=False),
)
champion_history = sa.Table(
    "champion_history",
    metadata,
    # What made the row, so that a rerun replaces it: `decision 2024-02 version 3`, `rollback ...`.
    sa.Column("cause", sa.String(80), primary_key=True),
    sa.Column("month", _MONTH, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("action", sa.String(12), nullable=False),
    sa.Column("challenger", sa.Integer),
    sa.Column("champion_before", sa.Integer),
    sa.Column("champion_after", sa.Integer),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("person", sa.String(120)),
)

Row = Mapping[str, Any]
# Dagster's run tag that says who launched a run.
PERSON_TAG = "user"


def decision_cause(month: str, version: int) -> str:
    """The key of the rule's decision in the champion's history: one per month and version."""
    return f"decision {month} version {version}"


class MetricStore(dg.ConfigurableResource):
    """The metric store behind a SQLAlchemy URL; tables are made at first use."""

    url: str

    @cached_property
    def engine(self) -> sa.Engine:
        """The engine, its schema in place."""
        engine = sa.create_engine(self.url)
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        metadata.create_all(engine)
        return engine

    def replace_month(self, month: str, rows: Mapping[sa.Table, Sequence[Row]]) -> None:
        """Put a month's rows in place of what the tables hold of it, in one transaction."""
        with self.engine.begin() as connection:
            for table, new in rows.items():
                connection.execute(sa.delete(table).where(table.c.month == month))
                if new:
                    connection.execute(sa.insert(table), [{"month": month, **row} for row in new])

    def record_decision(self, row: Row) -> None:
        """Write a row of the champion's history; the same cause replaces its row."""
        dialect = postgresql if self.engine.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(champion_history).values(**row)
        upsert = insert.on_conflict_do_update(index_elements=["cause"], set_=dict(row))
        with self.engine.begin() as connection:
            connection.execute(upsert)

    def decision(self, month: str, version: int) -> Row | None:
        """The last decision on a month's version: made by the rule, or released by a person."""
        rows = [
            row for row in self.history() if row["month"] == month and row["challenger"] == version
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
        return self._select(
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

    def drifted_columns(self, month: str) -> set[str]:
        """Features and target that had drifted in a month."""
        query = sa.select(drift.c.column).where(
            drift.c.month == month, drift.c.drifted, drift.c.role != "prediction"
        )
        return {row["column"] for row in self._select(query)}

    def _select(self, query: sa.Select[Any]) -> list[Row]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _prepare_sqlite(engine: sa.Engine) -> None:
    from pathlib import Path

    if engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)

    @sa.event.listens_for(engine, "connect")
    def wait_for_other_writers(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 20000")
