"""How often the promotion rule is wrong, what it can see, and what it does in 24 quiet months.

Models are trained on generated months with fixed parameters, without a search; what they are worth
is measured on 30,000 other generated rows. No drift is charted: the months are quiet. Usage:
python -m benchmarks.promotion [PAIRS] [HISTORIES] [PROCESSES]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # many processes, one thread each

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.assets.splits import split
from tip_assets.assets.transformed_tips import transform
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.modelling.comparison import Comparison, compare
from tip_assets.modelling.promotion import Situation, decide, quality_faults
from tip_assets.modelling.recipe import recipe_for
from tip_assets.modelling.search import Trial
from tip_assets.modelling.split import PART, TEST
from tip_assets.modelling.training import (
    load_booster,
    predict_rows,
    read_report,
    tips_of,
    train_booster,
)
from tip_assets.settings import Settings

SETTINGS = Settings()
HELD_OUT = (41, 60, 250, 2000)
DRAWS = 20  # months of held-out rows for each pair of models
SEEN = "better", "not worse"
MONTHS, MONTHLY_ROWS = 24, (60, 250)
RESEEDED, SHARE = "re-seeded", "fixed share"
BETTER = (0.03, 0.05, 0.1)
OTHERS_ROWS, POOR_ROWS = 30_000, 60
# A search would take minutes a model. The shares of rows and columns are what a seed changes.
PARAMETERS = {
    "max_depth": 2,
    "learning_rate": 0.05,
    "min_child_weight": 10.0,
    "reg_lambda": 5.0,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
}
TRIAL = Trial(number=0, parameters=PARAMETERS, rmse=1.0, rmse_std=0.0, rounds=80)


def generated(rows: int, seed: int, month: str = "2024-01") -> pd.DataFrame:
    """Split rows of a generated month; bills beyond the contract are dropped."""
    return split(transform(contract.check(generate(rows, seed, UNCHANGED)).accepted), month)


@lru_cache(maxsize=1)
def other_rows() -> pd.DataFrame:
    """Rows that no model has seen: what a model is really worth."""
    return generated(OTHERS_ROWS, seed=999_999)


def trained(window: pd.DataFrame, seed: int = SETTINGS.seed) -> bytes:
    recipe = replace(recipe_for(window, **SETTINGS.recipe_options), seed=seed)
    return train_booster("2024-01", window, TRIAL, recipe)


def compared(actual: np.ndarray, predicted: np.ndarray, rival: np.ndarray) -> Comparison:
    """Compare as a month does."""
    return compare(actual, predicted, rival, **SETTINGS.comparison_options)


def bootstrap_interval(error: np.ndarray, rival_error: np.ndarray) -> tuple[float, float]:
    """The percentile bootstrap of the RMSE difference, to compare the interval with."""
    drawn = np.random.default_rng(SETTINGS.seed).integers(0, len(error), (1000, len(error)))
    mine, other = (np.sqrt((e[drawn] ** 2).mean(axis=1)) for e in (error, rival_error))
    tail = (1 - SETTINGS.confidence) / 2
    low, high = np.quantile(mine - other, [tail, 1 - tail])
    return float(low), float(high)


@dataclass
class Answers:
    """Predictions of the same rows: of a model, of its recipe with another seed, of a poor one."""

    rows: pd.DataFrame
    model: np.ndarray
    reseeded: np.ndarray
    poor: np.ndarray

    @property
    def error(self) -> np.ndarray:
        return self.model - tips_of(self.rows)

    def rivals(self, steps: dict[str, float]) -> dict[str, np.ndarray]:
        """The model's rivals: as good but for chance, a simple rule, and worse ones."""
        bills = self.rows[contract.BILL].to_numpy(float)
        worse = {name: self.model + step * (self.poor - self.model) for name, step in steps.items()}
        return {RESEEDED: self.reseeded, SHARE: SETTINGS.fixed_share * bills, **worse}


def step_to(share: float, others: Answers) -> float:
    """How far a champion departs from the model towards the poor one to be worse by a share."""
    away = others.poor - others.model
    wanted = np.mean(others.error**2) * (1 / (1 - share) ** 2 - 1)
    a, b = np.mean(away**2), np.mean(others.error * away)
    return float((np.sqrt(b**2 + a * wanted) - b) / a)


def judge_pair(number: int, held_out: int, months: int, bootstrap: bool) -> pd.DataFrame:
    """Train a model and its rivals; compare them on the held-out rows of many months.

    A row for each month and rival: the verdict, the stated power, and whether the intervals hold
    the difference that the other rows show.
    """
    window, few = generated(5 * held_out, 10_000 + number), generated(POOR_ROWS, 50_000 + number)
    seeds = 2 * number, 2 * number + 1
    boosters = [load_booster(trained(window, seed)) for seed in seeds]
    boosters.append(load_booster(trained(few)))
    held, others = (
        Answers(rows, *(predict_rows(booster, rows) for booster in boosters))
        for rows in (generated(held_out * (months + 1), 20_000 + number), other_rows())
    )
    steps = {f"{share:.0%}": step_to(share, others) for share in BETTER}
    worth, tips, found = others.rivals(steps), tips_of(held.rows), []
    for rival, predicted in held.rivals(steps).items():
        rival_rmse = np.sqrt(np.mean((worth[rival] - tips_of(others.rows)) ** 2))
        truth = np.sqrt(np.mean(others.error**2)) - rival_rmse
        for place in range(months):
            of = slice(place * held_out, (place + 1) * held_out)
            result = compared(tips[of], held.model[of], predicted[of])
            row: dict[str, Any] = {"rival": rival, "verdict": result.verdict, "power": result.power}
            row["covered"] = result.low <= truth <= result.high
            if bootstrap and rival == SHARE:
                low, high = bootstrap_interval(held.error[of], predicted[of] - tips[of])
                row["bootstrap_covered"] = low <= truth <= high
            found.append(row)
    return pd.DataFrame(found)


