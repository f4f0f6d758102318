"""Hyperparameter search: Hyperopt's TPE over cross-validated boosters.

Belongs here: search spaces, the objective, the sequence of trials. Does not belong here: logging
trials to MLflow (`tracking/trial_runs.py`) or the final fit (`training.py`).
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.modelling.evaluation import rmse
from tip_assets.modelling.recipe import Recipe, threads_for
from tip_assets.modelling.split import content_hash, of_producers, sample_by_content

logger = logging.getLogger(__name__)

MAX_ROUNDS = 600
EARLY_STOPPING_ROUNDS = 50
ABOVE_SHARE = "tip_above_share"  # the target that starts from the fitted share of the bill


@dataclass(frozen=True)
class Trial:
    """One point of the search: RMSE in dollars over the folds, and rounds at the best iteration."""

    number: int
    parameters: dict[str, float]
    rmse: float
    rmse_std: float
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def search(
    train: pd.DataFrame, recipe: Recipe, made: Callable[[Trial], None] = lambda _trial: None
) -> list[Trial]:
    """Search hyperparameters on producers' training rows; returns every trial, in order.

    Looks at a sample when there are more rows than the recipe's `search_rows`. The same rows and
    recipe give the same trials. Each is handed to `made` at once. Raises ValueError when there are
    too few different rows to hold out a fold of two.
    """
    import hyperopt

    train = sample_by_content(of_producers(train), recipe.search_rows)
    recipe = replace(recipe, threads=threads_for(len(train)))
    different = len(np.unique(content_hash(train)))
    if different < 2 * recipe.folds:
        raise ValueError(
            f"{different} different training rows are too few for {recipe.folds} folds: "
            f"at least {2 * recipe.folds} are needed"
        )
    trials: list[Trial] = []
    cross_validate = _cross_validation(train, recipe)

    def objective(point: dict[str, float]) -> float:
        trials.append(cross_validate(len(trials) + 1, point))
        best = best_of(trials)
        logger.info(
            "trial %d of %d, lowest cross-validated RMSE %.4f USD (trial %d)",
            len(trials),
            recipe.trials,
            best.rmse,
            best.number,
        )
        made(trials[-1])
        return trials[-1].rmse

    hyperopt.fmin(
        objective,
        _space(recipe.search_space),
        algo=hyperopt.tpe.suggest,
        max_evals=recipe.trials,
        rstate=np.random.default_rng(recipe.seed),
        show_progressbar=False,
        verbose=False,
    )
    return trials


def best_of(trials: list[Trial]) -> Trial:
    """The trial with the lowest RMSE; the earlier one of two equals."""
    return min(trials, key=lambda trial: (trial.rmse, trial.number))


def describe_search(lowest: float, trials: int, searched: int = 0, rows: int = 0) -> str:
    """The RMSE of the best trial and what it is: the minimum of noisy numbers, which is too low.

    Also how many of the training rows were searched, where they were not all.
    """
    sampled = f", searched on {searched:,} of {rows:,} rows" if 0 < searched < rows else ""
    return (
        f"{lowest:.3f} USD, lowest cross-validated RMSE of {trials} trials{sampled}; the error to "
        "expect is the held-out one"
    )


def booster_parameters(parameters: dict[str, float], recipe: Recipe) -> dict[str, Any]:
    """xgboost's parameters for a point of the search space."""
    return parameters | {
        "max_depth": int(parameters["max_depth"]),
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "seed": recipe.seed,
        "nthread": recipe.threads,
    }


def features_of(rows: pd.DataFrame) -> np.ndarray:
    """The features of encoded rows as float32, in the contract's order."""
    features = np.empty((len(rows), len(contract.FEATURE_NAMES)), dtype="float32")
    for place, name in enumerate(contract.FEATURE_NAMES):
        features[:, place] = rows[name]
    return features


def training_arrays(rows: pd.DataFrame, target: str) -> dict[str, np.ndarray]:
    """Features of rows, with label and weight or base margin so that squared error is in dollars.

    For the target `tip_rate` the label is tip / bill and the weight bill^2 (divided by its mean, so
    that regularisation means the same for both targets): the weighted squared error of the rate is
    the squared error of the tip. For `tip_above_share` the label is the tip, and trees start from
    the rows' own `fitted_share` of each bill.
    """
    tip, bill = rows[contract.LABEL.name].to_numpy(float), rows[contract.BILL].to_numpy(float)
    arrays = {"data": features_of(rows), "label": tip}
    if target == "tip_rate":
        arrays |= {"label": tip / bill, "weight": bill**2 / np.mean(bill**2)}
    elif target == ABOVE_SHARE:
        arrays["base_margin"] = fitted_share(rows) * bill
    return arrays


def training_matrix(rows: pd.DataFrame, target: str, binned: bool = False) -> Any:
    """The `training_arrays` of rows as an xgboost.DMatrix, columns without names.

    With `binned` it is a QuantileDMatrix: a quarter of the memory, trees of the same bytes, but it
    cannot be cut into folds.
    """
    import xgboost as xgb

    # A bare array: xgb.cv compares feature names at every round and fold, half of its time here.
    matrix = xgb.QuantileDMatrix if binned else xgb.DMatrix
    return matrix(**training_arrays(rows, target))


