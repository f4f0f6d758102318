"""All drift metrics of a month, computed from the two datasets."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from tip_assets import contract
from tip_assets.drift.alarm import ChartResult
from tip_assets.drift.charts import PREDICTION
from tip_assets.drift.datasets import Datasets
from tip_assets.drift.error_profile import ErrorProfile, error_profile
from tip_assets.drift.rule import ColumnDrift, DatasetDrift, column_drifts, dataset_drift
from tip_assets.drift.value_counts import ValueCounts, describe
from tip_assets.modelling.evaluation import Quality, quality


@dataclass(frozen=True)
class DriftMetrics:
    """Drift and quality of a month, by dataset (`reference`, `current`) where it has two datasets.

    `correlations` are Pearson's, of each number with the tip and with the prediction.
    """

    note: str
    rows: dict[str, int]
    charts: list[ChartResult]
    columns: list[ColumnDrift]
    dataset: DatasetDrift
    correlations: dict[str, dict[str, dict[str, float]]]
    regression_quality: dict[str, Quality]
    error_profiles: dict[str, ErrorProfile]
    column_quality: dict[str, dict[str, dict[str, float | str]]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def drift_metrics_of(datasets: Datasets, charts: list[ChartResult]) -> DriftMetrics:
    """Compute all metrics of a month's two datasets; the charts decide what has drifted."""
    frames = {"reference": datasets.reference, "current": datasets.current}
    columns = column_drifts(datasets.reference, datasets.current, charts)
    return DriftMetrics(
        note=datasets.note,
        rows={name: len(frame) for name, frame in frames.items()},
        charts=charts,
        columns=columns,
        dataset=dataset_drift(columns),
        correlations={name: correlations(frame) for name, frame in frames.items()},
        regression_quality={
            name: quality(frame[contract.LABEL.name].to_numpy(), frame[PREDICTION].to_numpy())
            for name, frame in frames.items()
        },
        error_profiles={name: error_profile(frame, PREDICTION) for name, frame in frames.items()},
        column_quality=_column_quality(datasets.reference, datasets.current),
    )


def correlations(records: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return Pearson's correlation of each number with tip and prediction; 0 if constant."""
    numbers = [column.name for column in contract.NUMBERS]
    with_columns = [name for name in (contract.LABEL.name, PREDICTION) if name in records]
    numbers += [PREDICTION] if PREDICTION in records else []
    table = records[numbers].corr().fillna(0.0)
    return {
        other: {name: float(table.at[name, other]) for name in numbers} for other in with_columns
    }


def _column_quality(
    reference: pd.DataFrame, current: pd.DataFrame
) -> dict[str, dict[str, dict[str, float | str]]]:
    columns = [*contract.COLUMNS, PREDICTION]
    counts = {
        side: {name: ValueCounts.of(frame[name]) for name in columns}
        for side, frame in (("reference", reference), ("current", current))
    }
    return {
        side: {name: describe(counts[side][name], counts[other][name]) for name in columns}
        for side, other in (("reference", "current"), ("current", "reference"))
    }
