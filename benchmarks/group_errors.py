"""How often a group is called worse without any reason, and how often a reason is seen.

Months are generated: a tip has to do with bill and party size, and with no category. A booster of
the default target is fitted to four fifths of each. Usage:
python -m benchmarks.group_errors [MONTHS]
"""

import sys

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.assets.splits import split
from tip_assets.assets.transformed_tips import transform
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.modelling.group_errors import group_errors
from tip_assets.modelling.search import set_attributes, training_matrix
from tip_assets.modelling.split import PART, TEST, TRAIN
from tip_assets.modelling.training import predict_rows, tips_of
from tip_assets.settings import Settings

ROWS = [244, 600, 2_500, 25_000, 100_000]
CHANGED = [244, 600, 2_500]
FACTORS = [1.25, 1.5, 2.0]
PARAMETERS = {"max_depth": 2, "learning_rate": 0.03, "min_child_weight": 10, "reg_lambda": 5}
ROUNDS = 100

Group = tuple[str, str]


def month(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The test rows of a generated month, decoded, with tips and predictions in dollars."""
    import xgboost as xgb

    target = Settings().target
    everything = split(transform(generate(rows, seed, UNCHANGED)), "2024-01")
    train, test = (everything[everything[PART] == part] for part in (TRAIN, TEST))
    booster = xgb.train(PARAMETERS | {"nthread": 1}, training_matrix(train, target), ROUNDS)
    set_attributes(booster, train, ROUNDS, target)
    return contract.decode(test), tips_of(test), predict_rows(booster, test)


def worse_groups(records: pd.DataFrame, errors: np.ndarray, seed: int) -> set[Group]:
    """The groups called worse."""
    found = group_errors(
        records, np.zeros(len(errors)), errors, confidence=Settings().confidence, seed=seed
    )
    return {(group.column, group.group) for group in found if group.is_worse}


def quiet(rows: int, months: int) -> float:
    """Share of months in which some group is called worse."""
    some = 0
    for seed in range(months):
        records, actual, predicted = month(rows, seed)
        some += bool(worse_groups(records, predicted - actual, seed))
    return some / months


def seen(rows: int, months: int, group: Group) -> list[float]:
    """Share of months in which a group is called worse whose errors are multiplied, by factor."""
    times = np.zeros(len(FACTORS))
    for seed in range(months):
        records, actual, predicted = month(rows, seed)
        member, errors = (records[group[0]] == group[1]).to_numpy(), predicted - actual
        for place, factor in enumerate(FACTORS):
            changed = np.where(member, errors * factor, errors)
            times[place] += group in worse_groups(records, changed, seed)
    return list(times / months)


def main(months: int) -> None:
    """Simulate, and print both tables; the second for the rarest group of each column."""
    print(f"no group differs: some group is called worse, at most {months} months each")
    print("rows of the window   test rows   months   share of months")
    for rows in ROWS:
        played = max(8, min(months, 2_000_000 // rows))
        share = quiet(rows, played)
        print(f"{rows:18,} {rows // 5:11,} {played:8} {100 * share:14.1f} %", flush=True)
    print(f"\nerrors of one group multiplied, {months} months each: it is called worse")
    print("test rows   group               " + "".join(f"{f'x {factor}':>8}" for factor in FACTORS))
    records = generate(10_000, 0, UNCHANGED)
    for column in contract.CATEGORIES:
        shares = records[column.name].value_counts(normalize=True)
        group = column.name, str(shares.idxmin())
        words = f"{' '.join(group)} ({100 * shares.min():.0f} %)"
        for rows in CHANGED:
            found = seen(rows, months, group)
            line = "".join(f"{100 * s:6.0f} %" for s in found)
            print(f"{rows // 5:9}   {words:<20}{line}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
