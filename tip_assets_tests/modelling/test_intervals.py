"""Intervals hold as many tips as they say: over all bills, on cheap ones and on dear ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tip_assets import contract
from tip_assets.assets.transformed_tips import transform
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.modelling.intervals import HeldOutErrors, held_out_errors, rows_needed
from tip_assets.modelling.search import booster_parameters, set_attributes, training_matrix
from tip_assets.modelling.training import predict_rows, tips_of

DRAWS, HELD_OUT_ROWS, NEW_ROWS = 400, 60, 400


def bills(rows):
    return rows[contract.BILL].to_numpy(float)


@pytest.fixture(scope="module", params=["tip_above_share", "tip_rate", "tip"])
def predicted_rows(request, recipe):
    """Many generated bills that a booster has not seen, with tips and predictions in dollars."""
    import xgboost as xgb

    rows = transform(contract.check(generate(30_000, 5, UNCHANGED)).accepted)
    train, unseen = rows.iloc[:400], rows.iloc[400:]
    parameters = {"max_depth": 2, "learning_rate": 0.05, "min_child_weight": 10, "reg_lambda": 5}
    matrix = training_matrix(train, request.param)
    booster = xgb.train(booster_parameters(parameters, recipe), matrix, num_boost_round=80)
    set_attributes(booster, train, 80, request.param)
    return tips_of(unseen), predict_rows(booster, unseen), bills(unseen)


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_intervals_hold_the_share_of_tips_that_they_say(predicted_rows, coverage):
    """Held-out rows and new bills are drawn anew each time; the share is right on the average."""
    actual, predicted, bill = predicted_rows
    rng, quarters = np.random.default_rng(7), np.quantile(bill, [0.25, 0.5, 0.75])
    held, of_quarter = [], []
    for _ in range(DRAWS):
        drawn = rng.choice(len(actual), HELD_OUT_ROWS + NEW_ROWS, replace=False)
        old, new = drawn[:HELD_OUT_ROWS], drawn[HELD_OUT_ROWS:]
        errors = held_out_errors(actual[old], predicted[old], bill[old])
        low, high = errors.around(predicted[new], bill[new], coverage)
        held.append((low <= actual[new]) & (actual[new] <= high))
        of_quarter.append(np.digitize(bill[new], quarters))
    everything = np.concatenate(held)
    # The ranks are whole numbers: with 60 rows the exact share is a little above what is said.
    assert coverage - 0.01 < everything.mean() < coverage + 0.03
    for quarter in range(4):
        of_these = everything[np.concatenate(of_quarter) == quarter].mean()
        assert abs(of_these - coverage) < 0.06


@given(
    st.lists(st.floats(-0.3, 0.6), min_size=1, max_size=60),
    st.floats(0.5, 0.99),
    st.floats(0.01, 300),
)
def test_an_interval_is_within_the_contract_and_wide_open_when_rows_are_few(scaled, coverage, bill):
    errors = held_out_errors(np.array(scaled), np.zeros(len(scaled)), np.ones(len(scaled)))
    low, high = errors.around(np.array([0.15 * bill]), np.array([bill]), coverage)
    assert contract.LABEL.minimum <= low[0] <= high[0] <= contract.LABEL.maximum
    if len(scaled) < rows_needed(coverage):
        assert (low[0], high[0]) == (contract.LABEL.minimum, contract.LABEL.maximum)


def test_of_many_rows_few_are_kept_and_give_the_same_interval():
    rng = np.random.default_rng(3)
    scaled = rng.gamma(2, 0.02, 100_000) - 0.04
    errors = held_out_errors(scaled, np.zeros(100_000), np.ones(100_000))
    assert errors.rows == 100_000
    assert len(errors.to_json()) < 25_000
    assert HeldOutErrors.from_json(errors.to_json()) == errors
    low, high = errors.around(np.array([10.0]), np.array([50.0]), 0.9)
    exact = 10 + 50**errors.power * np.quantile(scaled, [0.05, 0.95])
    assert [low[0], high[0]] == pytest.approx(exact, abs=0.005)
    # Rather too wide than too narrow.
    assert low[0] <= exact[0] + 1e-5
    assert high[0] >= exact[1] - 1e-5
