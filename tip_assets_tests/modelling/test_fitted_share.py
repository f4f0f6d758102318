"""The default recipe: trees of depth 2 that start from the fitted share of the bill."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from tip_assets import contract
from tip_assets.modelling import search as search_module
from tip_assets.modelling.search import Trial
from tip_assets.modelling.split import PART, TEST, TRAIN
from tip_assets.modelling.training import load_booster, predict_rows, tips_of, train_booster


def test_trees_start_from_the_share_that_fits_the_learned_tips_best(rows, recipe):
    """XGBoost's own prediction from `base_margin` is the served one: nothing else is added."""
    best = Trial(1, {"max_depth": 2.0, "learning_rate": 0.1}, 1.0, 0.0, 30)
    booster = load_booster(train_booster("2024-01", rows, best, recipe))
    train = rows[rows[PART] == TRAIN]
    bill, share = train[contract.BILL].to_numpy(), float(booster.attr("margin_share"))
    errors = [np.sum((train["tip"] - (share + step) * bill) ** 2) for step in (-1e-4, 0, 1e-4)]
    assert errors[1] == min(errors)
    matrix = xgb.DMatrix(rows[contract.FEATURE_NAMES], base_margin=share * rows[contract.BILL])
    np.testing.assert_allclose(predict_rows(booster, rows), booster.predict(matrix), rtol=1e-5)


def test_each_fold_starts_from_the_share_of_its_own_rows(rows, recipe):
    """A share fitted to held-out tips as well would make a fold look better than it is."""
    train = rows[rows[PART] == TRAIN]
    point = {"max_depth": 2.0, "learning_rate": 0.1}
    trial = search_module._cross_validation(train, recipe)(1, point)
    errors = []
    for learned, held_out in search_module.folds_of(train, recipe):
        fold = dataclasses.replace(trial, parameters=point)
        window = pd.concat([train.iloc[learned], train.iloc[held_out].assign(**{PART: TEST})])
        booster = load_booster(train_booster("2024-01", window, fold, recipe))
        predicted = predict_rows(booster, train.iloc[held_out])
        errors.append(np.sqrt(np.mean((predicted - tips_of(train.iloc[held_out])) ** 2)))
    assert trial.rmse == pytest.approx(np.mean(errors), rel=1e-5)
