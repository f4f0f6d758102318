"""Intervals around predictions, from errors on rows that the model has never seen.

Belongs here: what is kept of those errors, and split-conformal intervals made of them. Does not
belong here: how often actual tips fell into them (`metric_store/prediction_log.py`).
"""

import json
import math
from dataclasses import asdict, dataclass

import numpy as np

from tip_assets.contract import LABEL

HELD_OUT = "held_out"  # the booster's attribute that holds them
# Of more rows so many are kept, evenly spaced: their levels are a twentieth of a percent apart.
_KEPT = 1_999
_DIGITS = 6  # a hundredth of a cent on the dearest bill
_ROUNDING = 1e-9
# Errors grow with the bill, a little slower than it. Of intervals meant to hold 90 % of the tips,
# one width in dollars holds 97 % on cheap and 77 % on dear bills; one that grows with this power
# holds 86 to 95 % on each quarter of the bills, for every target, of the sample as of generated
# rows (measured by `benchmarks/intervals.py`).
POWER = 0.8


@dataclass(frozen=True)
class HeldOutErrors:
    """Errors on held-out rows, in ascending order, and of how many rows they are.

    Each is actual tip minus prediction in dollars, divided by a power of the bill, so that those of
    cheap and of dear bills can be compared.
    """

    rows: int
    power: float
    scaled: list[float]

    def around(
        self, predicted: np.ndarray, bill: np.ndarray, coverage: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest tip in dollars, so that `coverage` of the tips lie between.

        Split-conformal with both tails by themselves (Lei et al., 2018, "Distribution-free
        predictive inference for regression"): whatever the model, the share is right over bills
        like the held-out ones. Of fewer rows than a tail needs, its end is the contract's.
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
    """What is kept of the errors on held-out rows, all in dollars."""
    scaled = np.sort((actual - predicted) / bill**power)
    rows = len(scaled)
    if rows > _KEPT:
        # Rounded outwards, so that an interval is rather too wide than too narrow.
        ranks = np.arange(1, _KEPT + 1) * (rows + 1) / (_KEPT + 1)
        outwards = np.where(ranks < (rows + 1) / 2, np.floor(ranks), np.ceil(ranks))
        scaled = scaled[outwards.astype(int) - 1]
    return HeldOutErrors(rows, power, scaled.round(_DIGITS).tolist())


def rows_needed(coverage: float) -> int:
    """The held-out rows from which both ends of an interval come from errors."""
    return math.ceil(2 / (1 - coverage) - _ROUNDING) - 1
