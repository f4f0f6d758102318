"""Control charts see real changes, stay silent otherwise, and say what they could have seen."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.drift import History, months_until_alarm
from tip_assets import contract
from tip_assets.drift.alarm import (
    ONE_MONTH,
    TWO_OF_THREE,
    judge,
    judge_month,
    limit_for,
    verdict,
)
from tip_assets.drift.charts import (
    ADJUSTED_BILL,
    ADJUSTED_TIP,
    Effect,
    adjusted_z,
    effects,
    log_bill,
    proportion_z,
    rank_z,
    share_z,
)
from tip_assets.drift.datasets import Datasets
from tip_assets.drift.value_counts import ValueCounts
from tip_assets.ingestion.simulate import UNCHANGED, Change, generate

numbers = st.lists(st.integers(0, 9), min_size=3, max_size=40)


def predicted(records: pd.DataFrame) -> pd.DataFrame:
    return records.assign(prediction=0.15 * records[contract.BILL])


def charts_of(change: Change, before=(), rows=(244, 60), seed=1):
    reference = predicted(generate(rows[0], seed, UNCHANGED))
    current = predicted(generate(rows[1], seed + 1, change))
    found = judge_month(Datasets(reference, current, ""), list(before), quiet_months_per_alarm=120)
    return {chart.chart: chart for chart in found}


@given(numbers, numbers)
def test_the_rank_effect_is_mann_whitneys(reference, current):
    mine = rank_z(*(ValueCounts.of(pd.Series(side)) for side in (reference, current)))
    if len({*reference, *current}) == 1:
        assert mine == 0
        return
    theirs = stats.mannwhitneyu(current, reference, method="asymptotic", use_continuity=False)
    assert 2 * stats.norm.sf(abs(mine)) == pytest.approx(theirs.pvalue, abs=1e-9)


def test_the_share_effect_is_the_pooled_z_of_two_proportions():
    """29 of 244 against 15 of 60, by hand: pooled 44/304, with the variance of dealt ranks."""
    pooled = 44 / 304
    error = np.sqrt(pooled * (1 - pooled) * 304 / 303 * (1 / 244 + 1 / 60))
    assert share_z(29 / 244, 244, 15 / 60, 60) == pytest.approx((15 / 60 - 29 / 244) / error)
    assert share_z(0, 244, 0, 60) == share_z(1, 244, 1, 60) == 0


@given(st.integers(0, 200), st.integers(0, 60))
def test_the_effect_of_a_category_is_exact_where_it_is_rare(reference, current):
    """Its tail is Fisher's, so that the skewed counts of a rare day give no false alarms."""
    sides = (
        ValueCounts(np.array(["Fri", "Sat"], object), np.array([count, rows - count]))
        for count, rows in ((reference, 200), (current, 60))
    )
    z = proportion_z("Fri", *sides)
    tail = stats.fisher_exact(
        [[current, 60 - current], [reference, 200 - reference]],
        alternative="greater" if z > 0 else "less",
    ).pvalue
    # Half of the probability of the table itself is left out (mid-p).
    assert 0 <= tail - stats.norm.sf(abs(z)) <= tail / 2 + 1e-12


def test_the_adjusted_effect_is_the_t_of_the_month_in_least_squares():
    rng = np.random.default_rng(2)
    covariates = rng.normal(size=(90, 2))
    value = covariates @ [1.0, -2.0] + rng.normal(size=90)
    month = np.arange(90) >= 60
    value[month] += 0.7
    design = np.column_stack([np.ones(90), covariates, month])
    line, squares, *_ = np.linalg.lstsq(design, value, rcond=None)
    error = np.sqrt(squares[0] / 86 * np.linalg.inv(design.T @ design)[3, 3])
    mine = adjusted_z(value[~month], covariates[~month], value[month], covariates[month])
    assert mine == pytest.approx(line[3] / error)


def test_a_month_that_its_covariates_explain_has_no_effect():
    """All lunches in the month and none in the reference: nobody can tell prices from meals."""
    rng = np.random.default_rng(4)
    sides = [(rng.normal(3, 0.4, rows), np.full((rows, 1), at)) for rows, at in ((200, 0), (60, 1))]
    assert adjusted_z(*sides[0], *sides[1]) == 0


