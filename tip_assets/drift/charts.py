"""Control charts: the month's difference from the reference as standard normal deviates.

When a chart alarms is decided in `alarm.py`. The tests that reports show are in `statistics.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.drift.statistics import EXACT_ROWS
from tip_assets.drift.value_counts import ValueCounts

PREDICTION = "prediction"
ADJUSTED_BILL = f"{contract.BILL} given {contract.PARTY} and {contract.MEAL}"
ADJUSTED_TIP = f"{contract.LABEL.name} given {PREDICTION}"
_CENT = 0.01
_NOTHING = 1e-9
# Smaller tails have no normal quantile, and limits are never that large.
_FAR_OUT = 1e-300


@dataclass(frozen=True)
class Effect:
    """The month's effect on one chart; an alarm means that `column` has drifted.

    `z` is standard normal when nothing has changed. It is positive when values are higher or the
    category is more frequent than in the reference.
    """

    chart: str
    column: str
    z: float


def effects(reference: pd.DataFrame, current: pd.DataFrame) -> list[Effect]:
    """Return the month's effects on the charts of the contract's columns.

    Both frames hold decoded records with tip and `prediction`; a reference row's prediction must be
    of a model that has not seen the row. A numeric column has one chart of ranks; a categorical
    column has one chart per category that occurs (one for two categories, which mirror each
    other). Two charts are adjusted: the bill given party size and meal shows price changes
    independent of the mix of tables; the tip given its prediction shows that guests tip differently
    on the same bills.
    """
    tip = rank_z(ValueCounts.of(tip_ratio(reference)), ValueCounts.of(tip_ratio(current)))
    return [
        *_column_effects(list(contract.COLUMNS), reference, current),
        _adjusted_bill(reference, current),
        Effect(ADJUSTED_TIP, contract.LABEL.name, tip),
    ]


def input_effects(reference: pd.DataFrame, current: pd.DataFrame) -> list[Effect]:
    """Return the effects on the charts of the inputs alone, for months whose tips are not known."""
    return [
        *_column_effects(contract.FEATURE_NAMES, reference, current),
        _adjusted_bill(reference, current),
    ]


def _adjusted_bill(reference: pd.DataFrame, current: pd.DataFrame) -> Effect:
    z = adjusted_z(*log_bill(reference), *log_bill(current))
    return Effect(ADJUSTED_BILL, contract.BILL, z)


def _column_effects(
    names: Sequence[str], reference: pd.DataFrame, current: pd.DataFrame
) -> list[Effect]:
    found = []
    for name in names:
        column = contract.COLUMNS[name]
        sides = ValueCounts.of(reference[name]), ValueCounts.of(current[name])
        if isinstance(column, contract.CategoryColumn):
            found += [
                Effect(category_chart(name, category), name, proportion_z(category, *sides))
                for category in charted_categories(column, *sides)
            ]
        else:
            found.append(Effect(name, name, rank_z(*sides)))
    return found


def category_chart(column: str, category: str) -> str:
    """Return the name of a category's chart."""
    return f"{column} {category}"


def charted_categories(
    column: contract.CategoryColumn, reference: ValueCounts, current: ValueCounts
) -> list[str]:
    """Return the categories with a chart: those that occur; of two, only the first."""
    if len(column.categories) == 2:
        return column.categories[:1]
    occurring = {*reference.values, *current.values}
    return [category for category in column.categories if category in occurring]


def rank_z(reference: ValueCounts, current: ValueCounts) -> float:
    """Return the difference of mean ranks in standard deviations (Mann-Whitney test with ties).

    The variance is over all permutations of the ranks; returns 0 if all values are equal.
    """
    both = reference.merge(current)
    ranks = np.cumsum(both.counts) - (both.counts - 1) / 2
    spread = float(both.counts @ (ranks - (both.total + 1) / 2) ** 2) / max(both.total - 1, 1)
    if spread < _NOTHING:
        return 0.0
    means = [
        float(side.counts @ ranks[np.searchsorted(both.values, side.values)]) / side.total
        for side in (reference, current)
    ]
    return (means[1] - means[0]) / standard_error(spread, reference.total, current.total)


