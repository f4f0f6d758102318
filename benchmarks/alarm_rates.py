"""How often alerts fire without a reason, and how often with one: those that chance can cause.

Intervals that hold too few tips, sound models that are held; for drift see `benchmarks/drift.py`.
Usage: python -m benchmarks.alarm_rates [MONTHS]
"""

import sys

import numpy as np

from tip_assets import contract
from tip_assets.assets.splits import split
from tip_assets.assets.transformed_tips import transform
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.metric_store.prediction_log import wilson
from tip_assets.modelling.promotion import quality_faults
from tip_assets.modelling.recipe import recipe_for
from tip_assets.modelling.search import Trial
from tip_assets.modelling.training import read_report, train_booster
from tip_assets.settings import Settings

SETTINGS = Settings()
TIPS = [30, 60, 250, 1000]
MONTHS_OF_DATA = [1, 3, 12]
# Shallow and slow, the best of DESIGN's table; a search would take minutes a model.
PARAMETERS = {"max_depth": 2, "learning_rate": 0.03, "min_child_weight": 10.0, "reg_lambda": 5.0}
TRIAL = Trial(number=0, parameters=PARAMETERS, rmse=1.0, rmse_std=0.0, rounds=100)


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
    """Share of months in which too few are shown to be held: at the end, and after any tip.

    The alert looks at months that have ended, because of the difference.

    `shares` has, for each month, the share of the tips that its intervals really hold.
    """
    held = np.cumsum(rng.random((len(shares), tips)) < shares[:, None], axis=1)
    least = np.array(MOST_HELD[SETTINGS.min_rows : tips + 1])
    fires = held[:, SETTINGS.min_rows - 1 :] <= least
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
    """Simulate, and print both tables."""
    print("PredictionErrors, 10000 months each: at the month's end, after any tip")
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
