"""A month's drift by column and for the dataset, from the charts and the reported tests."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from tip_assets import contract
from tip_assets.drift import statistics
from tip_assets.drift.alarm import ChartResult, drifted_columns
from tip_assets.drift.charts import PREDICTION
from tip_assets.drift.value_counts import ValueCounts

Role = Literal["feature", "target", "prediction"]


@dataclass(frozen=True)
class ColumnDrift:
    """Drift of one column: it has drifted when one of its charts alarms.

    `score` is the p-value of `test`, as in the original system and Evidently; `effect_size` is a
    distance. Both are only reported. A prediction has no charts, since it follows from the
    features, and is never called drifted.
    """

    column: str
    role: Role
    test: str
    score: float
    effect: str
    effect_size: float
    drifted: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class DatasetDrift:
    """Drift of the features and the target together: any chart alarms."""

    columns: int
    drifted_columns: int
    share: float
    drifted: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def score_test(column: contract.Column | None) -> str:
    """Return the test whose p-value is a column's score, by Evidently's name."""
    if not isinstance(column, contract.CategoryColumn):
        return "ks"
    return "z" if len(column.categories) == 2 else "chisquare"


def column_drifts(
    reference: pd.DataFrame, current: pd.DataFrame, charts: Sequence[ChartResult]
) -> list[ColumnDrift]:
    """Return the drift of every column of the contract, and of the prediction if there is one.

    Both frames hold decoded records with the tip and optionally `prediction`, at least one row.
    """
    columns: dict[str, contract.Column | None] = dict(contract.COLUMNS)
    if PREDICTION in reference:
        columns[PREDICTION] = None
    drifted = drifted_columns(charts)
    return [
        _column_drift(
            name,
            column,
            ValueCounts.of(reference[name]),
            ValueCounts.of(current[name]),
            drifted=name in drifted,
        )
        for name, column in columns.items()
    ]


def dataset_drift(drifts: Sequence[ColumnDrift]) -> DatasetDrift:
    """Return the drift of the dataset from that of its columns."""
    counted = [drift for drift in drifts if drift.role != PREDICTION]
    drifted = sum(drift.drifted for drift in counted)
    return DatasetDrift(len(counted), drifted, drifted / len(counted), drifted=drifted > 0)


def format_p_value(p: float) -> str:
    """Format a p-value with four digits, or as smaller than that."""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def _column_drift(
    name: str,
    column: contract.Column | None,
    reference: ValueCounts,
    current: ValueCounts,
    drifted: bool,
) -> ColumnDrift:
    test, score, effect, size = _measured(column, reference, current)
    return ColumnDrift(name, _role(name), test, score, effect, size, drifted)


def _measured(
    column: contract.Column | None, reference: ValueCounts, current: ValueCounts
) -> tuple[str, float, str, float]:
    """Return test, score, effect and effect size by kind of column; None is the prediction."""
    test = score_test(column)
    tests: dict[str, Callable[[ValueCounts, ValueCounts], float]] = {
        "ks": statistics.ks_p_value,
        "z": statistics.proportions_z_p_value,
        "chisquare": statistics.one_sample_chi_square_p_value,
    }
    if isinstance(column, contract.CategoryColumn):
        effect, size = "jensenshannon", statistics.jensen_shannon(reference, current)
    else:
        effect, size = "wasserstein", statistics.normed_wasserstein(reference, current)
    return test, tests[test](reference, current), effect, size


def _role(name: str) -> Role:
    if name == PREDICTION:
        return "prediction"
    return "target" if name == contract.LABEL.name else "feature"
