"""A month of more and more rows, stage by stage, beside the same work by the library alone.

For each size: a generated Parquet month, `tips run` in a fresh process, then Arrow reading, sorting
and writing the same file, and xgboost training the same booster on a matrix in memory. Printed are
seconds, the peak memory of all processes, and how each stage grows with the rows.
Usage: python -m benchmarks.scale [ROWS ...]
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from benchmarks.month import LINE, Measured, measure
from tip_assets import contract
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.modelling.recipe import recipe_for
from tip_assets.modelling.search import Trial, booster_parameters, training_matrix
from tip_assets.modelling.split import PART, TRAIN
from tip_assets.settings import Settings

MONTH = "2024-01"
_ROWS_AT_ONCE = 1_000_000


def land(storage: Path, rows: int) -> Path:
    """Write a generated month of so many rows as one Parquet file."""
    path = storage / "landing" / MONTH / "tips.parquet"
    path.parent.mkdir(parents=True)
    sizes = [min(_ROWS_AT_ONCE, rows - start) for start in range(0, rows, _ROWS_AT_ONCE)]
    tables = [generate(size, seed, UNCHANGED) for seed, size in enumerate(sizes, start=1)]
    pd.concat(tables).to_parquet(path, index=False)
    return path


def run_month(storage: Path, **settings: str) -> Measured:
    """Run the month in a fresh process."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TIPS_")}
    environment |= {"TIPS_STORAGE": str(storage), **settings}
    tips = str(Path(sys.executable).parent / "tips")
    return measure([tips, "run", "--month", MONTH], environment)


def plain_ingestion(path: Path, target: Path) -> float:
    """Seconds that Arrow takes to read, sort by ranges and categories, and write both parts."""
    started = time.monotonic()
    table = pa.parquet.read_table(path)
    valid = pa.scalar(True)
    for name, column in contract.COLUMNS.items():
        if isinstance(column, contract.CategoryColumn):
            good = pc.is_in(table[name], pa.array(column.categories))
        else:
            above = pc.greater_equal(table[name], column.minimum)
            good = pc.and_(above, pc.less_equal(table[name], column.maximum))
        valid = pc.and_(valid, good)
    for part, chosen in (("kept", valid), ("refused", pc.invert(valid))):
        pa.parquet.write_table(table.filter(chosen), target / f"{part}.parquet")
    return time.monotonic() - started


def plain_training(storage: Path) -> float:
    """Seconds that `xgb.train` takes for the month's booster, its matrix made before."""
    import xgboost as xgb

    rows = pd.read_parquet(storage / "assets" / "splits" / f"{MONTH}.parquet")
    search = json.loads((storage / "assets" / "best_params" / f"{MONTH}.json").read_text())
    best, recipe = Trial(**search["best"]), recipe_for(rows, **Settings().recipe_options)
    matrix = training_matrix(rows[rows[PART] == TRAIN], recipe.target)
    parameters = booster_parameters(best.parameters, recipe)
    started = time.monotonic()
    xgb.train(parameters, matrix, num_boost_round=best.rounds)
    return time.monotonic() - started


def measure_size(rows: int) -> dict[str, float]:
    """Measure one size; returns seconds by stage, `peak MB`, and the plain counterparts."""
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder)
        path = land(storage, rows)
        month = run_month(storage)
        stages = {name: float(seconds) for name, seconds in LINE.findall(month.printed)}
        return stages | {
            "whole month": month.wall,
            "CPU": month.cpu,
            "peak MB": month.memory,
            "Arrow alone": plain_ingestion(path, storage),
            "xgb.train alone": plain_training(storage),
        }


def main(sizes: list[int]) -> None:
    """Measure each size, and print the table."""
    found = {}
    for rows in sizes:
        found[rows] = measure_size(rows)
        print(f"{rows:,} rows: {found[rows]['whole month']:.0f} s", file=sys.stderr, flush=True)
    growth = len(sizes) > 1
    print(f"{'seconds':<18}" + "".join(f"{rows:>13,}" for rows in sizes) + "   exponent" * growth)
    for name in found[sizes[0]]:
        values = [found[rows][name] for rows in sizes]
        line = f"{name:<18}" + "".join(f"{value:13.1f}" for value in values)
        if growth:
            slope = np.log(max(values[-1], 0.1) / max(values[0], 0.1)) / np.log(
                sizes[-1] / sizes[0]
            )
            line += f"   {slope:8.2f}"
        print(line)
    for rows in sizes:
        ingestion = found[rows]["raw_tips"] / found[rows]["Arrow alone"]
        training = found[rows]["trained_booster"] / found[rows]["xgb.train alone"]
        print(
            f"{rows:,} rows: ingestion {ingestion:.1f} x Arrow, training {training:.1f} x xgboost"
        )


if __name__ == "__main__":
    main([int(rows) for rows in sys.argv[1:]] or [100_000, 1_000_000, 10_000_000])
