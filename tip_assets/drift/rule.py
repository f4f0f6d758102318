"""What is called drift: a corrected p-value and an effect size, both beyond their thresholds.

Belongs here: the rule and its result per column and for the dataset. Does not belong here: the
statistics themselves (`statistics.py`) or what an alarm stops (`checks/drift.py`).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.drift import statistics
from tip_assets.drift.value_counts import ValueCounts

PREDICTION = "prediction"
Role = Literal["feature", "target", "prediction"]


@dataclass(frozen=True)
class Thresholds:
    """A column has drifted when p (corrected) < `significance` and effect >= `effect`.

    The dataset has when at least `share` of its columns have. With no drift at all this rule calls
    some column drifted in 2 to 4 % of small months and the dataset in none (measured by
    `benchmarks/drift_rule.py`). Either part alone is no rule: p-values call any shift real on a
    million rows, and distances call noise drift on fifty.
    """

    significance: float
    effect: float
    share: float


@dataclass(frozen=True)
class ColumnDrift:
    """Drift of one column.

    `score` is the p-value of `test`, the one the original system reported and Evidently shows.
    `p_value` is the one the rule uses: exact or resampled for small samples. `p_value_corrected` is
    Holm's over features and target; a prediction follows from the features and stands apart.
    """

    column: str
    role: Role
    test: str
    score: float
    p_value: float
    p_value_corrected: float
    effect: str
    effect_size: float
    threshold_p_value: float
    threshold_effect_size: float
    drifted: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class DatasetDrift:
    """Drift of the features and the target together; the prediction is not counted."""

    columns: int
    drifted_columns: int
    share: float
    threshold_share: float
    drifted: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Measured:
    """The numbers of one column before they are corrected and judged."""

    test: str
    score: float
    p_value: float
    effect: str
    effect_size: float


def score_test(column: contract.Column | None) -> str:
    """The test whose p-value is a column's score, by Evidently's name for it."""
    if not isinstance(column, contract.CategoryColumn):
        return "ks"
    return "z" if len(column.categories) == 2 else "chisquare"


def measure(
    column: contract.Column | None, reference: ValueCounts, current: ValueCounts, seed: int
) -> Measured:
    """Measure one column by the tests of its kind; None stands for the prediction, a number."""
    if not isinstance(column, contract.CategoryColumn):
        p = statistics.ks_p_value(reference, current)
        effect = statistics.normed_wasserstein(reference, current)
        return Measured("ks", p, p, "wasserstein", effect)
    test = score_test(column)
    score: Callable[[ValueCounts, ValueCounts], float] = (
        statistics.proportions_z_p_value
        if test == "z"
        else statistics.one_sample_chi_square_p_value
    )
    return Measured(
        test,
        score(reference, current),
        statistics.homogeneity_p_value(reference, current, seed),
        "jensenshannon",
        statistics.jensen_shannon(reference, current),
    )


def column_drifts(
    reference: pd.DataFrame, current: pd.DataFrame, thresholds: Thresholds, seed: int
) -> list[ColumnDrift]:
    """Judge every column of the contract, and the prediction if there is one.

    Both frames hold decoded records with the tip and perhaps `prediction`, at least one row each.
    """
    columns: dict[str, contract.Column | None] = dict(contract.COLUMNS)
    if PREDICTION in reference:
        columns[PREDICTION] = None
    measured = {
        name: measure(column, ValueCounts.of(reference[name]), ValueCounts.of(current[name]), seed)
        for name, column in columns.items()
    }
    family = list(contract.COLUMNS)
    corrected = dict(zip(family, holm([measured[name].p_value for name in family]), strict=True))
    drifts = []
    for name, m in measured.items():
        p = corrected.get(name, m.p_value)
        drifts.append(
            ColumnDrift(
                column=name,
                role=_role(name),
                test=m.test,
                score=m.score,
                p_value=m.p_value,
                p_value_corrected=p,
                effect=m.effect,
                effect_size=m.effect_size,
                threshold_p_value=thresholds.significance,
                threshold_effect_size=thresholds.effect,
                drifted=p < thresholds.significance and m.effect_size >= thresholds.effect,
            )
        )
    return drifts


def dataset_drift(drifts: list[ColumnDrift], thresholds: Thresholds) -> DatasetDrift:
    """Judge the dataset from its columns."""
    counted = [drift for drift in drifts if drift.role != PREDICTION]
    drifted = sum(drift.drifted for drift in counted)
    share = drifted / len(counted)
    return DatasetDrift(
        len(counted), drifted, share, thresholds.share, drifted=share >= thresholds.share
    )


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down correction (1979): p-values valid for all tests of a family at once."""
    order = np.argsort(p_values, kind="stable")
    steps = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in corrected]


def p_words(p: float) -> str:
    """A p-value for people: four digits, or that it is smaller."""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def _role(name: str) -> Role:
    if name == PREDICTION:
        return "prediction"
    return "target" if name == contract.LABEL.name else "feature"
