"""When a chart alarms, by a limit that follows from how many quiet months one alarm may cost.

Belongs here: the limit and the rule over the last months. Does not belong here: a month's effects
(`charts.py`) or what an alarm stops (`checks/drift.py`).
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
# Months before this one that the second part of the rule looks at.
MONTHS_BEFORE = 2
# Of the integrals in `quiet_months`.
_SHIFTS, _STEPS, _LOG_MONTHS = 64, 2_000, (-9.0, 19.0)


@dataclass(frozen=True)
class ChartResult:
    """A month on one chart: its effect, the limit, and the part of the rule that alarms, if any.

    `smallest_change` describes the change that this month would have shown in four cases of five;
    None when no change of the kind is that large.
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
    """The limit that gives one alarm in so many quiet months, on all charts taken together.

    `correlation` is that of the effects of two months, which share their reference: month rows
    divided by the rows of month and reference. Charts are taken as independent, which makes the
    limit rather too wide than too narrow. `benchmarks/drift.py` measures what it gives.

    The limit is never below that of months that share nothing: where months are much larger than
    the reference, a few lucky references make a mean of many months beside frequent alarms.
    """
    from scipy import optimize

    def limit(shared: float) -> float:
        def excess(limit: float) -> float:
            return quiet_months(limit, charts, shared) - quiet_months_per_alarm

        return float(optimize.brentq(excess, 1, 10))

    return max(limit(correlation), limit(0.0))


def quiet_months(limit: float, charts: int, correlation: float) -> float:
    """Mean number of months until the first alarm when nothing has changed.

    A reference that is high or low by chance shifts its chart for as long as it serves: `shift`.
    Given the shifts months are independent, so the mean is E[1 / sum of the charts' rates], which
    is the integral over t of E[exp(-t rate)] ** charts.
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
    """Chart a month and judge it; `before` is `judge`'s."""
    found = effects(datasets.reference, datasets.current)
    rows = len(datasets.current)
    correlation = rows / (rows + len(datasets.reference))
    limit = limit_for(len(found), quiet_months_per_alarm, correlation)
    changes: Mapping[str, str | None] = {}
    if with_smallest_changes:
        changes = smallest_changes(datasets.reference, datasets.current, limit)
    return judge(found, before, limit, changes)


def drifted_columns(charts: Sequence[ChartResult]) -> set[str]:
    """The columns on which a chart alarms."""
    return {chart.column for chart in charts if chart.alarm}


def verdict(charts: Sequence[ChartResult]) -> str:
    """Describe what the charts found: for each drifted column the chart that shows it most."""
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
    """Judge each chart of a month: |z| beyond the limit, or beyond limit - 1 again.

    `before` are the effects, by chart, of the months that were measured before this one against the
    same reference, newest last; of those, the last two count.
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
