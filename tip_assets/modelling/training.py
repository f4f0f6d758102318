"""The final fit of a month, and the report that travels inside the booster.

Belongs here: training, measuring on train and test rows, importances. Does not belong here: the
search for parameters (`search.py`) or MLflow.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.modelling.comparison import compare
from tip_assets.modelling.evaluation import Quality, baselines, quality, rmse
from tip_assets.modelling.intervals import HELD_OUT, held_out_errors
from tip_assets.modelling.recipe import Recipe
from tip_assets.modelling.search import Trial, booster_parameters, training_matrix
from tip_assets.modelling.split import PART, TEST, TRAIN


@dataclass(frozen=True)
class TrainingReport:
    """What is known about a booster: its recipe, parameters and errors in dollars.

    `baselines` are test RMSEs of the simple rules; `against` the model's comparison with each, on
    the same test rows; `importances` the shares of the total gain, by feature.
    """

    month: str
    recipe: dict[str, Any]
    parameters: dict[str, float]
    rounds: int
    cross_validated_rmse: float
    train: dict[str, float]
    test: dict[str, float]
    baselines: dict[str, float]
    against: dict[str, dict[str, Any]]
    importances: dict[str, float]

    @property
    def fingerprint(self) -> str:
        return Recipe(**self.recipe).fingerprint

    @property
    def months(self) -> list[str]:
        return Recipe(**self.recipe).months


def train_booster(
    month: str,
    window: pd.DataFrame,
    best: Trial,
    recipe: Recipe,
) -> bytes:
    """Fit the best trial on all training rows of the window; returns the booster as UBJSON.

    The report and the errors on held-out rows, which intervals are made of, lie inside the booster
    as attributes, so that they cannot part. The number of rounds is the best iteration of the
    cross-validation.
    """
    import xgboost as xgb

    train, test = (window[window[PART] == part] for part in (TRAIN, TEST))
    if len(test) < 2:
        raise ValueError(f"{len(test)} test rows in the window of {month}: at least 2 are needed")
    matrix = training_matrix(train, recipe.target)
    matrix.feature_names = contract.FEATURE_NAMES
    parameters = booster_parameters(best.parameters, recipe)
    booster = xgb.train(parameters, matrix, num_boost_round=best.rounds)
    booster.set_attr(best_iteration=str(best.rounds - 1), target=recipe.target)
    report = TrainingReport(
        month=month,
        recipe=asdict(recipe),
        parameters=best.parameters,
        rounds=best.rounds,
        cross_validated_rmse=best.rmse,
        train=_quality(booster, train).to_dict(),
        test=_quality(booster, test).to_dict(),
        **_against_baselines(booster, train, test, recipe),
        importances=_importances(booster),
    )
    errors = held_out_errors(
        tips_of(test), predict_rows(booster, test), test[contract.BILL].to_numpy(float)
    )
    booster.set_attr(
        report=json.dumps(asdict(report), sort_keys=True), **{HELD_OUT: errors.to_json()}
    )
    return bytes(booster.save_raw("ubj"))


def load_booster(ubj: bytes) -> Any:
    """The xgboost.Booster of its UBJSON bytes."""
    import xgboost as xgb

    return xgb.Booster(model_file=bytearray(ubj))


def read_report(ubj: bytes) -> TrainingReport:
    """The report inside a booster written by `train_booster`."""
    return TrainingReport(**json.loads(load_booster(ubj).attr("report")))


def predict_rows(booster: Any, rows: pd.DataFrame) -> np.ndarray:
    """Predict encoded rows, in dollars."""
    from tip_assets.modelling.served_model import predict_dollars

    features = rows[contract.FEATURE_NAMES].astype("float32")
    bill = rows[contract.BILL].to_numpy(float)
    return predict_dollars(booster, features, bill, booster.attr("target"))


def tips_of(rows: pd.DataFrame) -> np.ndarray:
    return rows[contract.LABEL.name].to_numpy(float)


def _quality(booster: Any, rows: pd.DataFrame) -> Quality:
    return quality(tips_of(rows), predict_rows(booster, rows))


def _against_baselines(
    booster: Any,
    train: pd.DataFrame,
    test: pd.DataFrame,
    recipe: Recipe,
) -> dict[str, dict[str, Any]]:
    actual, predicted = tips_of(test), predict_rows(booster, test)
    rules = baselines(train, test, recipe.fixed_share)
    comparisons = {
        name: compare(
            actual, predicted, rule, confidence=recipe.confidence, seed=recipe.seed
        ).to_dict()
        for name, rule in rules.items()
    }
    return {
        "baselines": {name: rmse(actual, rule) for name, rule in rules.items()},
        "against": comparisons,
    }


def _importances(booster: Any) -> dict[str, float]:
    gains = booster.get_score(importance_type="total_gain")
    total = sum(gains.values()) or 1.0
    return {name: float(gains.get(name, 0.0) / total) for name in contract.FEATURE_NAMES}
