"""Compare two models on the same rows, with an interval of the difference and the test's power."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Verdict = Literal["better", "not worse", "worse", "not enough evidence", "too few rows"]
POWER_NOTE = "power_words"  # the key in stored comparisons, also those of earlier releases
MIN_ROWS = 40  # fewer held-out rows give no verdict
STATED_IMPROVEMENT = 0.1  # the improvement for which a comparison states its power
_SUBSETS = 2_000
_BLOCKS = 250  # more rows are summed to this many blocks, so that cost stays constant


@dataclass(frozen=True)
class Comparison:
    """RMSE of a model minus the baseline's RMSE on the same rows, in dollars, with an interval.

    The baseline is the champion or a simple rule; `rival_rmse` is its RMSE. `min_improvement` and
    `margin` are shares of it. `power` is the probability that a model with a 10 % lower RMSE is
    called better (`_power`).
    """

    rmse: float
    rival_rmse: float
    low: float
    high: float
    rows: int
    confidence: float
    min_improvement: float
    margin: float
    power: float

    @property
    def difference(self) -> float:
        return self.rmse - self.rival_rmse

    @property
    def verdict(self) -> Verdict:
        """The verdict of the interval.

        `better`: the RMSE is lower by `min_improvement` even at the interval's upper end. A plain
        test of equality would also find the tiny difference of two seeds. `not worse`: the upper
        end is below `margin`.
        """
        if self.rows < MIN_ROWS:
            return "too few rows"
        if self.high < -self.min_improvement * self.rival_rmse:
            return "better"
        if self.high < self.margin * self.rival_rmse:
            return "not worse"
        return "worse" if self.low > 0 else "not enough evidence"

    @property
    def power_note(self) -> str:
        return (
            f"with {self.rows:,} rows a model that is {100 * STATED_IMPROVEMENT:.0f} % better is "
            f"found better in {100 * self.power:.0f} % of months"
        )

    def to_dict(self) -> dict[str, Any]:
        texts = {"verdict": self.verdict, POWER_NOTE: self.power_note}
        return asdict(self) | {"difference": self.difference} | texts


def compare(
    actual: np.ndarray,
    predicted: np.ndarray,
    baseline: np.ndarray,
    *,
    confidence: float,
    seed: int,
    min_improvement: float = 0.0,
    margin: float = 0.0,
) -> Comparison:
    """Compare two models' predictions of the same rows by a paired sign-flip test.

    RMSEs on different rows cannot be compared (one recipe over random splits of the sample: 1.04
    +- 0.14 dollars). On the same rows the common noise cancels. The interval contains every ratio
    of the RMSEs that the test does not reject.
    """
    squares, baseline_squares = (predicted - actual) ** 2, (baseline - actual) ** 2
    baseline_rmse = float(np.sqrt(baseline_squares.mean()))
    low, high = np.quantile(
        _subset_ratios(squares, baseline_squares, seed),
        [(1 - confidence) / 2, (1 + confidence) / 2],
    )
    return Comparison(
        rmse=float(np.sqrt(squares.mean())),
        rival_rmse=baseline_rmse,
        low=float(low - 1) * baseline_rmse,
        high=float(high - 1) * baseline_rmse,
        rows=len(actual),
        confidence=confidence,
        min_improvement=min_improvement,
        margin=margin,
        power=_power(baseline - actual, baseline, confidence, min_improvement),
    )


def _subset_ratios(squares: np.ndarray, baseline_squares: np.ndarray, seed: int) -> np.ndarray:
    """Return ratios of the RMSEs over random halves of the rows; their quantiles invert the test.

    If a model's RMSE is `r` times the baseline's, the differences `squares - r**2 *
    baseline_squares` are symmetric around zero. The sign-flip test rejects `r` when flipping the
    signs of a random half rarely results in a sum as far from zero. A flip lowers the sum exactly
    when the ratio over the flipped half exceeds `r`, so the ratios' quantiles are the interval
    (Hartigan, 1969, "Using subsample values as typical values").
    """
    block = np.arange(len(squares)) % _BLOCKS
    halves = np.random.default_rng(seed).integers(
        2, size=(_SUBSETS, min(len(squares), _BLOCKS)), dtype=bool
    )
    sums = [np.bincount(block, weights=values) for values in (squares, baseline_squares)]
    # Not a matrix product: its last bits depend on the number of threads.
    mine, other = np.einsum("sb,kb->ks", halves.astype(float), np.stack(sums))
    return np.sqrt(mine / np.maximum(other, np.finfo(float).tiny))


def _power(
    error: np.ndarray, predicted: np.ndarray, confidence: float, min_improvement: float
) -> float:
    """Return the probability that a model with a 10 % lower RMSE is called better.

    Computed from the baseline's errors. The better model is assumed to explain `1 - 0.9**2` of
    their mean square, by a part that is proportional to the predicted tip and independent of the
    rest. From this follow mean and deviation of the paired differences. The sign-flip test has the
    power of a t-test on them.
    """
    from scipy.special import nctdtr, stdtrit

    rows, mean_square = len(error), float(np.mean(error**2))
    known = 1 - (1 - STATED_IMPROVEMENT) ** 2
    weight = predicted**2 / max(float(np.mean(predicted**2)), np.finfo(float).tiny)
    shared = float(np.mean(error**2 * weight)) / max(mean_square, np.finfo(float).tiny)
    variance = 4 * known * (1 - known) * shared + known**2 * (3 * float(np.mean(weight**2)) - 1)
    shown = known - (1 - (1 - min_improvement) ** 2)
    least = stdtrit(rows - 1, (1 + confidence) / 2)
    return float(1 - nctdtr(rows - 1, shown * np.sqrt(rows / variance), least))
