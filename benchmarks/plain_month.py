"""The month's library calls in one plain script, nothing around them: the benchmark's yardstick.

It reads the sample, encodes and splits it, searches with the same space, folds and trials, fits the
best, draws the same four Evidently reports and computes the same drift numbers. No Dagster, no
MLflow, no storage, no checks. Usage: python plain_month.py FOLDER
"""

import os
import sys
from pathlib import Path

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
    "max_depth": hp.quniform("max_depth", 1, 4, 1),
    "learning_rate": hp.loguniform("learning_rate", np.log(0.02), np.log(0.3)),
    "colsample_bytree": hp.uniform("colsample_bytree", 0.4, 1),
    "subsample": hp.uniform("subsample", 0.5, 1),
    "reg_lambda": hp.loguniform("reg_lambda", -2, 4),
    "min_child_weight": hp.loguniform("min_child_weight", 0, 3.5),
}


class KeepFolds(xgb.callback.TrainingCallback):
    """Keeps the boosters of the folds."""

    def after_training(self, model: object) -> object:
        self.folds = model.cvfolds  # type: ignore[attr-defined]
        return model


def parameters(point: dict[str, float]) -> dict[str, object]:
    """xgboost's parameters for a point."""
    return point | {
        "max_depth": int(point["max_depth"]),
        "objective": "reg:squarederror",
        "seed": 42,
        "nthread": 1,
    }


def main(folder: Path) -> None:
    """Do the month's work and write its files to a folder."""
    tips = pd.read_csv(Path(__file__).parents[1] / "tip_assets" / "ingestion" / "data" / "tips.csv")
    codes = {name: tips[name].map({c: i for i, c in enumerate(v)}) for name, v in CODES.items()}
    encoded = tips.assign(**codes)[[*FEATURES, "tip"]].astype("float32")
    train, test = train_test_split(encoded, test_size=41, random_state=42)
    bill = train["total_bill"].to_numpy(float)
    matrix = xgb.DMatrix(
        train[FEATURES].to_numpy(), label=train["tip"] / bill, weight=bill**2 / np.mean(bill**2)
    )
    equal_rows = train.groupby(list(train)).ngroup()
    folds = list(GroupKFold(5, shuffle=True, random_state=42).split(train, groups=equal_rows))
    rounds: list[int] = []

    def objective(point: dict[str, float]) -> float:
        keep = KeepFolds()
        history = xgb.cv(
            parameters(point),
            matrix,
            num_boost_round=600,
            folds=folds,
            early_stopping_rounds=50,
            callbacks=[keep],
            as_pandas=False,
        )
        rounds.append(int(np.argmin(history["test-rmse-mean"])) + 1)
        errors = []
        for fold, (_, held_out) in zip(keep.folds, folds, strict=True):
            rows = train.iloc[held_out]
            rate = fold.bst.predict(
                xgb.DMatrix(rows[FEATURES].to_numpy()), iteration_range=(0, rounds[-1])
            )
            errors.append(np.sqrt(np.mean((rate * rows["total_bill"] - rows["tip"]) ** 2)))
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
        rate = booster.predict(xgb.DMatrix(part[FEATURES].to_numpy()))
        datasets.append(tips.loc[part.index].assign(prediction=rate * part["total_bill"]))
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
