"""How often a group is called worse without any reason, and how often a reason is seen.

Rows are drawn from the sample with replacement, with errors of least squares on rows that it was
not fitted to: no boosted model beats it there beyond doubt. Usage:
python -m benchmarks.group_errors [MONTHS]
"""

import io
import sys

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.ingestion.simulate import sample_bytes
from tip_assets.modelling.group_errors import group_errors
from tip_assets.settings import Settings

QUIET = [41, 120, 500, 5_000, 20_000]
CHANGED = [41, 120, 500]
FACTORS = [1.25, 1.5, 2.0]
SAMPLE = pd.read_csv(io.BytesIO(sample_bytes()))

Group = tuple[str, str]


def sample_errors() -> np.ndarray:
    """Errors of least squares on bill and party size, cross-validated, in dollars."""
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import KFold, cross_val_predict

    numbers = [column.name for column in contract.NUMBERS if column is not contract.LABEL]
    tips, folds = SAMPLE[contract.LABEL.name], KFold(10, shuffle=True, random_state=0)
    predicted = cross_val_predict(LinearRegression(), SAMPLE[numbers], tips, cv=folds)
    return np.asarray(predicted - tips)


def worse_groups(records: pd.DataFrame, errors: np.ndarray, seed: int) -> set[Group]:
    """The groups called worse."""
    found = group_errors(
        records, np.zeros(len(errors)), errors, confidence=Settings().confidence, seed=seed
    )
    return {(group.column, group.group) for group in found if group.is_worse}


def quiet(errors: np.ndarray, rows: int, months: int, *, apart: bool) -> float:
    """Share of months in which some group is called worse.

    `apart`: each row gets the error of some other row, so that no category has to do with it.
    """
    rng, some = np.random.default_rng([rows, apart]), 0
    for month in range(months):
        places = rng.integers(0, len(SAMPLE), rows)
        others = rng.integers(0, len(SAMPLE), rows) if apart else places
        some += bool(worse_groups(SAMPLE.iloc[places], errors[others], month))
    return some / months


def seen(errors: np.ndarray, rows: int, months: int, group: Group, factor: float) -> float:
    """Share of months in which a group is called worse whose errors are multiplied."""
    rng, times = np.random.default_rng([rows, round(100 * factor)]), 0
    for month in range(months):
        records = SAMPLE.iloc[rng.integers(0, len(SAMPLE), rows)]
        drawn = errors[rng.integers(0, len(SAMPLE), rows)]
        member = records[group[0]].to_numpy() == group[1]
        times += group in worse_groups(records, np.where(member, drawn * factor, drawn), month)
    return times / months


def main(months: int) -> None:
    """Simulate, and print both tables; the second for the rarest group of each column."""
    errors = sample_errors()
    print(f"some group is called worse, {months} months each")
    print("test rows   no group differs   errors of the sample as they are")
    for rows in QUIET:
        apart, own = (quiet(errors, rows, months, apart=apart) for apart in (True, False))
        print(f"{rows:9}   {100 * apart:14.1f} %   {100 * own:30.1f} %")
    print(f"\nerrors of one group multiplied, {months} months each: it is called worse")
    print("test rows   group               " + "".join(f"{f'x {factor}':>8}" for factor in FACTORS))
    for column in contract.CATEGORIES:
        counts = SAMPLE[column.name].value_counts()
        group = column.name, str(counts.idxmin())
        words = f"{' '.join(group)} ({100 * counts.min() / len(SAMPLE):.0f} %)"
        for rows in CHANGED:
            shares = [seen(errors, rows, months, group, factor) for factor in FACTORS]
            print(f"{rows:9}   {words:<20}" + "".join(f"{100 * s:6.0f} %" for s in shares))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
