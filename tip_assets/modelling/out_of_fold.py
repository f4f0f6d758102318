"""Out-of-fold predictions: predict training rows with models that have not seen them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from tip_assets.modelling.recipe import Recipe, folds_for, threads_for
from tip_assets.modelling.search import Trial, folds_of
from tip_assets.modelling.training import fit, predict_rows


def out_of_fold(rows: pd.DataFrame, best: Trial, recipe: Recipe) -> np.ndarray:
    """Predict encoded training rows in dollars, each by a booster that was fitted without it.

    The boosters have the recipe, parameters and rounds of the model that was trained on all rows.
    That model's own predictions of its training rows are too good as a reference: compared with
    them, every model seems worse on new data.
    """
    recipe = replace(recipe, folds=folds_for(len(rows)), threads=threads_for(len(rows)))
    predicted = np.empty(len(rows))
    for learned, held_out in folds_of(rows, recipe):
        booster = fit(rows.iloc[learned], best, recipe)
        predicted[held_out] = predict_rows(booster, rows.iloc[held_out])
    return predicted
