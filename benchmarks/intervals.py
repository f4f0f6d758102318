"""How many tips an interval holds, on cheap and on dear bills, by what its width grows with.

Each draw fits a booster, takes its errors on 41 held-out rows (as many as the sample has) and looks
at other rows. Usage: python -m benchmarks.intervals [DRAWS]
"""

import io
import sys
from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.assets.transformed_tips import transform
from tip_assets.ingestion.simulate import UNCHANGED, generate, sample_bytes
from tip_assets.modelling import intervals
from tip_assets.modelling.search import set_attributes, training_matrix
from tip_assets.modelling.training import predict_rows, tips_of

TRAIN_ROWS, HELD_OUT_ROWS, NEW_ROWS = 150, 41, 400
PARAMETERS = {"max_depth": 2, "learning_rate": 0.05, "min_child_weight": 10, "reg_lambda": 5}
ROUNDS = 80
POWERS = (0.0, 0.5, 0.7, 0.8, 0.9, 1.0)
COVERAGE = 0.9


def data() -> dict[str, pd.DataFrame]:
    """Encoded rows to draw from: those of the sample, and generated ones."""
    sample = pd.read_csv(io.BytesIO(sample_bytes()))
    sources = {"sample": sample, "generated": generate(20_000, 5, UNCHANGED)}
    return {name: transform(contract.check(rows).accepted) for name, rows in sources.items()}


def coverages(
    rows: pd.DataFrame, target: str, draws: int, powers: tuple[float, ...]
) -> dict[float, np.ndarray]:
    """By power of the bill, the share of tips held in each quarter of the bills, and in all."""
    quarters = np.quantile(rows[contract.BILL], [0.25, 0.5, 0.75])
    held: dict[float, list[np.ndarray]] = {power: [] for power in powers}
    places = []
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(rows))
        parts = np.split(order, np.cumsum([TRAIN_ROWS, HELD_OUT_ROWS, NEW_ROWS]))
        train, old, new = (rows.iloc[part] for part in parts[:3])
        predict = _booster(train, target)
        places.append(np.digitize(new[contract.BILL], quarters))
        for power in powers:
            errors = intervals.held_out_errors(tips_of(old), predict(old), _bill(old), power)
            low, high = errors.around(predict(new), _bill(new), COVERAGE)
            held[power].append((low <= tips_of(new)) & (tips_of(new) <= high))
    place = np.concatenate(places)
    return {power: _shares(np.concatenate(found), place) for power, found in held.items()}


def _shares(held: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.array([*(held[place == quarter].mean() for quarter in range(4)), held.mean()])


def _booster(train: pd.DataFrame, target: str) -> Callable[[pd.DataFrame], np.ndarray]:
    import xgboost as xgb

    matrix = training_matrix(train, target)
    matrix.feature_names = contract.FEATURE_NAMES
    booster = xgb.train(PARAMETERS | {"nthread": 1}, matrix, num_boost_round=ROUNDS)
    set_attributes(booster, train, ROUNDS, target)
    return lambda rows: predict_rows(booster, rows)


def _bill(rows: pd.DataFrame) -> np.ndarray:
    return np.asarray(rows[contract.BILL], dtype=float)


def main(draws: int) -> None:
    """Measure, and print the table."""
    print(f"share of tips held, meant to be {COVERAGE:.0%}; {draws} draws")
    print(f"{'':<28}{'power':<7}quarters of the bills, cheap to dear    all")
    for (name, rows), target in product(data().items(), ("tip_above_share", "tip_rate", "tip")):
        for power, shares in coverages(rows, target, draws, POWERS).items():
            numbers = "".join(f"{share:10.3f}" for share in shares)
            print(f"{name:<11}{target:<17}{power:<4}{numbers}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
