"""Simulate one history of months under the platform's rules and under simple policies."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.assets.splits import split
from tip_assets.drift.alarm import judge_month
from tip_assets.drift.datasets import (
    Datasets,
    ServingModel,
    current_of,
    first_month_datasets,
    reference_of,
)
from tip_assets.ingestion.simulate import generate
from tip_assets.modelling.comparison import compare
from tip_assets.modelling.evaluation import FIXED_SHARE, MEAN_TIP, rmse, simple_baselines
from tip_assets.modelling.out_of_fold import out_of_fold
from tip_assets.modelling.promotion import Situation, decide, quality_faults
from tip_assets.modelling.recipe import Recipe, recipe_for
from tip_assets.modelling.search import Trial, best_of, search
from tip_assets.modelling.split import PART, TEST, TRAIN
from tip_assets.modelling.training import fit, predict_rows, tips_of
from tip_assets.partitions import month_after
from tip_assets.rehearsal.scenario import Scenario
from tip_assets.settings import Settings

RULE, NEVER, ALWAYS, LOWER = "the rule", "never", "always", "<="
SIMPLE_POLICIES = (NEVER, ALWAYS, LOWER)
# Instead of a search, which would take minutes per history.
FIXED = Trial(
    number=0,
    parameters={"max_depth": 2, "learning_rate": 0.05, "min_child_weight": 10, "reg_lambda": 5},
    rmse=0.0,
    rmse_std=0.0,
    rounds=60,
)
_FIRST_MONTH = "2024-01"
_JUDGES = 400  # rows that decide whether a promotion was right


@dataclass(frozen=True)
class Rehearsal:
    """What to simulate: months of `rows` rows drawn from `pool`, under a scenario and settings.

    The platform's rule is compared with the policies `compared`.
    """

    pool: pd.DataFrame
    scenario: Scenario
    months: int
    rows: int
    settings: Settings
    searches: bool = False
    compared: tuple[str, ...] = SIMPLE_POLICIES

    @property
    def policies(self) -> tuple[str, ...]:
        return (RULE, *self.compared)


@dataclass
class Played:
    """The result of a history; months count from 1.

    `errors` are each policy's RMSE on the month's rows by its serving model; None: not measured.
    `right` is the number of promotions to a model that was truly better.
    """

    alarms: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    promotions: list[int] = field(default_factory=list)
    right: int = 0
    effects: list[float | None] = field(default_factory=list)
    limits: list[float | None] = field(default_factory=list)
    errors: dict[str, list[float | None]] = field(default_factory=dict)


@dataclass
class _Model:
    month: str
    number: int
    booster: Any
    recipe: Recipe
    best: Trial
    window: pd.DataFrame

    def serving(self) -> ServingModel:
        return ServingModel(
            predict=lambda records: predict_rows(self.booster, contract.codes(records)),
            predict_held_out=lambda rows: out_of_fold(rows, self.best, self.recipe),
        )

    @cached_property
    def reference(self) -> pd.DataFrame:
        return reference_of(self.window, self.serving())


def play(rehearsal: Rehearsal, seed: int) -> Played:
    """Simulate one history; the same seed draws the same months."""
    history = _History(rehearsal, np.random.default_rng(seed))
    for number in range(1, rehearsal.months + 1):
        history.play_month(number)
    return history.played


class _History:
    """The state of a history: landed months, serving models, and the charts' history."""

    def __init__(self, rehearsal: Rehearsal, rng: np.random.Generator) -> None:
        self.rehearsal, self.rng, self.settings = rehearsal, rng, rehearsal.settings
        lunch = rehearsal.pool[contract.MEAL] == contract.LUNCH
        self.lunch_share = float(lunch.mean())
        self.recipe: Recipe | None = None
        self.landed: list[pd.DataFrame] = []
        self.champions: dict[str, _Model] = {}
        # Effects and alarms of the months measured against the champion.
        self.before: list[tuple[dict[str, float], bool]] = []
        self.played = Played(errors={policy: [] for policy in rehearsal.policies})
        # Cache of this month: model, rows and predictions.
        self.answers: list[tuple[_Model, pd.DataFrame, np.ndarray]] = []

    def play_month(self, number: int) -> None:
        """Land, train, measure and decide as the job does."""
        self.answers = []
        month = month_after(_FIRST_MONTH, number - 1)
        rows = self._land(number, month)
        if rows is None:
            self._nothing_measured()
            return
        self.landed = [*self.landed, rows][-self.settings.window_months :]
        window = pd.concat(self.landed, ignore_index=True)
        if min((rows[PART] == TEST).sum(), (rows[PART] == TRAIN).sum()) < 2 and not self.champions:
            self.played.stopped.append(number)
            self._nothing_measured()
            return
        challenger = self._train(month, number, window)
        for policy, errors in self.played.errors.items():
            champion = self.champions.get(policy)
            errors.append(rmse(tips_of(rows), self._predict(champion, rows)) if champion else None)
        drifted = self._measure_drift(number, rows, challenger)
        self._decide(number, month, window, challenger, drifted)

    def _land(self, number: int, month: str) -> pd.DataFrame | None:
        """Return the month's split rows; None when nothing lands or a check stops the month."""
        scenario = self.rehearsal.scenario
        if scenario.has_outage(number):
            return None
        change = scenario.change(number, self.lunch_share)
        seed = int(self.rng.integers(2**31))
        records = generate(self.rehearsal.rows, seed, change, self.rehearsal.pool)
        records = scenario.poison(records, number, self.rng)
        refused = scenario.refused_share(number)
        kept = records[self.rng.random(len(records)) >= refused]
        if refused > self.settings.max_quarantined_share or len(kept) < self.settings.min_rows:
            self.played.stopped.append(number)
            return None
        encoded = contract.codes(kept.reset_index(drop=True))
        return split(encoded, month, self.settings.max_feedback_share)

    def _train(self, month: str, number: int, window: pd.DataFrame) -> _Model:
        train = window[window[PART] == TRAIN]
        # The recipe names data of the first month: a rehearsal rebuilds no model from its recipe.
        self.recipe = self.recipe or recipe_for(window, **self.settings.recipe_options)
        recipe = self.recipe
        best = best_of(search(train, recipe)) if self.rehearsal.searches else FIXED
        return _Model(month, number, fit(train, best, recipe), recipe, best, window)

    def _measure_drift(self, number: int, rows: pd.DataFrame, challenger: _Model) -> bool:
        champion = self.champions.get(RULE)
        if champion is None:
            datasets = first_month_datasets(rows, challenger.serving())
        else:
            datasets = Datasets(champion.reference, current_of(rows, champion.serving()), "")
        effects = [effects for effects, _ in self.before]
        charts = judge_month(
            datasets, effects, self.settings.quiet_months_per_alarm, with_smallest_changes=False
        )
        strongest = max(charts, key=lambda chart: abs(chart.z))
        self.played.effects.append(abs(strongest.z))
        self.played.limits.append(strongest.limit)
        drifted = any(chart.alarm for chart in charts)
        if champion is not None:
            self.before.append(({chart.chart: chart.z for chart in charts}, drifted))
        if drifted:
            self.played.alarms.append(number)
        return drifted

    def _decide(
        self, number: int, month: str, window: pd.DataFrame, challenger: _Model, drifted: bool
    ) -> None:
        test = window[window[PART] == TEST]
        actual, mine = tips_of(test), self._predict(challenger, test)
        for policy in self.rehearsal.policies:
            champion = self.champions.get(policy)
            if policy == RULE:
                promotes = self._rule_promotes(month, test, challenger, champion, drifted)
            elif champion is None or policy == ALWAYS:
                promotes = True
            elif policy == NEVER:
                promotes = False
            else:
                promotes = rmse(actual, mine) <= rmse(actual, self._predict(champion, test))
            if promotes:
                if policy == RULE:
                    self._promoted(number, challenger, champion)
                self.champions[policy] = challenger

    def _rule_promotes(
        self,
        month: str,
        test: pd.DataFrame,
        challenger: _Model,
        champion: _Model | None,
        drifted: bool,
    ) -> bool:
        verdict = self._verdict(challenger, champion, test) if champion else None
        alarms = [alarm for _, alarm in self.before]
        in_a_row = _in_a_row(alarms)
        better_there = False
        if drifted and champion and in_a_row > 1 and self.settings.promote_on_confirmed_drift:
            months = [rows[test.columns] for rows in self.landed[-in_a_row:]]
            held_out = pd.concat(months, ignore_index=True)
            held_out = held_out[held_out[PART] == TEST]
            found = len(held_out) > 1 and self._verdict(challenger, champion, held_out)
            better_there = found == "better"
        decision = decide(
            Situation(
                month=month,
                champion_month=champion.month if champion else None,
                verdict=verdict,
                quality_faults=self._faults(challenger, test),
                dataset_drifted=drifted,
                drift_confirmed=sum(alarms[-3:]) > 1,
                better_on_drifted_months=better_there,
                champion_age_months=challenger.number - champion.number if champion else 0,
                max_champion_age_months=self.settings.max_champion_age_months,
                champion_contract=contract.VERSION if champion else None,
            )
        )
        if decision.action == "held":
            self.played.held.append(challenger.number)
        return decision.promotes

    def _promoted(self, number: int, challenger: _Model, champion: _Model | None) -> None:
        """Record a promotion; it is right if the model is better on rows like this month's."""
        self.before = []
        if champion is None:
            return
        self.played.promotions.append(number)
        change = self.rehearsal.scenario.change(number, self.lunch_share)
        seed = int(self.rng.integers(2**31))
        rows = contract.codes(generate(_JUDGES, seed, change, self.rehearsal.pool))
        new, old = (predict_rows(m.booster, rows) for m in (challenger, champion))
        self.played.right += rmse(tips_of(rows), new) < rmse(tips_of(rows), old)

    def _verdict(self, challenger: _Model, champion: _Model, rows: pd.DataFrame) -> str:
        answers = (self._predict(model, rows) for model in (challenger, champion))
        return compare(tips_of(rows), *answers, **self.settings.comparison_options).verdict

    def _faults(self, challenger: _Model, test: pd.DataFrame) -> list[str]:
        train = challenger.window[challenger.window[PART] == TRAIN]
        rules = simple_baselines(train, test, self.settings.fixed_share)
        actual, mine = tips_of(test), self._predict(challenger, test)
        options: dict[str, Any] = {
            "confidence": self.settings.confidence,
            "seed": self.settings.seed,
        }
        share = compare(actual, mine, rules[FIXED_SHARE], **options).to_dict()
        against = {MEAN_TIP: {"rmse": rmse(actual, mine)}, FIXED_SHARE: share}
        return quality_faults({name: rmse(actual, rule) for name, rule in rules.items()}, against)

    def _predict(self, model: _Model, rows: pd.DataFrame) -> np.ndarray:
        """Predict rows once: several policies share a champion."""
        for known, predicted, answers in self.answers:
            if known is model and predicted is rows:
                return answers
        answers = predict_rows(model.booster, rows)
        self.answers.append((model, rows, answers))
        return answers

    def _nothing_measured(self) -> None:
        for errors in self.played.errors.values():
            errors.append(None)
        self.played.effects.append(None)
        self.played.limits.append(None)


def _in_a_row(alarms: list[bool]) -> int:
    return next((n for n, alarm in enumerate(reversed(alarms)) if not alarm), len(alarms))
