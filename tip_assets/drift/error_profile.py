"""Where the serving model errs: its lowest and highest errors, their features and distribution.

These are the statistics that the original system reported. Mean errors are in
`modelling/evaluation.py`, errors by group of people in `modelling/group_errors.py`.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.drift.value_counts import ValueCounts

UNDER, MAJORITY, OVER = "underestimation", "majority", "overestimation"
RANGE = "range"
TAIL = 0.05  # the share of rows in either tail, as in Evidently


@dataclass(frozen=True)
class ErrorGroup:
    """The errors of the rows in one tail, or of the majority between, in dollars.

    The mean is None without rows, the standard deviation with fewer than two.
    """

    group: str
    rows: int
    mean_error: float | None
    std_error: float | None


@dataclass(frozen=True)
class ErrorBias:
    """A feature in a group of errors: the mean of numbers, the most frequent category.

    The majority is all rows, as in Evidently. The group `range` is the difference of the tails: for
    numbers a share of the feature's whole range, for categories 1 if any group differs, else 0.
    """

    column: str
    group: str
    value: float | None = None
    category: str | None = None


@dataclass(frozen=True)
class ErrorNormality:
    """The line through the errors over the quantiles of a normal distribution (scipy's probplot).

    `slope` estimates the standard deviation, `intercept` the mean, both in dollars. `r` is 1 for
    normal errors, None if all are equal.
    """

    slope: float
    intercept: float
    r: float | None


@dataclass(frozen=True)
class ErrorProfile:
    """The error profile of one dataset."""

    groups: list[ErrorGroup]
    bias: list[ErrorBias]
    normality: ErrorNormality

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def error_profile(records: pd.DataFrame, predicted: str) -> ErrorProfile:
    """Measure the errors (prediction minus tip) of decoded records, at least two rows.

    `predicted` is the name of the column of predictions. The tails are the rows at or beyond the
    5 % and the 95 % quantile of the errors, as in Evidently's regression performance.
    """
    error = (records[predicted] - records[contract.LABEL.name]).to_numpy(float)
    low, high = np.quantile(error, [TAIL, 1 - TAIL])
    members = {UNDER: error <= low, MAJORITY: (error > low) & (error < high), OVER: error >= high}
    return ErrorProfile(
        groups=[_group(name, error[member]) for name, member in members.items()],
        bias=[
            bias
            for column in contract.FEATURES
            for bias in _bias(column, records[column.name], members[UNDER], members[OVER])
        ],
        normality=_normality(error),
    )


def _group(name: str, error: np.ndarray) -> ErrorGroup:
    return ErrorGroup(
        group=name,
        rows=len(error),
        mean_error=float(error.mean()) if len(error) else None,
        std_error=float(error.std(ddof=1)) if len(error) > 1 else None,
    )


def _bias(
    column: contract.Column, values: pd.Series, under: np.ndarray, over: np.ndarray
) -> list[ErrorBias]:
    name = column.name
    parts = {MAJORITY: values, UNDER: values[under], OVER: values[over]}
    if isinstance(column, contract.CategoryColumn):
        most = {part: ValueCounts.of(rows).most_common()[0] for part, rows in parts.items()}
        differ = float(len(set(most.values())) > 1)
        found = [ErrorBias(name, part, category=str(value)) for part, value in most.items()]
        return [*found, ErrorBias(name, RANGE, value=differ)]
    means = {part: float(rows.mean()) for part, rows in parts.items()}
    width, apart = float(values.max() - values.min()), abs(means[OVER] - means[UNDER])
    found = [ErrorBias(name, part, value=mean) for part, mean in means.items()]
    return [*found, ErrorBias(name, RANGE, value=apart / width if width else 0.0)]


def _normality(error: np.ndarray) -> ErrorNormality:
    from scipy.stats import probplot

    if not np.ptp(error):
        return ErrorNormality(slope=0.0, intercept=float(error[0]), r=None)
    slope, intercept, r = probplot(error, dist="norm")[1]
    return ErrorNormality(float(slope), float(intercept), float(r))
