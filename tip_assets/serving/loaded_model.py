"""A registered version in memory: predictions with intervals and contributions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.modelling.intervals import HELD_OUT, HeldOutErrors
from tip_assets.settings import REGISTERED_MODEL
from tip_assets.tracking.registry import ModelRegistry, ModelVersion

_ROUNDING_OF_PARTS = 1e-5  # relative: xgboost adds up 32-bit numbers


@dataclass(frozen=True)
class Interval:
    """Prediction interval in dollars at the given coverage.

    Measured on `rows` rows that the model had not seen.
    """

    low: float
    high: float
    coverage: float
    rows: int


@dataclass(frozen=True)
class Parts:
    """The contributions to a prediction in dollars; their sum is the prediction.

    `start` is the model's mean tip, or a share of this bill (`starts_from_share`). `features` are
    the features' contributions. `clipped` is the amount that clips a negative sum to zero.
    """

    start: float
    starts_from_share: bool
    features: Mapping[str, float]
    clipped: float


@dataclass(frozen=True)
class Answer:
    """A predicted tip in dollars; interval and parts are None if the version has no data for them.

    `never_seen` describes values of the record that the version was not trained on. There is no
    interval then, because its coverage is unknown.
    """

    prediction: float
    never_seen: str
    interval: Interval | None
    parts: Parts | None
    version: ModelVersion


@dataclass(frozen=True)
class LoadedModel:
    """A version that predicts without the registry. Thread-safe."""

    version: ModelVersion
    # An instance of the version's own copy of `modelling/served_model.py`.
    model: Any
    held_out: HeldOutErrors | None

    def predict(self, records: pd.DataFrame) -> np.ndarray:
        """Predict raw records of today's contract in dollars, with the version's own code.

        Raises MlflowException when the model refuses them; the message names row and column.
        """
        from tip_assets.modelling.served_model import CONTRACT_VERSION

        params = {CONTRACT_VERSION: contract.VERSION}
        return np.asarray(self.model.predict(None, records, params), dtype=float)

    def intervals(
        self, records: pd.DataFrame, predicted: np.ndarray, coverage: float
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return each prediction's interval in dollars; None without held-out errors."""
        if self.held_out is None:
            return None
        return self.held_out.around(predicted, self._bill(records), coverage)

    def seen(self) -> dict[str, list[Any]]:
        """Return by feature the categories, or the lowest and highest number, of the training rows.

        Empty for a version without stored ranges.
        """
        from tip_assets.modelling.served_model import SEEN

        known: dict[str, list[Any]] = json.loads(self.model.booster.attr(SEEN) or "{}")
        return known

    def never_seen(self, records: pd.DataFrame) -> np.ndarray:
        """Describe the values of each record that the version was not trained on; mostly empty.

        Also empty for a version that does not store its training ranges.
        """
        from tip_assets.modelling.served_model import SEEN, feature_matrix

        if self.model.booster.attr(SEEN) is None:
            return np.full(len(records), "", dtype=object)
        return self._never_seen(feature_matrix(records, self.model.contract))

    def contributions(self, records: pd.DataFrame, predicted: np.ndarray) -> np.ndarray:
        """Return by record where the prediction starts and what each feature adds, in dollars.

        A row adds up to the prediction, except that negative sums are predicted as zero. It is NaN
        if it does not: today's encoding is wrong for a version that encodes differently.
        """
        from tip_assets.modelling.served_model import feature_matrix

        if not len(records):
            return np.empty((0, 1 + len(self.model.contract["features"])))
        features, bill = feature_matrix(records, self.model.contract), self._bill(records)
        return self._contributions(features, bill, predicted)

    def answer(self, record: Mapping[str, Any], coverage: float) -> Answer:
        """Predict a record with contributions. Raises MlflowException if the model refuses it."""
        from tip_assets.modelling.served_model import feature_matrix

        records = pd.DataFrame([record])
        predicted, bill = self.predict(records), self._bill(records)
        features = feature_matrix(records, self.model.contract)
        unknown, interval = str(self._never_seen(features)[0]), None
        if self.held_out is not None and not unknown:
            low, high = self.held_out.around(predicted, bill, coverage)
            interval = Interval(float(low[0]), float(high[0]), coverage, self.held_out.rows)
        return Answer(
            prediction=float(predicted[0]),
            never_seen=unknown,
            interval=interval,
            parts=self._parts(features, bill, float(predicted[0])),
            version=self.version,
        )

    def _never_seen(self, features: np.ndarray) -> np.ndarray:
        from tip_assets.modelling.served_model import never_seen

        return never_seen(self.model.booster, features, self.model.contract)

    def _contributions(
        self, features: np.ndarray, bill: np.ndarray, predicted: np.ndarray
    ) -> np.ndarray:
        from tip_assets.modelling.served_model import contributions_in_dollars

        shares = contributions_in_dollars(self.model.booster, features, bill, self.model.target)
        away = np.abs(np.maximum(shares.sum(axis=1), 0.0) - predicted)
        shares[away > _ROUNDING_OF_PARTS * np.maximum(1.0, predicted)] = np.nan
        return np.column_stack([shares[:, -1], shares[:, :-1]])

    def _parts(self, features: np.ndarray, bill: np.ndarray, prediction: float) -> Parts | None:
        """Return the contributions to a prediction; None when they do not add up to it."""
        from tip_assets.modelling.served_model import MARGIN_SHARE

        start, *added = self._contributions(features, bill, np.array([prediction]))[0].tolist()
        if np.isnan(start):
            return None
        names = [column["name"] for column in self.model.contract["features"]]
        clipped = max(-(start + sum(added)), 0.0)
        return Parts(
            # The remainder, so that rounding loses nothing.
            start=prediction - clipped - sum(added),
            starts_from_share=self.model.target == "tip_rate"
            or MARGIN_SHARE in self.model.booster.attributes(),
            features=dict(zip(names, added, strict=True)),
            clipped=clipped,
        )

    def _bill(self, records: pd.DataFrame) -> np.ndarray:
        return np.asarray(records[self.model.contract["bill"]].to_numpy(dtype=float))


def load_version(registry: ModelRegistry, number: int) -> LoadedModel:
    """Load a version from the registry. Errors of MLflow or the storage are raised."""
    import mlflow

    version = registry.version(number)
    model = mlflow.pyfunc.load_model(f"models:/{REGISTERED_MODEL}/{number}").unwrap_python_model()
    kept = model.booster.attr(HELD_OUT)
    return LoadedModel(version, model, HeldOutErrors.from_json(kept) if kept else None)
