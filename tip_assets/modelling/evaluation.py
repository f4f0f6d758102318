"""Error statistics of predictions, and the baselines to compare them with."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from tip_assets import contract

MEAN_TIP, FIXED_SHARE, LEAST_SQUARES = "mean_tip", "fixed_share", "least_squares"


@dataclass(frozen=True)
class Quality:
    """Regression quality; errors are prediction minus actual, in dollars.

    `mape` and its deviation are shares of the actual tip over rows with a tip above zero; standard
    deviations are of the sample (n - 1), as Evidently reports them. `r2` is 0 for a constant label.
    """

    rows: int
    mean_error: float
    mean_error_std: float
    mean_absolute_error: float
    mean_absolute_error_std: float
    mape: float
    mape_std: float
    rmse: float
    r2: float

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def quality(actual: np.ndarray, predicted: np.ndarray) -> Quality:
    """Measure predictions against actual tips, both in dollars, at least two rows."""
    error = predicted - actual
    tipped = actual > 0
    share = np.abs(error[tipped]) / actual[tipped]
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return Quality(
        rows=len(actual),
        mean_error=float(error.mean()),
        mean_error_std=_deviation(error),
        mean_absolute_error=float(np.abs(error).mean()),
        mean_absolute_error_std=_deviation(np.abs(error)),
        mape=float(share.mean()) if len(share) else 0.0,
        mape_std=_deviation(share),
        rmse=rmse(actual, predicted),
        r2=1 - float(np.sum(error**2)) / spread if spread else 0.0,
    )


def rmse(actual: np.ndarray, predicted: np.ndarray) -> float:
    """Root of the mean squared error, in dollars."""
    return float(np.sqrt(np.mean((predicted - actual) ** 2)))


def baselines(train: pd.DataFrame, rows: pd.DataFrame, fixed_share: float) -> dict[str, np.ndarray]:
    """Predict rows with the baselines that a model has to beat.

    They are those of `simple_baselines`, and least squares on bill and party size fitted to the
    training rows.
    """
    from sklearn.linear_model import LinearRegression

    columns = [contract.BILL, contract.PARTY]
    line = LinearRegression(copy_X=False)  # a copy of its own is made here
    line.fit(train[columns].to_numpy(float), train[contract.LABEL.name])
    return {
        **simple_baselines(train, rows, fixed_share),
        LEAST_SQUARES: line.predict(rows[columns].to_numpy(float)),
    }


def simple_baselines(
    train: pd.DataFrame, rows: pd.DataFrame, fixed_share: float
) -> dict[str, np.ndarray]:
    """Predict rows with the mean tip of the training rows, and with a fixed share of the bill."""
    return {
        MEAN_TIP: np.full(len(rows), float(train[contract.LABEL.name].mean())),
        FIXED_SHARE: rows[contract.BILL].to_numpy(float) * fixed_share,
    }


def _deviation(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