def fitted_share(rows: pd.DataFrame) -> float:
    """The share of the bill that is nearest to the tips of rows, by squared error in dollars."""
    tip, bill = (rows[name].to_numpy(float) for name in (contract.LABEL.name, contract.BILL))
    return float(tip @ bill / (bill @ bill))


def set_attributes(booster: Any, learned: pd.DataFrame, rounds: int, target: str) -> None:
    """Write into a booster what `predict_dollars` needs: best iteration, target, the share."""
    from tip_assets.modelling.served_model import MARGIN_SHARE

    booster.set_attr(best_iteration=str(rounds - 1), target=target)
    if target == ABOVE_SHARE:
        booster.set_attr(**{MARGIN_SHARE: repr(fitted_share(learned))})


def folds_of(train: pd.DataFrame, recipe: Recipe) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions of the rows to learn from and of those held out, for each fold.

    Equal rows are held out together, as in the split into train and test: a booster that has
    learned a row would be measured on its copy.
    """
    from sklearn.model_selection import GroupKFold

    splitter = GroupKFold(recipe.folds, shuffle=True, random_state=recipe.seed)
    return list(splitter.split(train, groups=content_hash(train)))


def _cross_validation(
    train: pd.DataFrame, recipe: Recipe
) -> Callable[[int, dict[str, float]], Trial]:
    """A function that cross-validates a point on folds fixed for the whole search."""
    import xgboost as xgb

    from tip_assets.modelling.served_model import predict_dollars

    class KeepFolds(xgb.callback.TrainingCallback):
        """Keeps the folds' boosters: xgb.cv itself only reports the mean of the weighted error."""

        def after_training(self, model: Any) -> Any:
            self.folds = model.cvfolds
            return model

    matrix = training_matrix(train, recipe.target)
    folds = folds_of(train, recipe)
    parts = [(train.iloc[learned], train.iloc[held_out]) for learned, held_out in folds]

    def fold_rmse(booster: Any, learned: pd.DataFrame, rows: pd.DataFrame, rounds: int) -> float:
        set_attributes(booster, learned, rounds, recipe.target)
        features = features_of(rows)
        bill, tip = (rows[name].to_numpy(float) for name in (contract.BILL, contract.LABEL.name))
        return rmse(tip, predict_dollars(booster, features, bill, recipe.target))

    def with_own_share(turn: Iterator[tuple[pd.DataFrame, pd.DataFrame]]) -> Callable[..., Any]:
        """Let a fold's trees start from the share fitted to that fold's own rows."""

        def prepare(learn: Any, hold_out: Any, parameters: dict[str, Any]) -> tuple[Any, ...]:
            learned, held_out = next(turn)
            share = fitted_share(learned)
            for fold, rows in ((learn, learned), (hold_out, held_out)):
                fold.set_base_margin(share * rows[contract.BILL].to_numpy(float))
            return learn, hold_out, parameters

        return prepare

    def cross_validate(number: int, point: dict[str, float]) -> Trial:
        keep = KeepFolds()
        history = xgb.cv(
            booster_parameters(point, recipe),
            matrix,
            num_boost_round=MAX_ROUNDS,
            folds=folds,
            early_stopping_rounds=EARLY_STOPPING_ROUNDS,
            callbacks=[keep],
            fpreproc=with_own_share(iter(parts)) if recipe.target == ABOVE_SHARE else None,
            as_pandas=False,
        )
        rounds = int(np.argmin(history["test-rmse-mean"])) + 1
        errors = [
            fold_rmse(fold.bst, learned, rows, rounds)
            for fold, (learned, rows) in zip(keep.folds, parts, strict=True)
        ]
        parameters = {name: float(value) for name, value in sorted(point.items())}
        return Trial(number, parameters, float(np.mean(errors)), float(np.std(errors)), rounds)

    return cross_validate


def _space(name: str) -> dict[str, Any]:
    from hyperopt import hp

    if name == "original":
        return {
            "max_depth": hp.quniform("max_depth", 4, 100, 1),
            "learning_rate": hp.loguniform("learning_rate", -3, 0),
            "colsample_bytree": hp.choice("colsample_bytree", [0.3, 0.4, 0.5, 0.6, 0.7]),
            "subsample": hp.uniform("subsample", 0.8, 1),
            "reg_lambda": hp.loguniform("reg_lambda", -6, -1),
            "min_child_weight": hp.loguniform("min_child_weight", -1, 3),
        }
    if name == "depth_2":
        # On a few hundred rows a wide search fits the noise of its folds: it costs 3 cents of RMSE.
        # So trees are slow and shrunken in all of this space, and get all rows and columns.
        return {
            "max_depth": 2,
            "learning_rate": hp.loguniform("learning_rate", np.log(0.02), np.log(0.06)),
            "reg_lambda": hp.loguniform("reg_lambda", 2, 4),
            "min_child_weight": hp.loguniform("min_child_weight", 1.6, 3),
        }
    return {
        "max_depth": hp.quniform("max_depth", 1, 4, 1),
        "learning_rate": hp.loguniform("learning_rate", np.log(0.02), np.log(0.3)),
        "colsample_bytree": hp.uniform("colsample_bytree", 0.4, 1),
        "subsample": hp.uniform("subsample", 0.5, 1),
        "reg_lambda": hp.loguniform("reg_lambda", -2, 4),
        "min_child_weight": hp.loguniform("min_child_weight", 0, 3.5),
    }