@pytest.mark.parametrize("correlation", [0.03, 0.2])
def test_a_limit_gives_the_wished_number_of_quiet_months(correlation):
    """Played with normal deviates: many references, each with months until its first alarm."""
    charts, wished, references = 12, 60, 1_000
    limit = limit_for(charts, wished, correlation)
    rng = np.random.default_rng(1)
    shift = np.sqrt(correlation) * rng.normal(size=(references, 1, charts))
    z = shift + np.sqrt(1 - correlation) * rng.normal(size=(references, 700, charts))
    alarms = np.abs(z) > limit
    for side in (1, -1):
        beyond = side * z > limit - 1
        for months in (1, 2):
            alarms[:, months:] |= beyond[:, months:] & beyond[:, :-months]
    first = alarms.any(axis=2)
    assert first.any(axis=1).mean() > 0.99
    assert (first.argmax(axis=1) + 1).mean() == pytest.approx(wished, rel=0.08)
    assert limit < limit_for(charts, 120, correlation) < limit_for(30, 120, correlation)
    # A month that is much larger than its reference alarms no more often than others.
    assert limit_for(charts, wished, 0.99) == limit_for(charts, wished, 0.0)


@pytest.mark.parametrize(
    ("before", "z", "alarm"),
    [
        ([], 3.6, ONE_MONTH),
        ([], 3.4, None),
        ([2.6], 2.6, TWO_OF_THREE),
        ([2.6, 0.0], -2.6, None),
        ([2.6, 0.0], 2.6, TWO_OF_THREE),
        ([2.6, 0.0, 0.0], 2.6, None),
        ([3.0, 3.0], 2.4, None),
    ],
)
def test_a_chart_alarms_far_out_once_or_less_far_twice_in_three_months(before, z, alarm):
    months = [{"tip": value} for value in before]
    assert (
        judge([Effect("tip", "tip", z)], months, limit=3.5, smallest_changes={})[0].alarm == alarm
    )


@pytest.mark.parametrize(
    ("change", "chart"),
    [
        (Change(prices=2), ADJUSTED_BILL),
        (Change(prices=2), contract.LABEL.name),
        (Change(generosity=1.5), ADJUSTED_TIP),
        (Change(lunch_share=0.8), f"{contract.MEAL} {contract.LUNCH}"),
        (Change(larger_parties=1), contract.PARTY),
    ],
)
def test_each_kind_of_change_shows_on_its_chart(change, chart):
    found = charts_of(change)
    assert found[chart].alarm == ONE_MONTH
    assert found[chart].z > 0
    assert found[chart].column in verdict(list(found.values()))


def test_more_lunches_are_no_change_of_prices():
    """Lunches are cheaper; given party size and meal, bills are what they were."""
    found = charts_of(Change(lunch_share=0.95), rows=(2000, 500))
    assert found[contract.BILL].alarm
    assert not found[ADJUSTED_BILL].alarm


def test_a_category_that_the_reference_lacks_gets_a_chart_and_alarms():
    reference = predicted(generate(244, 1, UNCHANGED))
    current = predicted(generate(60, 2, UNCHANGED)).assign(day="Mon")
    found = {effect.chart: effect.z for effect in effects(reference, current)}
    assert found["day Mon"] > 10


def test_a_month_says_what_it_would_have_seen_and_sees_it():
    """The stated change is seen in about four of five months, on its own chart alone."""
    chart = charts_of(UNCHANGED, rows=(2000, 250))[ADJUSTED_BILL]
    assert chart.smallest_change is not None
    factor = 1 + float(chart.smallest_change.split()[1].rstrip("%")) / 100
    reference = log_bill(generate(2000, 1, UNCHANGED))
    months = (log_bill(generate(250, seed, Change(prices=factor))) for seed in range(100, 200))
    seen = [adjusted_z(*reference, *month) > chart.limit for month in months]
    assert 0.6 < np.mean(seen) < 0.95


def test_quiet_months_rarely_alarm_and_changed_ones_soon():
    """A small version of `benchmarks/drift.py`; a limit that is half a unit off breaks it."""
    quiet = [months_until_alarm(History(244, 60, UNCHANGED, seed), cap=30) for seed in range(12)]
    assert sum(month <= 30 for month in quiet) <= 6
    for change in (Change(prices=1.2), Change(generosity=1.2)):
        seen = [months_until_alarm(History(244, 60, change, seed), cap=9) for seed in range(20)]
        assert np.mean(seen) < 2
