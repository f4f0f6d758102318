"""Errors by group of rows, each with the interval that chance explains.

Errors grow with the bill, and groups differ in their bills. Errors are therefore divided by a power
of the bill, as for prediction intervals (`intervals.py`).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.modelling.intervals import POWER

RESAMPLES = 5_000  # enough for ten draws beyond the outermost percentile of a dozen groups
LEAST_ROWS = 5  # in smaller groups, a single table decides
# Larger groups are drawn with this many rows; the interval is narrowed by the root of the ratio.
MOST_DRAWN = 5_000
_DRAWN_AT_ONCE = 1_000_000  # bounds the memory to about 30 MB
# With many rows chance explains almost nothing, but no power of the bill is exactly right: smaller
# relative differences to the error of all rows are not reported.
SMALLEST = 0.05
_ROUNDING = 1e-9  # sums of the same numbers in another order differ in their last digits


@dataclass(frozen=True)
class GroupError:
    """RMSE of the rows of one category, in dollars, and the interval that chance explains."""

    column: str
    group: str
    rows: int
    rmse: float
    low: float
    high: float

    @property
    def is_worse(self) -> bool:
        return self.rmse > self.high + _ROUNDING

    @property
    def is_better(self) -> bool:
        return self.rmse < self.low - _ROUNDING

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"outside": self.is_worse or self.is_better}


def group_errors(
    records: pd.DataFrame,
    actual: np.ndarray,
    predicted: np.ndarray,
    *,
    confidence: float,
    seed: int,
) -> list[GroupError]:
    """Measure each category in decoded records that has at least five rows but not all rows.

    The interval is of the RMSE of as many rows drawn from all rows without replacement: the error
    that a group would have if it depended on the bill but not on the category. It is in dollars on
    the group's own bills. No distribution is assumed. With probability `confidence` no group is
    outside by chance (Bonferroni over the groups). The interval extends at least 5 % to each side
    of the error of all rows.

    If groups do not differ, some group is worse in at most 5 % of months at 0.95, with 50 as with
    20,000 test rows (measured by `benchmarks/group_errors.py`).
    """
    groups = _groups(records)
    if not groups:
        return []
    errors = predicted - actual
    scaled = (errors / records[contract.BILL].to_numpy(float) ** POWER) ** 2
    sizes = np.array([member.sum() for member in groups.values()])
    outer = (1 - confidence) / len(groups) / 2
    drawn = _drawn_rmse(scaled, sizes, np.random.default_rng(seed))
    low, high = np.quantile(drawn, [outer, 1 - outer], axis=0)
    overall = _root_mean(scaled)
    low = np.minimum(low, (1 - SMALLEST) * overall)
    high = np.maximum(high, (1 + SMALLEST) * overall)
    found = []
    for (name, member), lower, upper in zip(groups.items(), low, high, strict=True):
        rmse, of_scaled = _root_mean(errors[member] ** 2), _root_mean(scaled[member])
        in_dollars = rmse / of_scaled if of_scaled else 0.0
        bounds = float(lower * in_dollars), float(upper * in_dollars)
        found.append(GroupError(*name, int(member.sum()), rmse, *bounds))
    return found


def _groups(records: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """Return the row mask of each group that can be measured, by column and category."""
    members = {
        (column.name, category): (records[column.name] == category).to_numpy()
        for column in contract.CATEGORIES
        for category in column.categories
    }
    return {
        group: member
        for group, member in members.items()
        if LEAST_ROWS <= member.sum() < len(records)
    }


def _drawn_rmse(squares: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the RMSE of randomly drawn rows: one row per draw, one column per size."""
    everything, overall = len(squares), squares.mean()
    # Drawing more than half of the rows is the same as leaving out the others.
    smaller = np.minimum(sizes, everything - sizes)
    turned = np.where(sizes > smaller, -smaller / sizes, 1.0)
    drawn, narrowing = np.minimum(smaller, MOST_DRAWN), np.ones(len(sizes))
    if everything > MOST_DRAWN:
        # Drawn with replacement and with fewer rows than the group: the variance of the mean gives
        # the factor by which this interval is too wide.
        narrowing = np.sqrt(drawn / smaller * (everything - smaller) / (everything - 1))
    means = np.concatenate([sums[:, drawn - 1] / drawn for sums in _running_sums(squares, rng)])
    return np.sqrt(np.maximum(overall + (means - overall) * narrowing * turned, 0.0))


def _running_sums(squares: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield running sums over random orders of the rows, in batches; one order serves all sizes."""
    length = min(len(squares), MOST_DRAWN)
    at_once = max(1, _DRAWN_AT_ONCE // length)
    for start in range(0, RESAMPLES, at_once):
        shape = min(at_once, RESAMPLES - start), length
        if len(squares) > MOST_DRAWN:
            rows = squares[rng.integers(0, len(squares), shape)]
        else:
            rows = rng.permuted(np.broadcast_to(squares, shape), axis=1)
        yield np.cumsum(rows, axis=1)


def _root_mean(squares: np.ndarray) -> float:
    return float(np.sqrt(squares.mean()))
