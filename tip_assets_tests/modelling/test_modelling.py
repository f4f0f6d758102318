"""Search and training: reproducible, and measured beside simple rules."""

import dataclasses
import hashlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pandas as pd
import pytest
from upath import UPath

from tip_assets import contract
from tip_assets.modelling import recipe as recipe_module
from tip_assets.modelling import search as search_module
from tip_assets.modelling import served_model
from tip_assets.modelling.evaluation import baselines, quality
from tip_assets.modelling.recipe import Recipe, recipe_for
from tip_assets.modelling.search import Trial, best_of, search, training_matrix
from tip_assets.modelling.served_model import predict_dollars
from tip_assets.modelling.split import PART, TEST, TRAIN
from tip_assets.modelling.training import (
    load_booster,
    predict_rows,
    read_report,
    tips_of,
    train_booster,
)
from tip_assets.runtime.io_managers import ParquetFiles
from tip_assets.runtime.storage import write_atomically
from tip_assets.serving import champion
from tip_assets.settings import Settings
from tip_assets.tracking.registry import (
    BOOSTER,
    MONTH,
    RECIPE,
    ModelRegistry,
    ModelVersion,
)


@pytest.fixture(scope="module")
def trials(rows, recipe):
    return search(rows[rows[PART] == TRAIN], recipe)


@pytest.fixture(scope="module")
def ubj(rows, recipe, trials):
    return train_booster("2024-01", rows, best_of(trials), recipe)


def test_the_same_recipe_gives_the_same_trials_and_the_same_bytes(rows, recipe, trials, ubj):
    """The original search was unseeded."""
    handed: list[Trial] = []
    again = search(rows[rows[PART] == TRAIN], recipe, made=handed.append)
    assert handed == again
    assert again == trials
    assert train_booster("2024-01", rows, best_of(again), recipe) == ubj


def test_another_seed_searches_elsewhere(rows, recipe, trials):
    other = dataclasses.replace(recipe, seed=recipe.seed + 1)
    assert search(rows[rows[PART] == TRAIN], other)[0].parameters != trials[0].parameters


@pytest.mark.parametrize("space", ["depth_2", "shallow", "original"])
@pytest.mark.parametrize("target", ["tip_above_share", "tip_rate", "tip"])
def test_every_space_and_target_trains_a_model_in_dollars(rows, recipe, space, target):
    chosen = dataclasses.replace(recipe, search_space=space, target=target, trials=2)
    trials = search(rows[rows[PART] == TRAIN], chosen)
    low, high = {"depth_2": (2, 2), "shallow": (1, 4), "original": (4, 100)}[space]
    assert all(low <= trial.parameters["max_depth"] <= high for trial in trials)
    report = read_report(train_booster("2024-01", rows, best_of(trials), chosen))
    assert 0.5 < report.test["rmse"] < 1.6


def test_trials_beyond_the_random_start_differ_from_random_search(rows, recipe):
    """Hyperopt's TPE draws twenty points at random first: ten trials never leave that."""
    import hyperopt

    train = rows[rows[PART] == TRAIN]
    guided = search(train, dataclasses.replace(recipe, trials=22))
    drawn = []
    hyperopt.fmin(
        lambda point: drawn.append(dict(point)) or float(len(drawn)),
        search_module._space(recipe.search_space),
        algo=hyperopt.tpe.suggest,
        max_evals=22,
        rstate=np.random.default_rng(recipe.seed),
        show_progressbar=False,
        verbose=False,
    )
    same = [trial.parameters == point for trial, point in zip(guided, drawn, strict=True)]
    assert same[:20] == [True] * 20
    assert same[20:] == [False] * 2


def test_the_weighted_error_of_the_rate_is_the_error_of_the_tip(rows):
    matrix = training_matrix(rows, "tip_rate")
    bill = rows[contract.BILL].to_numpy()
    rate = 0.15
    in_rate = matrix.get_weight() * (matrix.get_label() - rate) ** 2
    in_dollars = (rows["tip"] - rate * bill) ** 2 / np.mean(bill**2)
    np.testing.assert_allclose(in_rate, in_dollars, rtol=1e-3, atol=1e-6)


