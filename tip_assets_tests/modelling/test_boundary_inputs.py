"""Nonsense is seen whatever a model's average error, and the registry is asked from outside."""

import dataclasses
import json

import dagster as dg
import mlflow
import numpy as np
import pytest

from tip_assets import contract
from tip_assets.modelling.boundary_inputs import (
    boundary_inputs,
    difference_facts,
    implausible,
    prediction_facts,
    unfaithful,
    unservable,
)
from tip_assets.modelling.search import best_of, search
from tip_assets.modelling.split import PART, TRAIN
from tip_assets.modelling.training import load_booster, predict_rows, read_report, train_booster
from tip_assets.settings import TRAINING_EXPERIMENT
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.registry import ModelRegistry
from tip_assets.tracking.runs import log_model, logged_model
from tip_assets.tracking.worker import FreshProcess

INPUTS = contract.decode(boundary_inputs())


@pytest.fixture(scope="module")
def best(rows, recipe):
    return best_of(search(rows[rows[PART] == TRAIN], recipe))


@pytest.fixture(scope="module")
def ubj(rows, recipe, best):
    return train_booster("2024-01", rows, best, recipe)


def test_the_boundary_inputs_are_every_corner_of_the_contract_and_nothing_that_it_refuses():
    categories = np.prod([len(column.categories) for column in contract.CATEGORIES])
    numbers = [column for column in contract.FEATURES if column in contract.NUMBERS]
    assert len(INPUTS.drop_duplicates()) == categories * 2 ** len(numbers) == len(INPUTS)
    assert contract.check(INPUTS, with_label=False).refused.empty
    for column in numbers:
        assert set(INPUTS[column.name]) == {column.minimum, column.maximum}


def test_a_sound_model_answers_the_boundary_inputs_plausibly(ubj):
    facts = prediction_facts(INPUTS, predict_rows(load_booster(ubj), boundary_inputs()))
    assert facts["not_finite"] == 0
    assert 0 < facts["lowest"]["usd"] < 1 < facts["highest"]["usd"] < 100
    assert implausible({"boundary": facts}) == []


def test_a_model_of_another_unit_answers_implausibly(rows, recipe, best):
    """Tips in dimes: plausible on every row of the month, nonsense on the dearest bills."""
    tip = contract.LABEL.name
    dimes = train_booster("2024-01", rows.assign(**{tip: rows[tip] * 10}), best, recipe)
    booster = load_booster(dimes)
    month = prediction_facts(contract.decode(rows), predict_rows(booster, rows))
    facts = prediction_facts(INPUTS, predict_rows(booster, boundary_inputs()))
    assert implausible({"test": month}) == []
    (fault,) = implausible({"boundary": facts})
    assert "USD for the boundary row total_bill 300" in fault
    assert fault.endswith("is not from 0 to 100 USD")


@pytest.mark.parametrize("nonsense", [np.nan, np.inf, -np.inf])
def test_answers_that_are_no_numbers_are_counted_apart(nonsense):
    predicted = np.linspace(0, 50, len(INPUTS))
    predicted[[7, 9]] = nonsense
    facts = prediction_facts(INPUTS, predicted)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert (facts["not_finite"], facts["highest"]["usd"]) == (2, 50)
    assert facts["first_not_finite"] == INPUTS.iloc[7].to_dict()
    (fault,) = implausible({"boundary": facts})
    assert fault.startswith(f"2 of {len(INPUTS)} boundary rows get no number")
    assert implausible({"boundary": prediction_facts(INPUTS, np.full(len(INPUTS), nonsense))})


@pytest.mark.parametrize(
    ("low", "high", "faults"), [(0, 100, 0), (-0.01, 100, 1), (0, 100.01, 1), (-1, 200, 2)]
)
def test_both_bounds_of_the_tip_are_plausible_and_nothing_beyond(low, high, faults):
    facts = prediction_facts(INPUTS, np.linspace(low, high, len(INPUTS)))
    assert len(implausible({"boundary": facts})) == faults


def test_a_difference_beyond_rounding_is_seen():
    expected = np.array([1.0, 2.0, np.nan, 4.0])
    assert unfaithful(difference_facts(expected, expected + 1e-7)) == []
    for found in ([1.0, 2.00001, np.nan, 4.0], [1.0, 2.0, 3.0, 4.0], [1.0, np.inf, np.nan, 4.0]):
        facts = difference_facts(expected, np.array(found))
        assert facts["different"] == 1
        assert json.dumps(facts, allow_nan=False)
        assert len(unfaithful(facts)) == 1


def test_a_version_without_predictions_at_the_boundary_cannot_serve():
    assert unservable({"version": 1}) == [
        "no predictions at the boundary inputs: materialize registered_model again"
    ]


@pytest.fixture(scope="module")
def tracking(tmp_path_factory, rows, recipe, best, ubj):
    """A registry whose version 1 is `ubj` and whose version 2 has twice as many rounds."""
    folder = tmp_path_factory.mktemp("registry")
    made = MlflowTracking(
        tracking_uri=f"sqlite:///{folder}/mlflow.db", artifact_root=str(folder), ui_url=""
    )
    registry = ModelRegistry(made.client)
    longer = dataclasses.replace(best, rounds=2 * best.rounds)
    mlflow.set_experiment(experiment_id=made.experiment_id(TRAINING_EXPERIMENT))
    for booster in (ubj, train_booster("2024-01", rows, longer, recipe)):
        with mlflow.start_run() as run:
            log_model(mlflow, read_report(booster), booster)
        run_id, fingerprint = run.info.run_id, read_report(booster).fingerprint
        source, model_id = logged_model(made, run_id, fingerprint)
        registry.register(source, run_id, model_id, {})
    return made


def test_a_version_is_asked_in_a_process_that_knows_only_the_registry(tracking, ubj, monkeypatch):
    expected = predict_rows(load_booster(ubj), boundary_inputs())

    def not_here(*_: object) -> None:
        raise AssertionError("asked in this process")

    monkeypatch.setattr(ModelRegistry, "predict", not_here)
    wanted = {"fresh_process": FreshProcess(tracking_uri=tracking.tracking_uri)}
    with dg.build_resources(wanted) as resources:
        process = resources.fresh_process
        same, other = (process.predict(number, INPUTS).result() for number in (1, 2))
        with pytest.raises(Exception, match=r"version=3\) not found"):
            process.predict(3, INPUTS).result()
    facts = difference_facts(expected, same)
    assert facts == {"rows": len(INPUTS), "different": 0, "largest_difference_usd": 0.0}
    assert unfaithful(difference_facts(expected, other))
