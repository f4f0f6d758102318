"""Fail when a stage of a month has become slower, beside the same work by the library alone.

Each stage runs in this process on 100,000 rows, in turn with its plain counterpart, so that a busy
machine slows both. The lowest CPU time of several turns counts. `USUAL` has the ratios that were
measured when a stage was last changed on purpose; a ratio that is a third higher fails.
Usage: OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.guard [TURNS]
"""

import io
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb
from scipy import stats
from upath import UPath

from benchmarks.scale import plain_ingestion
from tip_assets import contract
from tip_assets.assets.splits import split
from tip_assets.assets.transformed_tips import transform
from tip_assets.drift.charts import PREDICTION, effects
from tip_assets.ingestion.landing import read_month
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.modelling.recipe import recipe_for
from tip_assets.modelling.search import Trial, booster_parameters, features_of, fitted_share
from tip_assets.modelling.served_model import WaiterTipModel
from tip_assets.modelling.split import PART, TRAIN
from tip_assets.modelling.training import fit, tips_of
from tip_assets.serving.loaded_model import LoadedModel
from tip_assets.serving.scored_files import ScoredFileWriter
from tip_assets.serving.scoring import score_file
from tip_assets.settings import Settings
from tip_assets.tracking.registry import ModelVersion

MONTH, ROWS = "2024-01", 100_000
USUAL = {
    "ingestion": 1.3,
    "encoding and split": 2.5,
    "training": 1.1,
    "drift numbers": 0.53,
    "scoring": 0.76,
}
SLOWER = 4 / 3
_TRIAL = Trial(0, {"max_depth": 2, "learning_rate": 0.05, "min_child_weight": 10}, 0.0, 0.0, 60)
_Stages = dict[str, tuple[Callable[[], Any], Callable[[], Any]]]


def stages(folder: Path) -> _Stages:
    """Return each stage and its plain counterpart, ready to be called again and again."""
    storage = UPath(folder)
    path = folder / "landing" / MONTH / "tips.parquet"
    path.parent.mkdir(parents=True)
    records = generate(ROWS, 1, UNCHANGED)
    records.to_parquet(path, index=False)
    landed = read_month(storage, MONTH).rows
    rows = split(transform(landed), MONTH)
    train = rows[rows[PART] == TRAIN]
    recipe = recipe_for(rows, **Settings().recipe_options)
    booster, features, tips = fit(train, _TRIAL, recipe), features_of(train), tips_of(train)
    margin = fitted_share(train) * train[contract.BILL]
    parameters = booster_parameters(_TRIAL.parameters, recipe)
    reference = landed[list(contract.COLUMNS)].assign(**{PREDICTION: 3.0})
    model = _loaded(booster)
    return {
        "ingestion": (
            lambda: read_month(storage, MONTH).rows.to_parquet(folder / "rows.parquet"),
            lambda: plain_ingestion(path, folder),
        ),
        "encoding and split": (
            lambda: split(transform(landed), MONTH),
            lambda: pd.util.hash_pandas_object(contract.codes(landed), index=False),
        ),
        "training": (
            lambda: fit(train, _TRIAL, recipe),
            lambda: xgb.train(
                parameters, xgb.DMatrix(features, tips, base_margin=margin), _TRIAL.rounds
            ),
        ),
        "drift numbers": (
            lambda: effects(reference, reference),
            lambda: [_test(reference, name) for name in _NUMBERS],
        ),
        "scoring": (
            lambda: _score(model, path, folder),
            lambda: _score_plainly(booster, path, folder),
        ),
    }


_NUMBERS = [column.name for column in contract.NUMBERS]


def _test(rows: pd.DataFrame, name: str) -> tuple[Any, Any]:
    """Compare a column with itself by SciPy's rank test, and fit it on all numbers."""
    ranks = stats.mannwhitneyu(rows[name], rows[name])
    return ranks, np.linalg.lstsq(rows[_NUMBERS], rows[name], rcond=None)


def _loaded(booster: xgb.Booster) -> LoadedModel:
    model = WaiterTipModel()
    model.contract, model.booster = contract.document(), booster
    model.target = booster.attr("target")
    version = ModelVersion(1, "run", "source", {}, datetime.now(UTC))
    return LoadedModel(version, model, held_out=None)


def _score(model: LoadedModel, path: Path, folder: Path) -> None:
    with ScoredFileWriter(io.StringIO(), folder / "scored.parquet") as scored:
        for piece in score_file(model, UPath(path), coverage=0.8):
            scored.write(piece)


def _score_plainly(booster: xgb.Booster, path: Path, folder: Path) -> None:
    """Read, predict and write both files as `_score` does, without checks or reasons."""
    rows = contract.codes(pd.read_parquet(path))
    predicted = booster.inplace_predict(features_of(rows), base_margin=0.15 * rows[contract.BILL])
    scored = rows.assign(predicted=predicted)
    scored.to_csv(io.StringIO(), index=False)
    scored.to_parquet(folder / "plain.parquet", index=False)


def _cpu(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main(turns: int) -> int:
    """Print each stage's ratio beside the usual one; returns 1 if one is too high."""
    too_slow = False
    print(f"{'100,000 rows, CPU':<20}{'stage, s':>10}{'plain, s':>10}{'ratio':>8}{'usual':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (stage, plain) in stages(Path(folder)).items():
            pairs = [(_cpu(stage), _cpu(plain)) for _ in range(turns)]
            ours, alone = (min(times) for times in zip(*pairs, strict=True))
            ratio = ours / alone
            slower = ratio > SLOWER * USUAL[name]
            too_slow |= slower
            print(
                f"{name:<20}{ours:10.3f}{alone:10.3f}{ratio:8.2f}{USUAL[name]:8.2f}"
                + ("  SLOWER" if slower else "")
            )
    return int(too_slow)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 7))