def test_prediction_stops_at_the_best_iteration(rows, recipe):
    """The original system stopped early and then used all trees."""
    best = Trial(1, {"max_depth": 2.0, "learning_rate": 0.3}, 1.0, 0.0, 30)
    booster = load_booster(train_booster("2024-01", rows, best, recipe))
    all_trees = predict_rows(booster, rows)
    booster.set_attr(best_iteration="4")
    features = rows[contract.FEATURE_NAMES].astype("float32")
    bill = rows[contract.BILL].to_numpy(float)
    expected = booster[:5]
    expected.set_attr(best_iteration="4", margin_share=booster.attr("margin_share"))
    five_trees = predict_dollars(expected, features, bill, recipe.target)
    np.testing.assert_allclose(predict_rows(booster, rows), five_trees, rtol=1e-6)
    assert np.abs(five_trees - all_trees).max() > 0.01


@pytest.mark.parametrize("target", ["tip_above_share", "tip_rate"])
def test_rows_predicted_in_blocks_get_the_same_answers(rows, recipe, monkeypatch, target):
    best = Trial(1, {"max_depth": 2.0, "learning_rate": 0.3}, 1.0, 0.0, 10)
    booster = load_booster(
        train_booster("2024-01", rows, best, dataclasses.replace(recipe, target=target))
    )
    at_once = predict_rows(booster, rows)
    monkeypatch.setattr(served_model, "_ROWS_AT_ONCE", 100)
    assert len(rows) % 100
    np.testing.assert_array_equal(predict_rows(booster, rows), at_once)
    assert len(predict_rows(booster, rows.head(0))) == 0


