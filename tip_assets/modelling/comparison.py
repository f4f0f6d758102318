"""Which of two models is better on the same rows, and how sure one can be of it.

Belongs here: paired comparison and its words. Does not belong here: what follows from the verdict
(`promotion.py`).
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Verdict = Literal["better", "worse", "not enough evidence"]
RESAMPLES = 2_000


@dataclass(frozen=True)
class Comparison:
    """RMSE of a model minus RMSE of its rival on the same rows, in dollars, with an interval."""

    rmse: float
    rival_rmse: float
    low: float
    high: float
    rows: int
    confidence: float

    @property
    def difference(self) -> float:
        return self.rmse - self.rival_rmse

    @property
    def verdict(self) -> Verdict:
        """`better` or `worse` only when the whole interval says so."""
        if self.high < 0:
            return "better"
        return "worse" if self.low > 0 else "not enough evidence"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"difference": self.difference, "verdict": self.verdict}


def compare(
    actual: np.ndarray,
    predicted: np.ndarray,
    rival: np.ndarray,
    *,
    confidence: float,
    seed: int,
) -> Comparison:
    """Compare two models' predictions of the same rows by a paired percentile bootstrap.

    Two RMSEs on different rows say little (one recipe over random splits of the sample: 1.04 +-
    0.14 dollars); on the same rows, resampled together, what the rows have in common cancels.
    """
    from scipy import stats

    squares = (predicted - actual) ** 2, (rival - actual) ** 2

    def difference(mine: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        return np.sqrt(mine.mean(axis=axis)) - np.sqrt(other.mean(axis=axis))

    interval = stats.bootstrap(
        squares,
        difference,
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=RESAMPLES,
        # Bounds the memory of large months to about 80 MB.
        batch=max(1, 5_000_000 // max(1, len(actual))),
        confidence_level=confidence,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Comparison(
        rmse=float(np.sqrt(squares[0].mean())),
        rival_rmse=float(np.sqrt(squares[1].mean())),
        low=float(interval.low),
        high=float(interval.high),
        rows=len(actual),
        confidence=confidence,
    )