def proportion_z(category: str, reference: ValueCounts, current: ValueCounts) -> float:
    """Return the difference of a category's shares as a standard normal deviate.

    Up to `EXACT_ROWS` rows it uses Fisher's exact test (mid-p): the pooled z of a rare category is
    skewed and alarms too often. For more rows, and for extreme tails, it is the pooled z.
    """
    from scipy import special, stats

    pooled = share_z(
        reference.share(category), reference.total, current.share(category), current.total
    )
    rows, found = reference.total + current.total, current.count(category)
    if not pooled or rows > EXACT_ROWS:
        return pooled
    dealt = rows, found + reference.count(category), current.total
    hypergeom = stats.hypergeom
    beyond = hypergeom.sf(found, *dealt) if pooled > 0 else hypergeom.cdf(found - 1, *dealt)
    tail = float(beyond + hypergeom.pmf(found, *dealt) / 2)
    side = 1 if pooled > 0 else -1
    return -side * float(special.ndtri(tail)) if tail > _FAR_OUT else pooled


def share_z(reference: float, reference_rows: int, current: float, current_rows: int) -> float:
    """Return the difference of two shares in pooled standard deviations; 0 if both are 0 or 1."""
    rows = reference_rows + current_rows
    pooled = (reference * reference_rows + current * current_rows) / rows
    spread = pooled * (1 - pooled) * rows / max(rows - 1, 1)
    if spread < _NOTHING:
        return 0.0
    return (current - reference) / standard_error(spread, reference_rows, current_rows)


def adjusted_z(
    reference: np.ndarray,
    reference_covariates: np.ndarray,
    current: np.ndarray,
    current_covariates: np.ndarray,
) -> float:
    """Return the month's effect on a value given covariates, in standard errors.

    Fits both datasets together by least squares (analysis of covariance), from sums of products:
    a tenth of the time of a decomposition of all rows. Returns 0 when the covariates explain the
    whole difference. `covariates` have one row per value.
    """
    rows, months = len(reference) + len(current), [len(reference), len(current)]
    terms = np.empty((reference_covariates.shape[1] + 2, rows))
    terms[0], terms[1] = np.repeat([0.0, 1.0], months), np.concatenate([reference, current])
    terms[2:] = np.concatenate([reference_covariates, current_covariates]).T
    terms -= terms.mean(axis=1, keepdims=True)
    products = terms @ terms.T
    between = products[2:, :2]
    line, *_ = np.linalg.lstsq(products[2:, 2:], between, rcond=None)
    (scale, shared), (_, left) = products[:2, :2] - between.T @ line
    freedom = rows - len(terms)
    if scale < _NOTHING * max(products[0, 0], 1) or freedom < 1:
        return 0.0
    effect = shared / scale
    left = max(left - effect * shared, _NOTHING)
    return float(effect / np.sqrt(left / freedom / scale))


def residuals(values: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Return the residuals of each column of values after a fit on covariates and a constant."""
    design = np.column_stack([np.ones(len(covariates)), covariates])
    line, *_ = np.linalg.lstsq(design, values, rcond=None)
    return np.asarray(values - design @ line)


def log_bill(records: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return log bills and their covariates: log party sizes, and meals."""
    party = np.log(records[contract.PARTY].to_numpy(float))
    lunch = (records[contract.MEAL] == contract.LUNCH).to_numpy(float)
    return np.log(records[contract.BILL].to_numpy(float)), np.column_stack([party, lunch])


def tip_ratio(records: pd.DataFrame) -> pd.Series:
    """Return each tip divided by its prediction (at least a cent)."""
    return records[contract.LABEL.name] / records[PREDICTION].clip(lower=_CENT)


def standard_error(variance: float, reference_rows: int, current_rows: int) -> float:
    """Return the standard error of the difference of two means."""
    return float(np.sqrt(variance * (1 / reference_rows + 1 / current_rows)))
