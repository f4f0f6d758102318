"""How often alerts fire without a reason, and how often with one: those that chance can cause.

Columns that keep drifting, intervals that hold too few tips, sound models that are held. Usage:
python -m benchmarks.alarm_rates [MONTHS]
"""

import io
import sys

import numpy as np
import pandas as pd

from benchmarks.drift_rule import month
from tip_assets import contract
from tip_assets.assets.splits import split
from tip_assets.assets.transformed_tips import transform
from tip_assets.drift.rule import Thresholds, column_drifts
from tip_assets.ingestion.simulate import UNCHANGED, generate, sample_bytes
from tip_assets.metric_store.prediction_log import wilson
from tip_assets.modelling.promotion import quality_faults
from tip_assets.modelling.recipe import recipe_for
from tip_assets.modelling.search import Trial
from tip_assets.modelling.training import read_report, train_booster
from tip_assets.reporting.alarms import AlarmRule, alarming
from tip_assets.settings import Settings

SETTINGS = Settings()
SIZES = [(195, 49), (244, 60), (2000, 60), (2000, 250)]
TIPS = [30, 60, 250, 1000]
MONTHS_OF_DATA = [1, 3, 12]
# Shallow and slow, the best of DESIGN's table; a search would take minutes a model.
PARAMETERS = {"max_depth": 2, "learning_rate": 0.03, "min_child_weight": 10.0, "reg_lambda": 5.0}
TRIAL = Trial(number=0, parameters=PARAMETERS, rmse=1.0, rmse_std=0.0, rounds=100)


def keeps_drifting(reference: int, rows: int, prices: float, months: int) -> float:
    """Share of last months in which some column is told of; prices change one month before it."""
    sample, rule = pd.read_csv(io.BytesIO(sample_bytes())), AlarmRule.of(SETTINGS.column_alarm)
    thresholds = Thresholds(
        SETTINGS.drift_significance, SETTINGS.drift_effect, SETTINGS.drift_share
    )
    rng, told = np.random.default_rng([reference, rows, round(100 * prices)]), 0
    for _ in range(months):
        trained_on, found = month(sample, reference, 1, rng), {}
        for place in range(rule.window):
            factor = prices if place >= rule.window - rule.least else 1
            drifts = column_drifts(
                trained_on, month(sample, rows, factor, rng), thresholds, int(rng.integers(2**31))
            )
            found[f"{place}"] = {drift.column for drift in drifts if drift.drifted}
        told += bool(alarming(found, rule, f"{rule.window - 1}"))
    return told / months


def most_held(tips: int) -> list[int]:
    """For each number of tips, how many may lie within and still show that too few do; -1: none."""
    most = [-1]
    for count in range(1, tips + 1):
        held = most[-1]
        while wilson(held + 1, count)[1] < SETTINGS.interval_coverage:
            held += 1
        most.append(held)
    return most


MOST_HELD = most_held(max(TIPS))


def intervals_alarm(tips: int, shares: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Share of months in which too few are shown to be held: at the end, and after any told tip.

    The alert looks at months that have ended, because of the difference.

    `shares` has, for each month, the share of the tips that its intervals really hold.
    """
    held = np.cumsum(rng.random((len(shares), tips)) < shares[:, None], axis=1)
    least = np.array(MOST_HELD[SETTINGS.least_rows : tips + 1])
    fires = held[:, SETTINGS.least_rows - 1 :] <= least
    return float(fires[:, -1].mean()), float(fires.any(axis=1).mean())


def held_though_sound(months_of_data: int, months: int) -> float:
    """Share of models of a good recipe, on unchanged data, that the quality check holds back."""
    held = 0
    for seed in range(months):
        bills = contract.check(generate(244 * months_of_data, seed, UNCHANGED)).accepted
        window = split(transform(bills), "2024-01")
        recipe = recipe_for(window, **SETTINGS.recipe_options)
        report = read_report(train_booster("2024-01", window, TRIAL, recipe))
        held += bool(quality_faults(report.baselines, report.against))
    return held / months


def main(months: int) -> None:
    """Simulate, and print the three tables."""
    print(f"ColumnDrift ({SETTINGS.column_alarm} months), {months} times three months each")
    print("reference  current   no drift   +20 % since the month before")
    for reference, current in SIZES:
        quiet, changed = (keeps_drifting(reference, current, f, months) for f in (1, 1.2))
        print(f"{reference:9}  {current:7}  {100 * quiet:7.1f} %  {100 * changed:12.0f} %")
    print("\nPredictionErrors, 10000 months each: at the month's end, after any told tip")
    print("tips   as promised        model of 41 rows   5 points too few   10 points too few")
    rng, promised = np.random.default_rng(0), SETTINGS.interval_coverage
    for tips in TIPS:
        # Of n held-out rows the share that a model's intervals hold has a beta distribution.
        model = rng.beta(promised * 42, (1 - promised) * 42, 10_000)
        cells = []
        for shares in (promised, model, promised - 0.05, promised - 0.1):
            end, ever = intervals_alarm(tips, np.broadcast_to(shares, 10_000), rng)
            cells.append(f"{100 * end:5.1f} % {100 * ever:5.1f} %")
        print(f"{tips:4}   " + "    ".join(cells))
    print(f"\nPromotionHeld by model_is_sound, {months} models of a sound recipe each")
    print("months of 244 rows   held")
    for count in MONTHS_OF_DATA:
        print(f"{count:18}  {100 * held_though_sound(count, months):4.1f} %")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
