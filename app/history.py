"""The platform over the months, from the metric store.

Belongs here: the rows that the history page shows. Does not belong here: drawing them
(`history_plots.py`).
"""

from dataclasses import dataclass, field
from math import sqrt
from statistics import NormalDist

import sqlalchemy as sa

from tip_assets.metric_store import tables
from tip_assets.metric_store.prediction_log import PredictionLog, Realised
from tip_assets.metric_store.store import MetricStore, Row
from tip_assets.partitions import months_apart


@dataclass(frozen=True)
class Error:
    """A mean absolute error in dollars with its interval, and whose it is."""

    month: str
    version: int
    rows: int
    mean: float
    low: float
    high: float
    rmse: float


@dataclass(frozen=True)
class History:
    """Everything by month, oldest first; a month is missing where nothing was measured.

    `serving` are the errors of the model that served a month, on all of its rows, and `served` the
    versions that served measured months; None where no model served yet. `changes` are the rows of
    the champion's history that put another model in its place, `decisions` all of them.
    """

    charts: list[Row] = field(default_factory=list)
    serving: list[Error] = field(default_factory=list)
    served: dict[str, int | None] = field(default_factory=dict)
    comparisons: list[Row] = field(default_factory=list)
    ingested: list[Row] = field(default_factory=list)
    decisions: list[Row] = field(default_factory=list)
    realised: list[Realised] = field(default_factory=list)

    @property
    def changes(self) -> list[Row]:
        return [r for r in self.decisions if r["champion_after"] != r["champion_before"]]

    @property
    def months(self) -> list[str]:
        """Every month with data, except those that only have feedback: they may be far away.

        Of old data, such as the sample, predictions are made today.
        """
        rows = (*self.charts, *self.comparisons, *self.ingested, *self.decisions)
        errors = {error.month for error in self.serving}
        return sorted({row["month"] for row in rows} | errors)

    @property
    def span(self) -> int:
        """How many months there are from the first to the last, those without data included."""
        return months_apart(self.months[0], self.months[-1]) + 1

    def since(self, month: str) -> "History":
        """What is known of a month and those after it."""

        def rows(all_: list[Row]) -> list[Row]:
            return [row for row in all_ if row["month"] >= month]

        return History(
            charts=rows(self.charts),
            serving=[error for error in self.serving if error.month >= month],
            served={at: version for at, version in self.served.items() if at >= month},
            comparisons=rows(self.comparisons),
            ingested=rows(self.ingested),
            decisions=rows(self.decisions),
            realised=[point for point in self.realised if point.month >= month],
        )


def history_of(store: MetricStore, confidence: float) -> History:
    """The history in the metric store; intervals are of the level `confidence`."""

    def by_month(table: sa.Table, *only: sa.ColumnElement[bool]) -> list[Row]:
        return store.select(sa.select(table).where(*only).order_by(table.c.month))

    quality = tables.model_quality
    served = {row["month"]: row["served_by"] for row in by_month(tables.dataset_drift)}
    errors = [_error(row, confidence) for row in by_month(quality, quality.c.part == "current")]
    return History(
        charts=by_month(tables.drift_chart),
        # Of a month that no model served, the store has the errors of its own new model.
        serving=[error for error in errors if served.get(error.month, error.version)],
        served=served,
        comparisons=by_month(tables.comparison),
        ingested=by_month(tables.ingestion),
        decisions=store.history(),
        realised=PredictionLog(store).realised(),
    )


def _error(row: Row, confidence: float) -> Error:
    """The interval is the normal one of a mean, mean +- z s / sqrt(n): rows are dozens or more."""
    half = NormalDist().inv_cdf((1 + confidence) / 2) * row["mean_absolute_error_std"]
    half /= sqrt(row["rows"])
    mean = row["mean_absolute_error"]
    return Error(
        month=row["month"],
        version=row["version"],
        rows=row["rows"],
        mean=mean,
        low=max(0.0, mean - half),
        high=mean + half,
        rmse=row["rmse"],
    )
