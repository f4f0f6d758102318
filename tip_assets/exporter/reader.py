"""Questions about the newest month, asked over one connection.

Belongs here: those that several parts of the exporter ask. Does not belong here: what is exported.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tip_assets.metric_store.store import Row


@dataclass(frozen=True)
class Reader:
    """Reads tables of the metric store."""

    connection: sa.Connection

    def select(self, query: sa.Select[Any]) -> list[Row]:
        """The rows of a query."""
        return [dict(row) for row in self.connection.execute(query).mappings()]

    def newest(self, table: sa.Table, *of: sa.ColumnElement[bool]) -> str | None:
        """The newest month of a table, or of such rows of it; None if there is none."""
        query = sa.select(sa.func.max(table.c.month)).where(*of)
        month: str | None = self.connection.execute(query).scalar_one()
        return month

    def month(self, table: sa.Table, month: str) -> list[Row]:
        """The rows of a month, in the order of their keys."""
        return self.select(
            sa.select(table).where(table.c.month == month).order_by(*table.primary_key.columns)
        )
