"""Queries shared by the exporter's modules, over one connection."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tip_assets.metric_store.store import Row


@dataclass(frozen=True)
class Reader:
    """Reads tables of the metric store."""

    connection: sa.Connection

    def select(self, query: sa.Select[Any]) -> list[Row]:
        """Return the rows of a query."""
        return [dict(row) for row in self.connection.execute(query).mappings()]

    def newest(self, table: sa.Table, *of: sa.ColumnElement[bool]) -> str | None:
        """Return the newest month of a table's (matching) rows; None without rows."""
        query = sa.select(sa.func.max(table.c.month)).where(*of)
        month: str | None = self.connection.execute(query).scalar_one()
        return month

    def month(self, table: sa.Table, month: str) -> list[Row]:
        """Return the rows of a month, ordered by key."""
        return self.select(
            sa.select(table).where(table.c.month == month).order_by(*table.primary_key.columns)
        )