def test_the_report_in_the_booster_is_true(rows, ubj, recipe, trials):
    report = read_report(ubj)
    test = rows[rows[PART] == TEST]
    error = predict_rows(load_booster(ubj), test) - tips_of(test)
    assert report.test["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert report.test["mean_error"] == pytest.approx(error.mean())
    assert report.baselines["mean_tip"] == pytest.approx(
        np.sqrt(np.mean((tips_of(test) - rows[rows[PART] == TRAIN]["tip"].mean()) ** 2))
    )
    assert report.rounds == best_of(trials).rounds
    assert report.cross_validated_rmse == min(trial.rmse for trial in trials)
    assert Recipe(**report.recipe) == recipe
    assert sum(report.importances.values()) == pytest.approx(1)


def test_too_few_rows_give_a_clear_error(rows, recipe):
    with pytest.raises(ValueError, match="3 different training rows are too few"):
        search(pd.concat([rows.head(3)] * 9), recipe)


def test_a_recipe_names_what_differs(rows):
    mine = recipe_for(rows, **Settings(trials=4).recipe_options)
    changed = rows.copy()
    changed.loc[0, "tip"] += 0.01
    other = recipe_for(changed, **Settings(trials=5).recipe_options)
    names = [line.split(":")[0] for line in mine.differences(other)]
    assert names == ["data 2024-01", "trials"]
    assert mine.fingerprint != other.fingerprint


@pytest.fixture
def version_of_edited(tmp_path, monkeypatch):
    """Give the code version of a copy of the package in which one text is another."""
    package = Path(contract.__file__).parent
    copy = tmp_path / "tip_assets"

    def edited(module: str, old: str, new: str) -> str:
        shutil.copytree(package, copy, dirs_exist_ok=True)
        source = (package / module).read_text("utf-8")
        assert old in source
        (copy / module).write_text(source.replace(old, new), "utf-8")
        monkeypatch.setattr(recipe_module, "__file__", str(copy / "modelling" / "recipe.py"))
        recipe_module.code_version.cache_clear()
        return recipe_module.code_version()

    yield edited
    monkeypatch.undo()
    recipe_module.code_version.cache_clear()


@pytest.mark.parametrize(
    ("module", "old", "new", "same"),
    [
        ("modelling/search.py", "    # A bare array", "    # An array", True),
        ("modelling/search.py", '"""The trial with', '"""Return the trial with', True),
        ("modelling/search.py", "MAX_ROUNDS = 600", "MAX_ROUNDS = (\n    600\n)", True),
        ("modelling/search.py", "MAX_ROUNDS = 600", "MAX_ROUNDS = 601", False),
        ("modelling/evaluation.py", " - ", " + ", False),
        ("contract.py", '"Fri": 1, "Sat": 2', '"Fri": 2, "Sat": 1', False),
    ],
)
def test_only_code_that_acts_counts_as_code(version_of_edited, module, old, new, same):
    """A changed comment was a new recipe, a new search and a second version of the month."""
    before = recipe_module.code_version()
    assert (version_of_edited(module, old, new) == before) is same


def test_threads_come_from_the_recipe_whatever_the_machine_has(rows, monkeypatch):
    many = pd.concat([rows] * (50_000 // len(rows) + 1), ignore_index=True)
    recipes = []
    for cores in (1, 2, 64):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        recipes.append(recipe_for(many, **Settings().recipe_options))
    assert recipes[0] == recipes[1] == recipes[2]
    assert search_module.booster_parameters({"max_depth": 2.0}, recipes[0])["nthread"] == 2


def registered(recipe: Recipe, ubj: bytes, **tags: str) -> ModelRegistry:
    """A registry that holds one version."""
    known = {RECIPE: recipe.to_json(), MONTH: "2024-01", BOOSTER: hashlib.sha256(ubj).hexdigest()}
    version = ModelVersion(1, "run", "source", known | tags, datetime.now(UTC))
    registry = create_autospec(ModelRegistry, instance=True)
    registry.version.return_value = version
    return registry


def test_a_version_of_other_code_and_threads_is_rebuilt_if_its_bytes_are_the_same(tmp_path, rows):
    """Versions of before are tagged with a digest of source text, and a machine's cores."""
    files = ParquetFiles(UPath(tmp_path))
    write_atomically(UPath(tmp_path) / "assets/splits/2024-01.parquet", files.to_bytes(rows))
    settings = Settings(storage=str(tmp_path))
    today = recipe_for(rows, **Settings(trials=2).recipe_options)
    old = dataclasses.replace(today, code="0123456789ab", threads=3)
    best = best_of(search(rows[rows[PART] == TRAIN], old))
    ubj = train_booster("2024-01", rows, best, old)
    assert champion.rebuild(registered(old, ubj), settings, 1).identical
    other = champion.rebuild(registered(old, b"other bytes"), settings, 1)
    assert other.differences == [f"code: 0123456789ab then, {today.code} now"]
    unknown = dataclasses.replace(old, libraries=old.libraries | {"xgboost": "0.1"})
    named = champion.rebuild(registered(unknown, ubj), settings, 1).differences
    assert [line.split(":")[0] for line in named] == ["code", "libraries xgboost"]


def test_quality_equals_its_definitions():
    actual, predicted = np.array([2.0, 4.0, 0.0]), np.array([3.0, 3.0, 0.0])
    found = quality(actual, predicted)
    assert found.mean_error == 0
    assert found.mean_absolute_error == pytest.approx(2 / 3)
    assert found.rmse == pytest.approx(np.sqrt(2 / 3))
    assert found.mape == pytest.approx((0.5 + 0.25) / 2)
    assert found.mean_error_std == pytest.approx(1.0)
    assert found.r2 == pytest.approx(1 - 2 / 8)


def test_baselines_are_the_simple_rules(rows):
    train, test = rows[rows[PART] == TRAIN], rows[rows[PART] == TEST]
    rules = baselines(train, test, 0.15)
    design = np.column_stack([np.ones(len(train)), train["total_bill"], train["size"]])
    line = np.linalg.lstsq(design, train["tip"], rcond=None)[0]
    expected = line[0] + line[1] * test["total_bill"] + line[2] * test["size"]
    np.testing.assert_allclose(rules["least_squares"], expected, rtol=1e-9)
    np.testing.assert_allclose(rules["fixed_share"], 0.15 * test["total_bill"])
