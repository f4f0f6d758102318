"""The smallest change that a month of its size can detect, in the column's own unit.

It shows how much "not drifted" means.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.drift.charts import (
    ADJUSTED_BILL,
    ADJUSTED_TIP,
    category_chart,
    charted_categories,
    log_bill,
    proportion_z,
    rank_z,
    residuals,
    standard_error,
    tip_ratio,
)
from tip_assets.drift.value_counts import ValueCounts

POWER = 0.8
_STEPS = 14  # of a bisection: to a tenth of a percent


def smallest_changes(
    reference: pd.DataFrame, current: pd.DataFrame, limit: float
) -> dict[str, str | None]:
    """Describe, by chart, the smallest change that one month of this size detects with 80 % power.

    The expected effect of such a change is `limit` plus the normal quantile of the power. None if
    no possible change is that large.
    """
    from scipy import stats

    needed, rows = limit + float(stats.norm.ppf(POWER)), len(current)
    found: dict[str, str | None] = {}
    for name, column in contract.COLUMNS.items():
        counts = ValueCounts.of(reference[name])
        if isinstance(column, contract.CategoryColumn):
            for category in charted_categories(column, counts, ValueCounts.of(current[name])):
                chart = category_chart(name, category)
                found[chart] = _of_share(category, counts, rows, needed)
        elif column.integer:
            found[name] = _of_whole_numbers(column, counts, rows, needed)
        else:
            found[name] = _of_factor(column.name, counts, rows, needed)
    spread = float(residuals(*log_bill(reference)).std())
    factor = np.exp(needed * standard_error(spread**2, len(reference), rows)) - 1
    found[ADJUSTED_BILL] = f"prices {factor:.0%} higher"
    ratio = ValueCounts.of(tip_ratio(reference))
    found[ADJUSTED_TIP] = _of_factor("tips on the same bills", ratio, rows, needed)
    return found


def _of_share(category: str, counts: ValueCounts, rows: int, needed: float) -> str | None:
    """Describe the smallest increase of a category; a decrease if no increase is large enough."""
    usual = counts.share(category)

    def effect(share: float) -> float:
        found = round(share * rows)
        month = ValueCounts(np.array([category, None], object), np.array([found, rows - found]))
        return proportion_z(category, counts, month)

    share = _smallest(effect, usual, 1.0, needed)
    if share is None:
        share = _smallest(lambda candidate: -effect(candidate), usual, 0.0, needed)
    return None if share is None else f"{category} in {share:.0%} of the rows, not {usual:.0%}"


def _of_whole_numbers(
    column: contract.NumberColumn, counts: ValueCounts, rows: int, needed: float
) -> str | None:
    def effect(share: float) -> float:
        more = ValueCounts(counts.values + 1, counts.counts)
        return _rank_effect(counts, counts.mix(more, share), rows)

    share = _smallest(effect, 0.0, 1.0, needed)
    return None if share is None else f"{column.name} one higher in {share:.0%} of the rows"


def _of_factor(label: str, counts: ValueCounts, rows: int, needed: float) -> str | None:
    def effect(factor: float) -> float:
        return _rank_effect(counts, ValueCounts(counts.values * factor, counts.counts), rows)

    factor = _smallest(effect, 1.0, 10.0, needed)
    return None if factor is None else f"{label} {factor - 1:.0%} higher"


def _rank_effect(reference: ValueCounts, changed: ValueCounts, rows: int) -> float:
    """Return the expected effect of a month of `rows` rows distributed like `changed`."""
    as_measured = standard_error(1.0, reference.total, changed.total)
    return rank_z(reference, changed) * as_measured / standard_error(1.0, reference.total, rows)


def _smallest(
    effect: Callable[[float], float], none: float, most: float, needed: float
) -> float | None:
    """Return the smallest change between `none` and `most` with the effect `needed`, if any."""
    if effect(most) < needed:
        return None
    low, high = none, most
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if effect(middle) >= needed else (middle, high)
    return high
