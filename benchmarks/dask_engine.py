"""Ingestion and training of a month on a Dask cluster, beside the same in one process.

Two workers of one thread each on this machine, which is what the local engine may use, too: so the
ratio is the price of sending rows to workers and back. Both sides run in turn, and the lowest time
counts. The start of the workers is printed apart: a run pays it once, a cluster that runs never.
Last, the whole month in a fresh process with each engine, and the peak memory of all processes.
Usage: python -m benchmarks.dask_engine [ROWS [TURNS]]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from upath import UPath

from benchmarks.scale import MONTH, land, run_month
from tip_assets.assets.raw_tips import data_version
from tip_assets.assets.splits import split
from tip_assets.assets.transformed_tips import transform
from tip_assets.ingestion.landing import read_month
from tip_assets.modelling.evaluation import rmse
from tip_assets.modelling.recipe import recipe_for
from tip_assets.modelling.search import Trial
from tip_assets.modelling.split import PART, TEST, TRAIN
from tip_assets.modelling.training import fit, predict_rows, tips_of
from tip_assets.runtime.engine import Engine
from tip_assets.settings import Settings

LIMIT = 1.5
_TRIAL = Trial(0, {"max_depth": 2, "learning_rate": 0.05, "min_child_weight": 10}, 0.0, 0.0, 300)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long a call takes, and its result."""
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result


def main(rows: int, turns: int) -> int:
    """Print the times of both engines; returns 1 if Dask takes longer than the limit."""
    engines = {"local": Engine(), "dask": Engine(name="dask")}
    with tempfile.TemporaryDirectory() as folder:
        storage = UPath(folder)
        land(Path(folder), rows)
        # The first use starts the workers, the first of each stage imports its libraries there.
        start, table = seconds(lambda: read_month(storage, MONTH, engines["dask"].each).rows)
        window = split(transform(table), MONTH)
        train, test = (window[window[PART] == part] for part in (TRAIN, TEST))
        recipe = recipe_for(window, **Settings().recipe_options)
        imports, _ = seconds(lambda: fit(train.head(1000), _TRIAL, recipe, engines["dask"].learn))
        found: dict[tuple[str, str], list[float]] = {}
        versions, errors = {}, {}
        for _ in range(turns):
            for name, engine in engines.items():
                took, month = seconds(partial(read_month, storage, MONTH, engine.each))
                found.setdefault(("ingestion", name), []).append(took)
                versions[name] = data_version(month.rows)
                took, booster = seconds(partial(fit, train, _TRIAL, recipe, engine.learn))
                found.setdefault(("training", name), []).append(took)
                errors[name] = rmse(tips_of(test), predict_rows(booster, test))
        engines["dask"].close()
    code = report(rows, found, start + imports, versions, errors)
    whole_months(rows)
    return code


def whole_months(rows: int) -> None:
    """Print seconds and peak memory of `tips run` with each engine."""
    for engine in ("local", "dask"):
        with tempfile.TemporaryDirectory() as folder:
            land(Path(folder), rows)
            month = run_month(Path(folder), TIPS_ENGINE=engine)
        print(f"whole month, {engine}: {month.wall:.0f} s, {month.memory:.0f} MB", flush=True)


def report(
    rows: int,
    found: dict[tuple[str, str], list[float]],
    start: float,
    versions: dict[str, str],
    errors: dict[str, float],
) -> int:
    """Print the lowest times, their ratios, and that both engines found the same."""
    table = pd.Series({key: min(times) for key, times in found.items()}).unstack()
    table.loc["both"] = table.sum()
    table["ratio"] = table["dask"] / table["local"]
    print(f"{rows:,} rows, seconds")
    print(table[["local", "dask", "ratio"]].round(2).to_string())
    print(f"start of two workers and their imports: {start:.1f} s")
    print(f"data version: {versions['local']} and {versions['dask']}")
    print(f"test RMSE: {errors['local']:.5f} and {errors['dask']:.5f} USD")
    ratio = float(table.at["both", "ratio"])
    print(f"{ratio:.2f} x the local engine, at most {LIMIT} x is wished")
    return int(ratio > LIMIT or versions["local"] != versions["dask"])


if __name__ == "__main__":
    given = [int(number) for number in sys.argv[1:]]
    sys.exit(main(*(given + [1_000_000, 3][len(given) :])))
