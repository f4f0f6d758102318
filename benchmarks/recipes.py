"""The error to expect of each recipe: nested cross-validation of the sample, on the same folds.

Each outer fold is predicted by models that were searched and fitted on the other rows, by the
month's own functions. Usage: python -m benchmarks.recipes [REPEATS] [TRIALS] [FOLDS]
"""

import io
import sys
from dataclasses import replace

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.assets.transformed_tips import transform
from tip_assets.ingestion.simulate import sample_bytes
from tip_assets.modelling.evaluation import FIXED_SHARE, LEAST_SQUARES, baselines
from tip_assets.modelling.recipe import Recipe, recipe_for
from tip_assets.modelling.search import best_of, fitted_share, folds_of, search
from tip_assets.modelling.split import MONTH, PART, TEST, TRAIN
from tip_assets.modelling.training import load_booster, predict_rows, tips_of, train_booster
from tip_assets.settings import Settings

THIS, BEFORE, FITTED_SHARE = "this recipe", "tip rate, depth 1 to 4", "fitted_share"
MEAN = f"mean of {LEAST_SQUARES}, {BEFORE}"
NAME = "2024-01"
RESAMPLES = 10_000


def sample() -> pd.DataFrame:
    """The sample's rows, encoded."""
    records = pd.read_csv(io.BytesIO(sample_bytes()))
    rows = transform(contract.check(records).accepted).reset_index(drop=True)
    return rows.assign(**{MONTH: NAME, PART: TRAIN})


def predictions(
    train: pd.DataFrame, rows: pd.DataFrame, recipes: dict[str, Recipe]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Predict rows by everything fitted on others; and what each search says of its best trial."""
    rules = baselines(train, rows, Settings().fixed_share)
    found = {name: rules[name] for name in (LEAST_SQUARES, FIXED_SHARE)}
    found[FITTED_SHARE] = fitted_share(train) * rows[contract.BILL].to_numpy(float)
    window, lowest = pd.concat([train.assign(part=TRAIN), rows.assign(part=TEST)]), {}
    for name, recipe in recipes.items():
        best = best_of(search(train, recipe))
        lowest[name] = best.rmse
        found[name] = predict_rows(load_booster(train_booster(NAME, window, best, recipe)), rows)
    found[MEAN] = (found[LEAST_SQUARES] + found[BEFORE]) / 2
    return found, lowest


def nested(repeats: int, trials: int, folds: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Squared errors by recipe, a line per row of the sample (mean over the repeats); and the
    lowest cross-validated RMSE by recipe, a line per search.
    """
    rows, squares, lowest = sample(), [], []
    today = recipe_for(rows, **Settings(trials=trials).recipe_options)
    before = replace(today, target="tip_rate", search_space="shallow")
    recipes = {THIS: today, BEFORE: before}
    for repeat in range(repeats):
        for learned, held_out in folds_of(rows, replace(recipes[THIS], seed=repeat, folds=folds)):
            seeded = {name: replace(recipe, seed=repeat) for name, recipe in recipes.items()}
            found, best = predictions(rows.iloc[learned], rows.iloc[held_out], seeded)
            errors = pd.DataFrame(found, index=held_out).sub(tips_of(rows.iloc[held_out]), axis=0)
            squares.append(errors**2)
            lowest.append(best)
            print(f"{len(lowest)} of {repeats * folds} folds", file=sys.stderr, flush=True)
    return pd.concat(squares).groupby(level=0).mean(), pd.DataFrame(lowest)


def interval(mine: np.ndarray, other: np.ndarray) -> np.ndarray:
    """95 % interval of the difference of two RMSEs: rows are drawn anew, together."""
    rng, weights = np.random.default_rng(0), np.full(len(mine), 1 / len(mine))
    drawn = rng.multinomial(len(mine), weights, RESAMPLES) / len(mine)
    return np.quantile(np.sqrt(drawn @ mine) - np.sqrt(drawn @ other), [0.025, 0.975])


def main(repeats: int, trials: int, folds: int) -> None:
    """Measure, and print the table."""
    squares, lowest = nested(repeats, trials, folds)
    mine = squares[THIS].to_numpy()
    print(f"nested cross-validation, {repeats} x {folds} folds, {trials} trials a search")
    print(f"{'':<47} RMSE   this recipe's minus it, USD (95 %)")
    for name in squares.mean().sort_values().index:
        other = squares[name].to_numpy()
        line = f"{name.replace('_', ' '):<46}{np.sqrt(other.mean()):6.3f}"
        if name != THIS:
            low, high = interval(mine, other)
            difference = np.sqrt(mine.mean()) - np.sqrt(other.mean())
            line += f"   {difference:+.3f}  [{low:+.3f}, {high:+.3f}]"
        print(line)
    print(f"lowest cross-validated RMSE of {trials} trials, mean over the searches:")
    for name, value in lowest.mean().items():
        error = np.sqrt(squares[name].mean())
        print(f"{name:<46}{value:6.3f}   {error - value:.3f} below the error to expect")


if __name__ == "__main__":
    given = [int(number) for number in sys.argv[1:]]
    main(*given, *[20, 50, 5][len(given) :])
