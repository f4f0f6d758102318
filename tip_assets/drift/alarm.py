"""The alarm rule of the control charts, with a limit set by the accepted rate of false alarms.

A month's effects are computed in `charts.py`; `checks/drift.py` holds the promotion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tip_assets.drift.charts import Effect, effects
from tip_assets.drift.datasets import Datasets
from tip_assets.drift.smallest_change import smallest_changes

ONE_MONTH, TWO_OF_THREE = "one month", "two of three months"
# Earlier months that the second part of the rule uses.
MONTHS_BEFORE = 2
# Grid of the integrals in `quiet_months`.
_SHIFTS, _STEPS, _LOG_MONTHS = 64, 2_000, (-9.0, 19.0)


@dataclass(frozen=True)
class ChartResult:
    """A month on one chart: its effect, the limit, and the part of the rule that alarms, if any.

    `smallest_change` describes the smallest change that this month detects with 80 % power; None
    if there is none.
    """

    chart: str
    column: str
    z: float
    limit: float
    alarm: str | None
    smallest_change: str | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@lru_cache(maxsize=256)
def limit_for(charts: int, quiet_months_per_alarm: float, correlation: float) -> float:
    """Return the limit for one false alarm in `quiet_months_per_alarm` months over all charts.

    `correlation` is that of the effects of two months with the same reference: month rows divided
    by the rows of month and reference. Charts are assumed to be independent, which makes the limit
    too wide rather than too narrow. `benchmarks/drift.py` measures the actual rate.

    The limit is never below that of uncorrelated months: where months are much larger than the
    reference, a few lucky references raise the mean although alarms are frequent.
    """
    from scipy import optimize

    def limit(shared: float) -> float:
        def excess(limit: float) -> float:
            return quiet_months(limit, charts, shared) - quiet_months_per_alarm

        return float(optimize.brentq(excess, 1, 10))

    return max(limit(correlation), limit(0.0))


def quiet_months(limit: float, charts: int, correlation: float) -> float:
    """Return the mean number of months until the first alarm when nothing has changed.

    A reference that is high or low by chance shifts its chart as long as it is used: `shift`. Given
    the shifts, months are independent, so the mean is E[1 / sum of the charts' rates]. That is the
    integral over t of E[exp(-t rate)] ** charts.
    """
    from scipy import stats

    shift, weight = np.polynomial.hermite_e.hermegauss(_SHIFTS)
    moved, spread = np.sqrt(correlation) * shift, np.sqrt(1 - correlation)
    rate = np.zeros(_SHIFTS)
    for side in (1, -1):
        beyond, again = (
            stats.norm.sf((edge - side * moved) / spread) for edge in (limit, limit - 1)
        )
        rate += beyond + MONTHS_BEFORE * again**2
    log_t = np.linspace(*_LOG_MONTHS, _STEPS)
    t = np.exp(log_t)
    survives = (weight / weight.sum()) @ np.exp(-np.outer(np.minimum(rate, 1), t))
    return float(np.trapezoid(survives**charts * t, log_t))


def judge_month(
    datasets: Datasets,
    before: Sequence[Mapping[str, float]],
    quiet_months_per_alarm: float,
    with_smallest_changes: bool = True,
) -> list[ChartResult]:
    """Compute a month's charts and apply the rule; `before` as in `judge`."""
    found = effects(datasets.reference, datasets.current)
    rows = len(datasets.current)
    correlation = rows / (rows + len(datasets.reference))
    limit = limit_for(len(found), quiet_months_per_alarm, correlation)
    changes: Mapping[str, str | None] = {}
    if with_smallest_changes:
        changes = smallest_changes(datasets.reference, datasets.current, limit)
    return judge(found, before, limit, changes)


def drifted_columns(charts: Sequence[ChartResult]) -> set[str]:
    """Return the columns on which a chart alarms."""
    return {chart.column for chart in charts if chart.alarm}


def verdict(charts: Sequence[ChartResult]) -> str:
    """Describe the drifted columns, each with the chart of its largest effect."""
    strongest: dict[str, ChartResult] = {}
    for chart in sorted((c for c in charts if c.alarm), key=lambda c: -abs(c.z)):
        strongest.setdefault(chart.column, chart)
    if not strongest:
        return "no column has drifted"
    found = ", ".join(
        f"{column} ({chart.chart} {chart.z:+.1f}{' again' if chart.alarm == TWO_OF_THREE else ''})"
        for column, chart in strongest.items()
    )
    return f"drifted: {found}; the limit is {charts[0].limit:.1f}"


def judge(
    month: Sequence[Effect],
    before: Sequence[Mapping[str, float]],
    limit: float,
    smallest_changes: Mapping[str, str | None],
) -> list[ChartResult]:
    """Apply the rule: |z| beyond the limit, or beyond limit - 1 in two of three months.

    `before` has the effects, by chart, of the earlier months with the same reference, newest last;
    the last two count.
    """
    return [
        ChartResult(
            chart=effect.chart,
            column=effect.column,
            z=effect.z,
            limit=limit,
            alarm=_alarm(effect, before[-MONTHS_BEFORE:], limit),
            smallest_change=smallest_changes.get(effect.chart),
        )
        for effect in month
    ]


def _alarm(effect: Effect, before: Sequence[Mapping[str, float]], limit: float) -> str | None:
    if abs(effect.z) > limit:
        return ONE_MONTH
    side = 1 if effect.z > 0 else -1
    again = any(side * month.get(effect.chart, 0.0) > limit - 1 for month in before)
    return TWO_OF_THREE if abs(effect.z) > limit - 1 and again else None
