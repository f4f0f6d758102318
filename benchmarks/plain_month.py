"""The month's library calls in one plain script, nothing around them: the benchmark's yardstick.

It reads the sample, encodes and splits it, searches with the same space, folds and trials, fits the
best, draws the same four Evidently reports and computes the same drift numbers. No Dagster, no
MLflow, no storage, no checks. Usage: python plain_month.py FOLDER
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"

import hyperopt
import numpy as np
import pandas as pd
import xgboost as xgb
from evidently import DataDefinition, Dataset, Regression, Report
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset, DataSummaryPreset, RegressionPreset
from hyperopt import hp
from scipy import stats
from scipy.spatial import distance
from sklearn.model_selection import GroupKFold, train_test_split

CODES = {
    "sex": ["Female", "Male"],
    "smoker": ["No", "Yes"],
    "day": ["Thur", "Fri", "Sat", "Sun"],
    "time": ["Lunch", "Dinner"],
}
FEATURES = ["total_bill", "sex", "smoker", "day", "time", "size"]
TESTS = {
    "total_bill": "ks",
    "sex": "z",
    "smoker": "z",
    "day": "chisquare",
    "time": "z",
    "size": "ks",
}
SPACE = {
    "learning_rate": hp.loguniform("learning_rate", np.log(0.02), np.log(0.06)),
    "reg_lambda": hp.loguniform("reg_lambda", 2, 4),
    "min_child_weight": hp.loguniform("min_child_weight", 1.6, 3),
}


class KeepFolds(xgb.callback.TrainingCallback):
    """Keeps the boosters of the folds."""

    def after_training(self, model: object) -> object:
        self.folds = model.cvfolds  # type: ignore[attr-defined]
        return model


def parameters(point: dict[str, float]) -> dict[str, object]:
    """xgboost's parameters for a point."""
    return point | {
        "max_depth": 2,
        "objective": "reg:squarederror",
        "seed": 42,
        "nthread": 1,
    }


def share(rows: pd.DataFrame) -> float:
    """The share of the bill that fits the tips best."""
    return float(rows["tip"] @ rows["total_bill"] / (rows["total_bill"] @ rows["total_bill"]))


def starting_from(of_bill: float, rows: pd.DataFrame) -> xgb.DMatrix:
    """Rows whose predictions start from a share of the bill."""
    margin = of_bill * rows["total_bill"].to_numpy()
    return xgb.DMatrix(rows[FEATURES].to_numpy(), label=rows["tip"], base_margin=margin)


def main(folder: Path) -> None:
    """Do the month's work and write its files to a folder."""
    tips = pd.read_csv(Path(__file__).parents[1] / "tip_assets" / "ingestion" / "data" / "tips.csv")
    codes = {name: tips[name].map({c: i for i, c in enumerate(v)}) for name, v in CODES.items()}
    encoded = tips.assign(**codes)[[*FEATURES, "tip"]].astype("float32")
    train, test = train_test_split(encoded, test_size=41, random_state=42)
    matrix = starting_from(share(train), train)
    equal_rows = train.groupby(list(train)).ngroup()
    folds = list(GroupKFold(5, shuffle=True, random_state=42).split(train, groups=equal_rows))
    rounds: list[int] = []

    def with_own_share(turn: Iterator[tuple[np.ndarray, np.ndarray]]) -> Callable[..., Any]:
        def prepare(learn: xgb.DMatrix, hold_out: xgb.DMatrix, point: dict[str, Any]) -> Any:
            learned, held_out = next(turn)
            of_bill = share(train.iloc[learned])
            learn.set_base_margin(of_bill * train["total_bill"].iloc[learned])
            hold_out.set_base_margin(of_bill * train["total_bill"].iloc[held_out])
            return learn, hold_out, point

        return prepare

    def objective(point: dict[str, float]) -> float:
        keep = KeepFolds()
        history = xgb.cv(
            parameters(point),
            matrix,
            num_boost_round=600,
            folds=folds,
            early_stopping_rounds=50,
            callbacks=[keep],
            fpreproc=with_own_share(iter(folds)),
            as_pandas=False,
        )
        rounds.append(int(np.argmin(history["test-rmse-mean"])) + 1)
        errors = []
        for fold, (learned, held_out) in zip(keep.folds, folds, strict=True):
            rows = train.iloc[held_out]
            predicted = fold.bst.predict(
                starting_from(share(train.iloc[learned]), rows), iteration_range=(0, rounds[-1])
            )
            errors.append(np.sqrt(np.mean((predicted - rows["tip"]) ** 2)))
        return float(np.mean(errors))

    trials = hyperopt.Trials()
    best = hyperopt.fmin(
        objective,
        SPACE,
        algo=hyperopt.tpe.suggest,
        max_evals=50,
        trials=trials,
        rstate=np.random.default_rng(42),
        show_progressbar=False,
        verbose=False,
    )
    booster = xgb.train(parameters(best), matrix, rounds[int(np.argmin(trials.losses()))])
    booster.save_model(folder / "booster.ubj")

    datasets = []
    for part in (train, test):
        predicted = booster.predict(starting_from(share(train), part))
        datasets.append(tips.loc[part.index].assign(prediction=predicted))
    reference, current = datasets
    definition = DataDefinition(
        numerical_columns=["total_bill", "size", "tip", "prediction"],
        categorical_columns=list(CODES),
        regression=[Regression(target="tip", prediction="prediction")],
    )
    data = [Dataset.from_pandas(side, definition) for side in (current, reference)]
    for name, metrics in {
        "data_drift": [DataDriftPreset(columns=FEATURES, per_column_method=TESTS)],
        "target_drift": [ValueDrift(column=c, method="ks") for c in ("tip", "prediction")],
        "regression_performance": [RegressionPreset()],
        "data_quality": [DataSummaryPreset()],
    }.items():
        (folder / f"{name}.html").write_text(Report(metrics).run(*data).get_html_str(False))
    drift = {}
    for name in ("total_bill", "size", "tip", "prediction"):
        a, b = reference[name], current[name]
        drift[name] = stats.ks_2samp(a, b).pvalue, stats.wasserstein_distance(a, b) / a.std(ddof=0)
    for name in CODES:
        counts = pd.crosstab(
            np.r_[np.zeros(len(reference)), np.ones(len(current))],
            np.r_[reference[name], current[name]],
        ).to_numpy()
        resampled = stats.MonteCarloMethod(n_resamples=9_999, rng=np.random.default_rng(42))
        p = stats.chi2_contingency(counts, correction=False, method=resampled).pvalue
        drift[name] = p, distance.jensenshannon(*counts)
    pd.DataFrame(drift, index=["p_value", "effect_size"]).to_json(folder / "drift.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
