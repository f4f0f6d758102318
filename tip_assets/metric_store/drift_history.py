"""The history of the control charts: earlier months measured against the same reference."""

from dataclasses import dataclass, field

import sqlalchemy as sa

from tip_assets.metric_store.store import MetricStore
from tip_assets.metric_store.tables import dataset_drift, drift_chart


@dataclass(frozen=True)
class MeasuredMonth:
    """A measured month: whether it drifted, and its effect on each chart."""

    month: str
    drifted: bool
    effects: dict[str, float] = field(default_factory=dict)


def measured_before(store: MetricStore, month: str, served_by: int | None) -> list[MeasuredMonth]:
    """Return the months before this one that the same version served without a break, oldest first.

    Another version means another reference, so the charts start again. The first month has no
    serving model: it is compared with itself and belongs to no history.
    """
    if served_by is None:
        return []
    query = (
        sa.select(
            dataset_drift.c.month,
            dataset_drift.c.served_by,
            dataset_drift.c.drifted,
            drift_chart.c.chart,
            drift_chart.c.z,
        )
        .join(drift_chart, drift_chart.c.month == dataset_drift.c.month)
        .where(dataset_drift.c.month < month)
        .order_by(dataset_drift.c.month)
    )
    found: dict[str, MeasuredMonth] = {}
    for row in store.select(query):
        if row["served_by"] != served_by:
            found.clear()
            continue
        measured = MeasuredMonth(row["month"], row["drifted"])
        found.setdefault(row["month"], measured).effects[row["chart"]] = row["z"]
    return list(found.values())


def alarming_since(before: list[MeasuredMonth]) -> list[str]:
    """Return the latest earlier months that drifted in a row, oldest first."""
    months: list[str] = []
    for measured in reversed(before):
        if not measured.drifted:
            break
        months.insert(0, measured.month)
    return months
