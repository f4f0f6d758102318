"""How often the estimated error of a month holds the realised one, and when it abstains.

Models are trained on generated months, and each is asked about a later month with or without a
change. Usage: python -m benchmarks.estimated_error [HISTORIES]
"""

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.assets.splits import split
from tip_assets.assets.transformed_tips import transform
from tip_assets.drift.estimated_error import EstimatedError, estimate_error
from tip_assets.ingestion.simulate import UNCHANGED, Change, generate
from tip_assets.modelling.intervals import held_out_errors
from tip_assets.modelling.search import set_attributes, training_matrix
from tip_assets.modelling.seen import seen
from tip_assets.modelling.split import PART, TEST, TRAIN
from tip_assets.modelling.training import predict_rows, tips_of
from tip_assets.settings import Settings

PARAMETERS = {"max_depth": 2, "learning_rate": 0.03, "min_child_weight": 10, "reg_lambda": 5}
ROUNDS = 100
WINDOWS, MONTH = (244, 2_000), 244
CHANGES = {
    "no change": UNCHANGED,
    "prices +5 %": Change(prices=1.05),
    "prices +35 %": Change(prices=1.35),
    "mostly lunch": Change(lunch_share=0.7),
    "same bills, tips +20 %": Change(generosity=1.2),
    "same bills, tips +50 %": Change(generosity=1.5),
}


@dataclass(frozen=True)
class Played:
    """What was estimated of a month, and its mean absolute error once tips are known."""

    estimated: EstimatedError | str
    realised: float


def play(window: int, change: Change, seed: int) -> Played:
    """Train on a generated window, then ask about a month with a change."""
    import xgboost as xgb

    target = Settings().target
    rows = split(transform(generate(window, 2 * seed, UNCHANGED)), "2024-01")
    train, test = (rows[rows[PART] == part] for part in (TRAIN, TEST))
    booster = xgb.train(PARAMETERS | {"nthread": 1}, training_matrix(train, target), ROUNDS)
    set_attributes(booster, train, ROUNDS, target)
    bill = test[contract.BILL].to_numpy(float)
    errors = held_out_errors(tips_of(test), predict_rows(booster, test), bill)
    month = transform(generate(MONTH, 2 * seed + 1, change))
    realised = float(np.abs(tips_of(month) - predict_rows(booster, month)).mean())
    known, records = seen(train), contract.decode(month)
    estimated = estimate_error(
        errors,
        contract.decode(train),
        records,
        ["unlike" if outside else "" for outside in _outside(records, known)],
        Settings().quiet_months_per_alarm,
    )
    return Played(estimated, realised)


def _outside(records: pd.DataFrame, known: dict[str, list]) -> np.ndarray:
    """Return which records have a value that was never seen."""
    outside = np.zeros(len(records), dtype=bool)
    for column in contract.FEATURES:
        values = records[column.name]
        if isinstance(column, contract.CategoryColumn):
            outside |= ~values.isin(known[column.name]).to_numpy()
        else:
            outside |= ~values.between(*known[column.name]).to_numpy()
    return outside


def main(histories: int) -> None:
    """Simulate, and print the table."""
    print(
        f"{histories} histories each, months of {MONTH} rows; errors are mean absolute errors, USD"
    )
    print("change                   window   abstains   estimated   realised   within the interval")
    for name, change in CHANGES.items():
        for window in WINDOWS:
            played = [play(window, change, seed) for seed in range(histories)]
            estimated = [
                (p.estimated, p.realised) for p in played if isinstance(p.estimated, EstimatedError)
            ]
            line = f"{name:<24} {window:6,} {1 - len(estimated) / len(played):9.0%}"
            if estimated:
                held = np.mean([e.low <= realised <= e.high for e, realised in estimated])
                mean, real = (
                    np.mean([e.mean for e, _ in estimated]),
                    np.mean([r for _, r in estimated]),
                )
                line += f" {mean:12.2f} {real:10.2f} {held:21.0%}"
            print(line, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
