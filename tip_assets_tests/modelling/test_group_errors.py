"""A group is called worse when chance does not explain its error, at any number of rows."""

import itertools
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from tip_assets import contract
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.modelling import group_errors as module
from tip_assets.modelling.evaluation import LEAST_SQUARES, baselines
from tip_assets.modelling.group_errors import LEAST_ROWS, GroupError, group_errors

COLUMN = contract.CATEGORIES[0]
MEMBER, OTHER = COLUMN.categories[:2]


def measured(errors: np.ndarray, members: int, seed: int = 0) -> dict[str, GroupError]:
    """The groups of one column, of which the first rows belong to MEMBER; by name."""
    rows = len(errors)
    records = pd.DataFrame({c.name: [c.categories[0]] * rows for c in contract.CATEGORIES})
    records[contract.BILL] = 20.0
    records[COLUMN.name] = [MEMBER] * members + [OTHER] * (rows - members)
    found = group_errors(records, np.zeros(rows), errors, confidence=0.95, seed=seed)
    assert {group.column for group in found} <= {COLUMN.name}, "a group of all rows says nothing"
    return {group.group: group for group in found}


def test_the_interval_is_that_of_all_ways_to_draw_the_group():
    """Five of ten rows can be drawn in 252 ways: every one is looked at."""
    errors = np.random.default_rng(1).standard_t(3, 10)
    draws = [np.sqrt(np.mean(np.square(d))) for d in itertools.combinations(errors, 5)]
    low, high = np.quantile(draws, [0.0125, 0.9875])
    group = measured(errors, 5)[MEMBER]
    assert group.rmse == pytest.approx(np.sqrt(np.mean(errors[:5] ** 2)))
    assert (group.low, group.high) == (pytest.approx(low, abs=0.05), pytest.approx(high, abs=0.05))
    assert group.rows == 5


def test_a_group_with_larger_errors_is_worse_and_the_others_better():
    errors = np.random.default_rng(2).normal(size=300) * np.repeat([2.0, 1.0], [100, 200])
    found = measured(errors, 100)
    assert found[MEMBER].is_worse
    assert found[OTHER].is_better
    assert [group.to_dict()["outside"] for group in found.values()] == [True, True]


def test_without_an_effect_groups_are_inside_nearly_always():
    rng = np.random.default_rng(3)
    found = [measured(rng.standard_t(4, 60), 20, seed) for seed in range(100)]
    outside = sum(any(g.to_dict()["outside"] for g in groups.values()) for groups in found)
    assert outside <= 12  # 5 are expected; more than 12 of 100 come once in 600 times


def test_in_quiet_months_at_most_one_in_twenty_has_a_worse_group():
    """Groups differ in their bills, and errors grow with them: in dollars, some group was worse in
    6 of these 20 months.
    """
    worse, months = 0, 20
    for seed in range(months):
        records = generate(1_200, seed, UNCHANGED)
        train, test = records.iloc[:200], records.iloc[200:]
        predicted = baselines(train, test, 0.15)[LEAST_SQUARES]
        found = group_errors(
            test, test[contract.LABEL.name].to_numpy(), predicted, confidence=0.95, seed=seed
        )
        worse += any(group.is_worse for group in found)
    assert worse <= months / 20


def test_the_same_seed_gives_the_same_interval():
    errors = np.random.default_rng(4).normal(size=50)
    assert measured(errors, 20) == measured(errors, 20)
    assert measured(errors, 20) != measured(errors, 20, seed=1)


@pytest.mark.parametrize("members", [100, 2_000, 3_800])
def test_a_month_too_large_to_be_drawn_whole_gets_the_same_interval(monkeypatch, members):
    errors = np.random.default_rng(5).standard_t(5, 4_000)
    exact = measured(errors, members)[MEMBER]
    monkeypatch.setattr(module, "MOST_DRAWN", 500)
    drawn = measured(errors, members)[MEMBER]
    width = exact.high - exact.low
    assert drawn.low == pytest.approx(exact.low, abs=0.1 * width)
    assert drawn.high == pytest.approx(exact.high, abs=0.1 * width)


def test_memory_does_not_grow_with_the_number_of_draws():
    errors = np.random.default_rng(6).normal(size=200_000)
    tracemalloc.start()
    measured(errors, 50_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_small_groups_and_groups_of_all_rows_are_left_out():
    errors = np.random.default_rng(7).normal(size=30)
    assert measured(errors, LEAST_ROWS - 1).keys() == {OTHER}
    assert measured(errors, 30) == {}


def test_the_last_digits_of_a_sum_put_no_group_outside():
    """All rows but the best: no other draw of as many is worse, and chance explains that."""
    errors = np.array([0.1, *np.random.default_rng(8).uniform(1, 2, 28)])
    assert not measured(errors[::-1], 28)[MEMBER].is_worse
