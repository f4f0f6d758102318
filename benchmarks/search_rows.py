"""Whether a search on a sample of the rows finds as good a model as one on all of them.

Both search generated rows, both final fits learn all training rows, and both are compared on the
same held-out rows. Usage: python -m benchmarks.search_rows [ROWS] [TRIALS] [SEARCHED ...]
"""

import sys
import time
from dataclasses import replace

from tip_assets import contract
from tip_assets.assets.splits import split
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.modelling.comparison import compare
from tip_assets.modelling.recipe import recipe_for
from tip_assets.modelling.search import best_of, search
from tip_assets.modelling.split import PART, TEST, TRAIN
from tip_assets.modelling.training import fit, predict_rows, tips_of
from tip_assets.settings import Settings


def main(rows: int, trials: int, searched: list[int]) -> None:
    """Search on all rows and on each smaller number of them, and print the table."""
    settings = Settings(trials=trials)
    window = split(contract.codes(generate(rows, 1, UNCHANGED)), "2024-01")
    train, test = (window[window[PART] == part] for part in (TRAIN, TEST))
    recipe = recipe_for(window, **settings.recipe_options)
    actual, models = tips_of(test), {}
    print(f"{rows:,} rows, {trials} trials: the model found on a sample against that found on all")
    print("searched rows   seconds     RMSE   its RMSE minus that from all rows, USD (95 %)")
    for most in [len(train), *searched]:
        started = time.monotonic()
        best = best_of(search(train, replace(recipe, search_rows=most)))
        seconds = time.monotonic() - started
        models[most] = predict_rows(fit(train, best, recipe), test)
        found = compare(actual, models[most], models[len(train)], **settings.comparison_options)
        interval = f"[{found.low:+.4f}, {found.high:+.4f}]" if most < len(train) else ""
        print(f"{most:13,}   {seconds:7.0f}   {found.rmse:.4f}   {interval}", flush=True)


if __name__ == "__main__":
    given = [int(number) for number in sys.argv[1:]]
    wanted = [*given, *[100_000, 50][len(given) :]]
    main(wanted[0], wanted[1], wanted[2:] or [20_000, 5_000])