@dataclass
class Policy:
    """Who serves under a rule, and what has come of it."""

    champion: int = 0
    changes: int = 0
    for_the_worse: int = 0
    too_old: int = 0
    squares: float = 0.0


def play_history(number: int, monthly_rows: int) -> dict[str, Policy]:
    """Play quiet months under each policy; all of them have the same months and challengers."""
    others, window_months = other_rows(), SETTINGS.window_months
    months = [f"{2024 + m // 12}-{m % 12 + 1:02}" for m in range(MONTHS + 1)]
    data = [
        generated(monthly_rows, 1_000 * (number + 100) + place, month)
        for place, month in enumerate(months)
    ]
    boosters: list[Any] = []
    worth: list[float] = []
    policies = {name: Policy() for name in ("the rule", "never", "always", "<=")}
    for now, month in enumerate(months):
        window = pd.concat(data[max(0, now + 1 - window_months) : now + 1], ignore_index=True)
        ubj = trained(window)
        boosters.append(load_booster(ubj))
        error = predict_rows(boosters[now], others) - tips_of(others)
        worth.append(float(np.mean(error**2)))
        if now == 0:
            continue
        test = window[window[PART] == TEST]
        tips, answers = tips_of(test), predict_rows(boosters[now], test)
        report = read_report(ubj)
        for name, policy in policies.items():
            before = policy.champion
            if name == "the rule":
                found = compared(tips, answers, predict_rows(boosters[before], test))
                promotes = decide(
                    Situation(
                        month=month,
                        champion_month=months[before],
                        verdict=found.verdict,
                        power_note=found.power_note,
                        quality_faults=quality_faults(report.baselines, report.against),
                        dataset_drifted=False,
                        drift_confirmed=False,
                        better_on_drifted_months=False,
                        champion_age_months=now - before,
                        max_champion_age_months=SETTINGS.max_champion_age_months,
                        champion_contract=contract.VERSION,
                    )
                ).promotes
            elif name == "<=":
                rival = predict_rows(boosters[before], test) - tips
                promotes = np.mean((answers - tips) ** 2) <= np.mean(rival**2)
            else:
                promotes = name == "always"
            if promotes:
                policy.champion = now
                policy.changes += 1
                policy.for_the_worse += worth[now] > worth[before]
            policy.too_old += now - policy.champion > SETTINGS.max_champion_age_months
            policy.squares += worth[policy.champion] / MONTHS
    return policies


def print_verdicts(pairs: int, pool: ProcessPoolExecutor) -> None:
    """Print how often verdicts and intervals are right, a line for each number of held-out rows."""
    print(f"{pairs} pairs of models, {DRAWS} months of held-out rows each")
    print(
        "         another seed is     better, found for      stated   intervals that hold the truth"
    )
    print(
        "   rows  better not worse     3 %     5 %    10 %  for 10 %    seed   share    10 %"
        "  bootstrap"
    )
    for rows in HELD_OUT:
        judge = partial(judge_pair, held_out=rows, months=DRAWS, bootstrap=rows <= 250)
        found = pd.concat(pool.map(judge, range(pairs))).set_index("rival")
        shares = [
            *((found.loc[RESEEDED, "verdict"] == verdict).mean() for verdict in SEEN),
            *((found.loc[f"{share:.0%}", "verdict"] == "better").mean() for share in BETTER),
            found.loc["10%", "power"].mean(),
            *(found.loc[rival, "covered"].mean() for rival in (RESEEDED, SHARE, "10%")),
        ]
        if "bootstrap_covered" in found:
            shares.append(found.loc[SHARE, "bootstrap_covered"].astype(float).mean())
        cells = zip((6, 8, 7, 6, 6, 8, 6, 6, 6, 9), shares, strict=False)
        print(f"{rows:7,}" + "".join(f"{100 * s:{wide}.1f} %" for wide, s in cells), flush=True)


def print_policies(histories: int, pool: ProcessPoolExecutor) -> None:
    """Print what each policy does in quiet months: changes and realised error."""
    for rows in MONTHLY_ROWS:
        played = list(pool.map(partial(play_history, monthly_rows=rows), range(histories)))
        print(f"\n{MONTHS} quiet months of {rows} rows after the first, {histories} histories")
        print("policy      changes   for the worse   months too old   realised RMSE")
        for name in played[0]:
            of = [policies[name] for policies in played]
            changes, worse, too_old, error = np.mean(
                [(p.changes, p.for_the_worse, p.too_old, p.squares**0.5) for p in of], 0
            )
            print(f"{name:10}  {changes:7.1f}   {worse:13.1f}   {too_old:14.1f}   {error:9.3f} USD")


def main(pairs: int = 60, histories: int = 20, processes: int = 1) -> None:
    """Simulate, and print the tables."""
    started = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        print_verdicts(pairs, pool)
        print_policies(histories, pool)
    print(f"\n{(time.monotonic() - started) / 60:.0f} minutes, {processes} processes")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
