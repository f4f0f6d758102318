"""Predictions go on while the model changes, or what the app asks is away."""

import socket
import time

import mlflow
import pytest

from app import predictions as predictions_module
from app import sources
from app.champion_cache import ChampionCache
from app.predictions import predictions
from tip_assets import contract
from tip_assets.settings import get_settings
from tip_assets.tracking.registry import CHAMPION, ModelRegistry
from tip_assets_tests.support.prediction_pages import (
    MONTH,
    RECORD,
    fill,
    numbers,
    page,
    until,
    words,
)


def test_a_promotion_is_noticed_and_each_version_is_loaded_once(storage, monkeypatch):
    loads = []
    load = predictions_module.ChampionCache._look.__globals__["load_version"]

    def counted(registry, number):
        loads.append(number)
        return load(registry, number)

    monkeypatch.setitem(ChampionCache._look.__globals__, "load_version", counted)
    service = predictions()
    assert [service.predict(RECORD).answer.version.number for _ in range(3)] == [1, 1, 1]
    sources.registry().point(CHAMPION, 2)
    until(lambda: service.predict(RECORD).answer.version.number == 2)
    sources.registry().point(CHAMPION, 1)
    until(lambda: service.predict(RECORD).answer.version.number == 1)
    assert loads == [1, 2, 1]


def test_the_loaded_model_answers_while_mlflow_and_the_artifacts_are_away(storage, monkeypatch):
    service = predictions()
    expected = service.predict(RECORD).answer.prediction

    def away(_self, _alias):
        raise mlflow.MlflowException("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(ModelRegistry, "by_alias", away)
        until(lambda: service.serving().problem)
        test = fill(page("predict"), 24.5)
        assert "MLflow cannot be reached. Version 1 keeps answering." in words(test)
        assert numbers(test)["Predicted tip"] == f"${expected:.2f}"
    until(lambda: not service.serving().problem)
    (artifacts,) = storage.glob("mlflow")
    artifacts.rename(storage / "gone")
    try:
        sources.registry().point(CHAMPION, 2)
        until(lambda: "Version 2 serves, but it cannot be loaded" in service.serving().problem)
        assert service.predict(RECORD).answer.version.number == 1
    finally:
        (storage / "gone").rename(artifacts)
    until(lambda: service.predict(RECORD).answer.version.number == 2)


def test_a_registry_that_never_answers_is_reported(storage):
    made = []
    cache = ChampionCache(sources.registry, 3600, made.append)
    assert cache.serving().problem == ""
    cache._looks._succeeded_at -= 100
    assert "has not said for 100 seconds which model serves" in cache.serving().problem
    assert cache.serving().model is made[0]
    cache.stop()


def test_the_app_answers_when_the_port_of_its_numbers_is_taken(storage, monkeypatch, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("TIPS_APP_METRICS_PORT", str(port))
        get_settings.cache_clear()
        assert predictions().predict(RECORD).answer.version.number == 1
    (words,) = [
        record.getMessage() for record in caplog.records if str(port) in record.getMessage()
    ]
    assert f"port {port}, meant for the app's own numbers, cannot be opened" in words
    assert "TIPS_APP_METRICS_PORT" in words


def test_predictions_wait_for_a_database_that_is_away(storage):
    service = predictions()
    service.predict(RECORD)
    assert service.writer.finish(20)
    database = storage / "metrics.db"
    sources.metric_store().engine.dispose()
    database.rename(storage / "away.db")
    database.mkdir()  # what no SQLite can open
    kept = service.predict(RECORD).id
    service.writer.finish(20)
    assert service.writer.waiting == 1
    for name in ("predict", "feedback"):
        assert "Predictions that wait for it: 1." in words(page(name))
    database.rmdir()
    (storage / "away.db").rename(database)
    until(lambda: service.writer.waiting == 0)
    until(lambda: not service.writer.problem)
    row = service.log.find([kept])[kept]
    assert row["inputs"] == RECORD
    assert (row["version"], row["contract"], row["month"]) == (1, contract.VERSION, MONTH)
    assert row["low"] < row["predicted"] < row["high"]


def test_the_page_says_when_the_storage_does_not_answer(monkeypatch):
    monkeypatch.setattr(sources, "WITHIN_SECONDS", 0.2)
    with pytest.raises(
        sources.SourceUnavailable, match=r"The storage has not answered for 0\.2 seconds\."
    ):
        sources.Source("The storage").ask(lambda: time.sleep(1))


def test_a_source_that_is_away_is_not_waited_for_again_at_once():
    asked = []

    def away() -> None:
        asked.append(1)
        raise OSError("no route")

    source = sources.Source("MLflow")
    for _ in range(3):
        with pytest.raises(sources.SourceUnavailable, match="MLflow cannot be reached"):
            source.ask(away)
    assert len(asked) == 1


def test_a_fault_of_the_code_is_no_outage():
    with pytest.raises(ZeroDivisionError):
        sources.Source("MLflow").ask(lambda: 1 / 0)
