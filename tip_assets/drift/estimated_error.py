"""Estimate a month's error before its tips are known, or say why that is not possible.

NannyML calls it direct loss estimation: a model of the absolute error from the inputs. Here it is
the model behind the prediction intervals: absolute errors on held-out rows grow with a power of the
bill. It knows nothing of guests who tip differently on the same bills, which no input shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.drift.alarm import judge, limit_for, verdict
from tip_assets.drift.charts import input_effects
from tip_assets.modelling.intervals import HeldOutErrors

MIN_ROWS = 30
MOST_NEVER_SEEN = 0.05
_STANDARD_ERRORS = 1.96


@dataclass(frozen=True)
class EstimatedError:
    """The mean absolute error to expect of a month's predictions, in dollars, with a 95 % interval.

    The interval holds the chance in the month's rows and in the `held_out_rows`.
    """

    rows: int
    mean: float
    low: float
    high: float
    held_out_rows: int


def estimate_error(
    errors: HeldOutErrors,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    never_seen: Sequence[str],
    quiet_months_per_alarm: float,
) -> EstimatedError | str:
    """Estimate the error of a month's records from held-out errors; a text says why not.

    `reference` are the model's training records, `never_seen` says of each current record what the
    model was not trained on. Abstains with few records, with many unlike the training data, and
    when a control chart of the inputs alarms.
    """
    rows = len(current)
    if rows < MIN_ROWS:
        return f"{rows} predictions are too few: at least {MIN_ROWS} are needed"
    unknown = sum(map(bool, never_seen))
    if unknown > MOST_NEVER_SEEN * rows:
        return f"{unknown} of {rows} bills are unlike any in the training data"
    found = input_effects(reference, current)
    correlation = rows / (rows + len(reference))
    limit = limit_for(len(found), quiet_months_per_alarm, correlation)
    charts = judge(found, [], limit, {})
    if any(chart.alarm for chart in charts):
        return verdict(charts)
    return _estimate(errors, current[contract.BILL].to_numpy(float))


def _estimate(errors: HeldOutErrors, bill: np.ndarray) -> EstimatedError:
    """The mean of scaled errors times the mean scale; both are uncertain, the month by its rows."""
    scaled, scale = np.abs(errors.scaled), bill**errors.power
    mean = float(scaled.mean() * scale.mean())
    spread = float(scaled.std(ddof=1))
    of_model = spread / np.sqrt(errors.rows) * float(scale.mean())
    of_month = spread * np.sqrt(float((scale**2).mean()) / len(bill))
    half = _STANDARD_ERRORS * float(np.hypot(of_model, of_month))
    return EstimatedError(len(bill), mean, max(0.0, mean - half), mean + half, errors.rows)
