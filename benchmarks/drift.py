"""How rarely control charts alarm in quiet months, and how soon they see changes.

Each history has a reference, a model trained on it, and generated months against it until a chart
alarms. Usage: python -m benchmarks.drift [HISTORIES]
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.drift.alarm import judge, limit_for
from tip_assets.drift.charts import PREDICTION, effects, log_bill, residuals
from tip_assets.ingestion.simulate import UNCHANGED, Change, generate, sample_records
from tip_assets.modelling.out_of_fold import out_of_fold
from tip_assets.modelling.recipe import Recipe, recipe_for
from tip_assets.modelling.search import Trial
from tip_assets.modelling.split import TRAIN
from tip_assets.modelling.training import fit, predict_rows
from tip_assets.settings import Settings

SETTINGS = Settings()
SIZES = [(195, 49), (244, 60), (600, 60), (2000, 60), (2000, 250)]
PARAMETERS = {"max_depth": 2, "learning_rate": 0.05, "min_child_weight": 10, "reg_lambda": 5}
TRIAL = Trial(number=0, parameters=PARAMETERS, rmse=1.0, rmse_std=0.0, rounds=60)
# What is changed, at how many rows, and the mean number of months it may take; None: no bar.
CHANGES: list[tuple[str, Change, tuple[int, int], float | None]] = [
    ("prices +20 %", Change(prices=1.2), (244, 60), 1.7),
    ("tips alone +20 %", Change(generosity=1.2), (244, 60), 1.6),
    ("prices +10 %", Change(prices=1.1), (2000, 250), 1.4),
    ("prices +10 %", Change(prices=1.1), (244, 60), None),
    ("prices +5 %", Change(prices=1.05), (244, 60), None),
    ("prices +5 %", Change(prices=1.05), (2000, 250), None),
    ("lunches 28 -> 42 %", Change(lunch_share=0.42), (244, 60), None),
]
_CAP = 1500  # months; a history without an alarm counts as so many


@dataclass(frozen=True)
class History:
    """A reference of so many rows, and months of so many rows, all of them changed."""

    reference_rows: int
    rows: int
    change: Change
    seed: int

    def months(self) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Reference and month with predictions, for ever."""
        rng = np.random.default_rng([self.seed, self.reference_rows, self.rows])
        records = generate(self.reference_rows, int(rng.integers(2**31)), UNCHANGED)
        encoded = contract.codes(records)
        recipe = _recipe(encoded)
        booster = fit(encoded, TRIAL, recipe)
        reference = records.assign(**{PREDICTION: out_of_fold(encoded, TRIAL, recipe)})
        while True:
            month = generate(self.rows, int(rng.integers(2**31)), self.change)
            predicted = predict_rows(booster, contract.codes(month))
            yield reference, month.assign(**{PREDICTION: predicted})


def months_until_alarm(history: History, cap: int = _CAP) -> int:
    """The first month in which a chart alarms; one more than `cap` if none of those does."""
    before: list[dict[str, float]] = []
    correlation = history.rows / (history.rows + history.reference_rows)
    for number, (reference, month) in enumerate(history.months(), start=1):
        if number > cap:
            return number
        found = effects(reference, month)
        limit = limit_for(len(found), SETTINGS.quiet_months_per_alarm, correlation)
        if any(chart.alarm for chart in judge(found, before, limit, {})):
            return number
        before.append({effect.chart: effect.z for effect in found})
    raise AssertionError("months never end")


def run_lengths(size: tuple[int, int], change: Change, histories: int, cap: int) -> np.ndarray:
    """Months until the alarm of so many histories, on all cores."""
    seeds = [History(*size, change, seed) for seed in range(histories)]
    with Pool() as pool:
        return np.array(pool.map(partial(months_until_alarm, cap=cap), seeds, chunksize=1))


def best_possible(change: Change, rows: int, months: int = 20_000) -> float:
    """Months until a chart that knows the change and the reference exactly would see it.

    A cumulative sum of each month's log likelihood ratio, which is optimal (Moustakides, 1986,
    "Optimal stopping times for detecting changes in distributions"), its limit set for the same
    number of quiet months per alarm. The logarithm of a bill is normal given party size and meal,
    that of a tip given its bill also: the sample's generator is coarser, and would give more away.
    """
    deviates = np.random.default_rng(1).standard_normal(months)
    effect = _log_change(change) * np.sqrt(rows)
    ratios = [effect * (deviates + shift) - effect**2 / 2 for shift in (0, effect)]
    low, high = 0.0, 50.0
    for _ in range(20):
        limit = (low + high) / 2
        quiet = _mean_run(ratios[0], limit)
        low, high = (limit, high) if quiet < SETTINGS.quiet_months_per_alarm else (low, limit)
    return _mean_run(ratios[1], high)


def _log_change(change: Change) -> float:
    """The change of bills, or of tips on the same bills, in standard deviations of one row."""
    sample = sample_records()
    bills, covariates = log_bill(sample)
    if change.prices != 1:
        return float(np.log(change.prices) / residuals(bills[:, None], covariates).std())
    tips = np.log(sample[[contract.LABEL.name]].to_numpy())
    spread = residuals(tips, np.column_stack([bills, covariates])).std()
    return float(np.log(change.generosity) / spread)


def _mean_run(ratios: np.ndarray, limit: float) -> float:
    alarms, total = 0, 0.0
    for ratio in ratios:
        total = max(0.0, total) + ratio
        if total > limit:
            alarms, total = alarms + 1, 0.0
    return len(ratios) / max(alarms, 1)


def _recipe(encoded: pd.DataFrame) -> Recipe:
    return recipe_for(encoded.assign(month="2024-01", part=TRAIN), **SETTINGS.recipe_options)


def main(histories: int) -> None:
    """Simulate, and print the three tables."""
    wished = SETTINGS.quiet_months_per_alarm
    print(f"no change, {histories} histories each: mean months until a false alarm")
    print(f"reference  month   limit   months   standard error   bar {wished:g}")
    for size in SIZES:
        runs = run_lengths(size, UNCHANGED, histories, _CAP)
        limit = limit_for(12, wished, size[1] / sum(size))
        error = runs.std() / np.sqrt(histories)
        met = "met" if runs.mean() >= wished else "MISSED"
        print(
            f"{size[0]:9}  {size[1]:5}  {limit:6.2f}  {runs.mean():7.0f}  {error:15.0f}   {met}",
            flush=True,
        )
    print(f"\nchanged from the first month on, {4 * histories} histories each: months until seen")
    print("change              reference  month   months   at once   best possible   bar")
    for words, change, size, bar in CHANGES:
        runs = run_lengths(size, change, 4 * histories, 200)
        best = f"{best_possible(change, size[1]):.2f}" if change.lunch_share is None else ""
        met = "" if bar is None else f"{bar} {'met' if runs.mean() <= bar else 'MISSED'}"
        print(
            f"{words:<18}  {size[0]:9}  {size[1]:5}  {runs.mean():7.2f}   {np.mean(runs == 1):7.0%}"
            f"   {best:>13}   {met}",
            flush=True,
        )
    runs = run_lengths((244, 60), Change(prices=2), 4 * histories, 200)
    held = np.mean(runs == 1)
    print(f"\nprices doubled: {held:.1%} of months held at once (bar 99 %)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
