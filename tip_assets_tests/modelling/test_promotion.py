"""Comparison and promotion: honest about evidence, on generated months as in the benchmark."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from benchmarks.promotion import RESEEDED, SHARE, judge_pair
from tip_assets import contract
from tip_assets.modelling.comparison import MIN_ROWS, Comparison, compare
from tip_assets.modelling.promotion import Situation, decide, quality_faults

SECOND = Situation(
    "2024-02", "2024-01", "not enough evidence", [], False, False, False, 1, 6, contract.VERSION
)
FOUND = Comparison(
    rmse=0.9,
    rival_rmse=1.0,
    low=-0.2,
    high=-0.011,
    rows=41,
    confidence=0.95,
    min_improvement=0.01,
    margin=0.05,
    power=0.2,
)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "better"),
        ({"high": -0.009}, "not worse"),
        ({"high": 0.049}, "not worse"),
        ({"high": 0.051}, "not enough evidence"),
        ({"low": 0.01, "high": 0.2}, "worse"),
        ({"low": 0.01, "high": 0.04}, "not worse"),
        ({"low": 0.01, "high": 0.04, "margin": 0.0}, "worse"),
        ({"rows": MIN_ROWS - 1}, "too few rows"),
    ],
)
def test_a_verdict_needs_rows_a_whole_interval_and_an_effect(change, verdict):
    assert dataclasses.replace(FOUND, **change).verdict == verdict


def test_an_identical_model_is_never_better():
    """The rule `promote if RMSE <=` promotes an identical recipe every second time."""
    rng = np.random.default_rng(1)
    actual = rng.gamma(4, 1, 49)
    predicted = actual + rng.normal(0, 1, 49)
    same = compare(actual, predicted, predicted.copy(), confidence=0.95, seed=1)
    assert (same.difference, same.verdict) == (0.0, "not enough evidence")


@pytest.mark.parametrize("rows", [200, 2_000])
def test_a_clear_difference_is_seen_both_ways(rows):
    rng = np.random.default_rng(2)
    actual = rng.gamma(4, 1, rows)
    good, poor = actual + rng.normal(0, 0.5, rows), actual + rng.normal(0, 1.5, rows)
    better = compare(actual, good, poor, confidence=0.95, seed=1)
    assert better.verdict == "better"
    assert better.low < better.difference < better.high
    assert compare(actual, poor, good, confidence=0.95, seed=1).verdict == "worse"


def test_the_interval_ends_where_the_sign_flip_test_begins_to_reject():
    """The p-value at both ends, by flipping all signs of few rows."""
    rng = np.random.default_rng(3)
    actual = rng.gamma(4, 1, 12)
    mine, other = (actual + rng.normal(0, spread, 12) for spread in (0.8, 1.0))
    signs = 1 - 2 * ((np.arange(2**12)[:, None] >> np.arange(12)) & 1)

    def share_as_far(end: float) -> float:
        ratio = end / found.rival_rmse + 1
        sums = signs @ ((mine - actual) ** 2 - ratio**2 * (other - actual) ** 2)
        return float(min(np.mean(sums <= sums[0]), np.mean(sums >= sums[0])))

    found = compare(actual, mine, other, confidence=0.9, seed=1)
    assert share_as_far(found.low) == pytest.approx(0.05, abs=0.015)
    assert share_as_far(found.high) == pytest.approx(0.05, abs=0.015)


@pytest.fixture(scope="module")
def judged() -> pd.DataFrame:
    """A small version of `python -m benchmarks.promotion`: 41 held-out rows."""
    pairs = [judge_pair(number, held_out=41, months=50, bootstrap=True) for number in range(6)]
    return pd.concat(pairs).set_index("rival")


def test_the_same_recipe_with_another_seed_is_seldom_better(judged):
    assert (judged.loc[RESEEDED, "verdict"] == "better").mean() <= 0.025


def test_intervals_hold_the_real_difference_where_the_bootstrap_does_not(judged):
    assert judged.loc[[RESEEDED, SHARE], "covered"].mean() >= 0.93
    share = judged.loc[SHARE]
    assert share["covered"].mean() > share["bootstrap_covered"].astype(float).mean() + 0.02


def test_a_model_is_found_better_as_often_as_the_verdict_says(judged):
    better = judged.loc["10%"]
    found = (better["verdict"] == "better").mean()
    assert found == pytest.approx(better["power"].mean(), abs=0.06)


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({"champion_month": None, "verdict": None, "champion_contract": None}, "promoted"),
        ({"champion_month": None, "verdict": None, "quality_faults": ["poor"]}, "held"),
        ({}, "kept"),
        ({"verdict": "better"}, "promoted"),
        ({"verdict": "worse"}, "kept"),
        ({"verdict": "not worse"}, "kept"),
        ({"verdict": "not worse", "drift_confirmed": True}, "promoted"),
        ({"verdict": "not worse", "champion_age_months": 7}, "promoted"),
        ({"verdict": "not worse", "champion_age_months": 6}, "kept"),
        ({"drift_confirmed": True, "champion_age_months": 7}, "kept"),
        ({"verdict": "worse", "drift_confirmed": True}, "kept"),
        ({"verdict": "too few rows", "champion_age_months": 7}, "kept"),
        ({"verdict": "better", "dataset_drifted": True}, "held"),
        ({"dataset_drifted": True, "better_on_drifted_months": True}, "promoted"),
        ({"verdict": "better", "champion_month": "2024-03"}, "kept"),
        ({"verdict": None, "champion_contract": "0.9"}, "held"),
    ],
)
def test_promotion_follows_the_rule(change, action):
    assert decide(dataclasses.replace(SECOND, **change)).action == action


def test_a_kept_champion_says_what_the_month_could_have_shown():
    situation = dataclasses.replace(SECOND, power_note=FOUND.power_note)
    words = "with 41 rows a model that is 10 % better is found better in 20 % of months"
    assert decide(situation).reason.endswith(words)
    assert FOUND.to_dict()["power_words"] == words  # the key that earlier releases have stored
    few = dataclasses.replace(situation, verdict="too few rows")
    assert decide(few).reason == "fewer than 40 held-out rows cannot show which model is better"


def test_a_person_releases_a_held_model_but_never_an_older_one():
    held = dataclasses.replace(SECOND, dataset_drifted=True)
    decision = decide(held, "prices rose on purpose")
    assert (decision.action, decision.promotes) == ("released", True)
    assert "prices rose on purpose" in decision.reason
    other = dataclasses.replace(SECOND, verdict=None, champion_contract="0.9")
    assert "made for contract 0.9" in decide(other).reason
    assert decide(other, "the new contract is in use").promotes
    older = dataclasses.replace(held, champion_month="2024-03")
    assert not decide(older, "anyway").promotes


def test_a_model_no_better_than_the_mean_tip_is_too_poor():
    rules = {"mean_tip": 1.2, "fixed_share": 1.0}
    against = {
        "mean_tip": {"rmse": 1.3, "verdict": "not enough evidence"},
        "fixed_share": {"rmse": 1.3, "verdict": "worse"},
    }
    assert len(quality_faults(rules, against)) == 2
    sound = {name: facts | {"rmse": 1.1, "verdict": "better"} for name, facts in against.items()}
    assert quality_faults(rules, sound) == []
