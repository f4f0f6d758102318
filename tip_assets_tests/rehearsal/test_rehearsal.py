"""A rehearsal plays the platform's rules, and the same seed gives the same answer."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from tip_assets import contract
from tip_assets.cli import app
from tip_assets.ingestion.simulate import UNCHANGED, sample_records
from tip_assets.rehearsal.page import page
from tip_assets.rehearsal.play import ALWAYS, Rehearsal, play
from tip_assets.rehearsal.results import results_of, table
from tip_assets.rehearsal.scenario import Scenario, UnknownScenario
from tip_assets.settings import Settings

QUIET = Rehearsal(sample_records(), Scenario(), months=4, rows=60, settings=Settings())


def with_scenario(*words: str, months: int = 4, rows: int = 60) -> Rehearsal:
    return replace(QUIET, scenario=Scenario.parse(words), months=months, rows=rows)


def test_scenarios_are_parsed():
    scenario = Scenario.parse(["quiet", "prices:+20%@7", "tips:-10%@5", "mix:lunch+15@4"])
    assert scenario.first_change == 4
    assert scenario.change(3, 0.28) == UNCHANGED
    assert scenario.change(4, 0.28).lunch_share == pytest.approx(0.43)
    late = scenario.change(12, 0.28)
    assert (late.prices, late.generosity) == (pytest.approx(1.2), pytest.approx(0.9))
    other = Scenario.parse(["outage@6", "dirty:10%@3"])
    assert [other.has_outage(month) for month in (5, 6, 7)] == [False, True, False]
    assert [other.refused_share(month) for month in (2, 3, 4)] == [0, 0.1, 0]


@pytest.mark.parametrize("words", ["prices@3", "prices:+20%", "outage:3@4", "dearer:+20%@3", ""])
def test_an_unknown_scenario_is_refused_with_the_known_forms(words):
    with pytest.raises(UnknownScenario, match=r"use quiet, prices:\+20%@7"):
        Scenario.parse([words])


def test_the_same_seed_plays_the_same_history_and_draws_the_same_page():
    first, again, other = play(QUIET, 1), play(QUIET, 1), play(QUIET, 2)
    assert first == again
    assert first.errors != other.errors
    pages = [page(QUIET, "quiet", [p], results_of(QUIET, [p])) for p in (first, again, other)]
    assert pages[0] == pages[1] != pages[2]


def test_a_change_of_prices_is_seen_and_holds_the_promotion():
    rehearsal = with_scenario("prices:+100%@3", rows=120)
    played = play(rehearsal, 1)
    assert 3 in played.alarms
    assert 3 in played.held
    results = results_of(rehearsal, [played])
    assert (results.seen, results.months_until_seen.mean) == (1.0, 1.0)


def test_months_that_do_not_land_or_are_dirty_measure_nothing():
    rehearsal = with_scenario("outage@2", "dirty:40%@3")
    played = play(rehearsal, 1)
    assert played.stopped == [3]
    assert [effect is None for effect in played.effects] == [False, True, True, False]
    assert all(len(played.errors[policy]) == 4 for policy in rehearsal.policies)


def test_a_poisoned_month_has_tips_that_are_several_times_too_high():
    scenario, records = Scenario.parse(["poison@2"]), sample_records()
    rng = np.random.default_rng(0)
    assert scenario.poison(records, 1, rng).equals(records)
    tips = scenario.poison(records, 2, rng)[contract.LABEL.name]
    assert 0.15 < (tips > 2 * records[contract.LABEL.name]).mean() < 0.45


def test_never_and_always_are_what_they_say_and_all_have_the_same_months():
    played = play(QUIET, 3)
    first, *later = played.errors["never"]
    assert first is None  # nobody serves the first month
    assert played.errors["always"][1] == later[0]  # the first model serves the second month
    assert "fixed, not searched" in dict(table(QUIET, results_of(QUIET, [played])))["parameters"]


def test_one_policy_is_compared_on_the_same_histories():
    one = replace(QUIET, compared=(ALWAYS,))
    histories, all_policies = [play(one, seed) for seed in (1, 2)], play(QUIET, 1)
    assert histories[0].errors == {name: all_policies.errors[name] for name in one.policies}
    found, rows = results_of(one, histories), dict(table(one, results_of(one, histories)))
    assert found.differences[ALWAYS].mean == pytest.approx(
        found.errors["the rule"].mean - found.errors[ALWAYS].mean
    )
    assert "rule minus always" in rows
    assert "rule minus never" not in rows


def test_the_command_answers_in_one_screen_and_a_page(tmp_path, monkeypatch):
    monkeypatch.setenv("TIPS_STORAGE", str(tmp_path / "data"))
    options = ["--months", "3", "--histories", "2", "--output", str(tmp_path / "page.html")]
    setting = ["--set", "TIPS_MIN_IMPROVEMENT=0.02"]
    done = CliRunner().invoke(app, ["rehearse", *options, *setting])
    assert done.exit_code == 0, done.output
    assert "2 histories of 3 months of 60 rows" in done.output
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    for wrong in (["--set", "TIPS_MEAN=3"], ["--compare", "sometimes"]):
        assert CliRunner().invoke(app, ["rehearse", *options, *wrong]).exit_code != 0
