"""How often the drift rule cries without drift, and how often it sees a real change.

Months are drawn from the sample with replacement, so that nothing drifts but by chance; for the
second table bills and tips of the current month are multiplied. Usage:
python -m benchmarks.drift_rule [MONTHS]
"""

import io
import sys

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.drift.rule import Thresholds, column_drifts, dataset_drift
from tip_assets.ingestion.simulate import sample_bytes
from tip_assets.settings import Settings

QUIET = [(195, 49), (244, 60), (600, 60), (2000, 60), (2000, 250), (3000, 1000), (20_000, 10_000)]
CHANGED = [(195, 49), (244, 60), (2000, 60), (2000, 250), (3000, 1000)]


def month(sample: pd.DataFrame, rows: int, prices: float, rng: np.random.Generator) -> pd.DataFrame:
    """A month drawn from the sample, its bills and tips multiplied."""
    drawn = sample.iloc[rng.integers(0, len(sample), rows)]
    money = [contract.BILL, contract.LABEL.name]
    return drawn.assign(**{name: (drawn[name] * prices).round(2) for name in money})


def shares(
    sample: pd.DataFrame, reference: int, current: int, prices: float, months: int
) -> tuple[float, float]:
    """Share of months in which some column, and in which the dataset, is called drifted."""
    settings = Settings()
    thresholds = Thresholds(
        settings.drift_significance, settings.drift_effect, settings.drift_share
    )
    rng = np.random.default_rng([reference, current, round(100 * prices)])
    some, dataset = 0, 0
    for _ in range(months):
        datasets = month(sample, reference, 1, rng), month(sample, current, prices, rng)
        drifts = column_drifts(*datasets, thresholds, seed=int(rng.integers(2**31)))
        some += any(drift.drifted for drift in drifts)
        dataset += dataset_drift(drifts, thresholds).drifted
    return some / months, dataset / months


def main(months: int) -> None:
    """Simulate, and print both tables."""
    sample = pd.read_csv(io.BytesIO(sample_bytes()))
    print(f"no drift, {months} months each")
    print("reference  current   some column   the dataset")
    for reference, current in QUIET:
        some, dataset = shares(sample, reference, current, 1, months)
        print(f"{reference:9}  {current:7}   {100 * some:9.1f} %   {100 * dataset:9.1f} %")
    print(f"\nbills and tips changed, {months} months each: some column drifted")
    print("reference  current    +10 %    +20 %")
    for reference, current in CHANGED:
        seen = [shares(sample, reference, current, f, months)[0] for f in (1.1, 1.2)]
        print(f"{reference:9}  {current:7}   {100 * seen[0]:4.0f} %   {100 * seen[1]:4.0f} %")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
