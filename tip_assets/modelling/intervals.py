"""Split-conformal prediction intervals from the errors on held-out rows.

Their realised coverage is in `metric_store/prediction_log.py`.
"""

import json
import math
from dataclasses import asdict, dataclass

import numpy as np

from tip_assets.contract import LABEL

HELD_OUT = "held_out"  # the booster's attribute with the errors
# Of more errors this many are kept, evenly spaced: their levels are a twentieth of a percent apart.
_KEPT = 1_999
_DIGITS = 6  # a hundredth of a cent on the highest bill
_ROUNDING = 1e-9
# Errors grow with the bill, a little slower than it. For intervals with 90 % coverage, a constant
# width in dollars covers 97 % of the tips on low and 77 % on high bills. A width that grows with
# this power covers 86 to 95 % on each quarter of the bills, for every target, on the sample and on
# generated rows (measured by `benchmarks/intervals.py`).
POWER = 0.8


@dataclass(frozen=True)
class HeldOutErrors:
    """Errors on held-out rows, in ascending order, and the number of these rows.

    Each is actual tip minus prediction in dollars, divided by a power of the bill, so that errors
    on low and high bills are comparable.
    """

    rows: int
    power: float
    scaled: list[float]

    def around(
        self, predicted: np.ndarray, bill: np.ndarray, coverage: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and highest tip in dollars that contain `coverage` of the tips.

        Split-conformal with separate tails (Lei et al., 2018, "Distribution-free predictive
        inference for regression"): for any model, coverage is right on bills like the held-out
        ones. If there are too few rows for a tail, its bound is the contract's.
        """
        size = len(self.scaled)
        tail = (1 - coverage) / 2 * (size + 1)
        scale = bill**self.power
        low, high = math.floor(tail + _ROUNDING), size + 1 - math.floor(tail + _ROUNDING)
        lowest = self.scaled[low - 1] if low >= 1 else -np.inf
        highest = self.scaled[high - 1] if high <= size else np.inf
        return (
            np.clip(predicted + lowest * scale, LABEL.minimum, LABEL.maximum),
            np.clip(predicted + highest * scale, LABEL.minimum, LABEL.maximum),
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "HeldOutErrors":
        return HeldOutErrors(**json.loads(text))


def held_out_errors(
    actual: np.ndarray, predicted: np.ndarray, bill: np.ndarray, power: float = POWER
) -> HeldOutErrors:
    """Return the errors on held-out rows to store with the booster; all inputs are in dollars."""
    scaled = np.sort((actual - predicted) / bill**power)
    rows = len(scaled)
    if rows > _KEPT:
        # Rounded outwards, so that an interval is too wide rather than too narrow.
        ranks = np.arange(1, _KEPT + 1) * (rows + 1) / (_KEPT + 1)
        outwards = np.where(ranks < (rows + 1) / 2, np.floor(ranks), np.ceil(ranks))
        scaled = scaled[outwards.astype(int) - 1]
    return HeldOutErrors(rows, power, scaled.round(_DIGITS).tolist())


def rows_needed(coverage: float) -> int:
    """Return the number of held-out rows that both bounds of an interval need."""
    return math.ceil(2 / (1 - coverage) - _ROUNDING) - 1
