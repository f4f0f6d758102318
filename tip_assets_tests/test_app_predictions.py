"""The app's pages of predictions: what a person sees, and what goes on while something is away."""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from streamlit.testing.v1 import AppTest

from app import predictions as rooms
from app import sources
from app.champion_cache import ChampionCache
from app.feedback import tell_file
from app.predictions import Refused, predictions
from tip_assets import contract
from tip_assets.actuals import PREDICTION_ID, TIP
from tip_assets.landing import landing_files, read_month
from tip_assets.modelling.search import best_of, search
from tip_assets.modelling.split import PART, TRAIN
from tip_assets.modelling.training import read_report, train_booster
from tip_assets.resources.model_registry import CHAMPION, ModelRegistry
from tip_assets.resources.month_run import log_model, version_tags
from tip_assets.scoring import PREDICTED
from tip_assets.settings import Settings, get_settings
from tip_assets_tests.app_place import forget_the_app

VIEWS = Path(rooms.__file__).parent / "views"
RECORD = {"total_bill": 24.5, "sex": "Female", "smoker": "No", "day": "Sun", "time": "Dinner"}
RECORD["size"] = 2
MONTH = datetime.now(UTC).strftime("%Y-%m")


@pytest.fixture(scope="module")
def registered(rows, recipe, tmp_path_factory) -> Path:
    """A storage with two registered versions of one model and no champion."""
    folder = tmp_path_factory.mktemp("registered")
    best = best_of(search(rows[rows[PART] == TRAIN], recipe))
    ubj = train_booster("2024-01", rows, best, recipe)
    settings = Settings(storage=str(folder))
    registry = sources._registry(settings)
    experiment = registry.client.create_experiment("app", str(folder / "mlflow"))
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run() as run:
        log_model(mlflow, read_report(ubj), ubj)
    (model,) = mlflow.search_logged_models(output_format="list")
    for _ in range(2):
        registry.register(
            f"models:/{model.model_id}",
            run.info.run_id,
            model.model_id,
            version_tags(read_report(ubj)),
            "",
        )
    registry.client.set_terminated(run.info.run_id)
    return folder


@pytest.fixture
def storage(registered, monkeypatch) -> Path:
    """The storage as the app's settings name it; nothing is logged, and version 1 serves."""
    for file in registered.glob("metrics.db*"):
        file.unlink()
    shutil.rmtree(registered / "landing", ignore_errors=True)
    monkeypatch.setenv("TIPS_STORAGE", str(registered))
    monkeypatch.setenv("TIPS_CHAMPION_CHECK_SECONDS", "0.2")
    monkeypatch.setenv("TIPS_APP_METRICS_PORT", "0")
    forget_the_app()
    sources.registry().point(CHAMPION, 1)
    yield registered
    forget_the_app()


def until(true: Callable[[], object], within_seconds: float = 20) -> None:
    deadline = time.monotonic() + within_seconds
    while not true():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.02)


def page(name: str) -> AppTest:
    test = AppTest.from_file(VIEWS / f"{name}.py", default_timeout=60).run()
    assert not test.exception
    return test


def fill(test: AppTest, bill: float | None, size: int = 2) -> AppTest:
    test.number_input(key="bill_total_bill").set_value(bill)
    test.number_input(key="bill_size").set_value(size)
    for name in ("sex", "smoker", "time"):
        test.radio(key=f"bill_{name}").set_value(RECORD[name])
    test.selectbox(key="bill_day").set_value(RECORD["day"])
    test.button[0].click().run()
    assert not test.exception
    return test


def words(test: AppTest) -> str:
    kinds = (test.markdown, test.caption, test.warning, test.error, test.success)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def numbers(test: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in test.metric}


def test_the_form_answers_with_the_models_own_number_again_and_again(storage):
    test = page("predict")
    for bill in (24.5, 60.0):
        fill(test, bill)
        record = pd.DataFrame([RECORD | {"total_bill": bill}])
        expected = sources.registry().predict(1, record)[0]
        assert numbers(test)["Predicted tip"] == f"${expected:.2f}"
        assert numbers(test)["15 % would be"] == f"${0.15 * bill:.2f}"
        assert numbers(test)["18 % would be"] == f"${0.18 * bill:.2f}"
        assert "90 % of the tips on bills like this one are from" in words(test)
        assert "Answered by version 1, trained for January 2024" in words(test)
        assert test.number_input(key="bill_total_bill").value == bill
        assert test.selectbox(key="bill_day").value == "Sun"
    assert test.selectbox(key="bill_day").options[:2] == ["Monday", "Tuesday"]
    assert len(test.selectbox(key="bill_day").options) == 7


@pytest.mark.parametrize(
    ("bill", "size", "reason"),
    [
        (None, 2, "Total bill is missing."),
        (500.0, 2, "Total bill must be at most 300 USD, not 500.0."),
        (20.0, 0, "People at the table must be at least 1 people, not 0."),
    ],
)
def test_a_bad_bill_gets_a_sentence(storage, bill, size, reason):
    test = fill(page("predict"), bill, size)
    assert reason in words(test)
    assert not test.metric
    assert numbers(fill(test, 20.0))["Predicted tip"].startswith("$")


def test_without_a_champion_the_page_says_what_to_do(storage):
    sources.registry().client.delete_registered_model_alias("waiter-tips", CHAMPION)
    test = page("predict")
    assert "There is no champion yet" in words(test)
    assert "tips run --month 2024-01 --sample" in test.code[0].value
    assert "There is no champion yet." in words(fill(test, 20.0))


def test_a_promotion_is_noticed_and_each_version_is_loaded_once(storage, monkeypatch):
    loads = []
    load = rooms.ChampionCache._look.__globals__["load_version"]

    def counted(registry, number):
        loads.append(number)
        return load(registry, number)

    monkeypatch.setitem(ChampionCache._look.__globals__, "load_version", counted)
    room = predictions()
    assert [room.predict(RECORD).answer.version.number for _ in range(3)] == [1, 1, 1]
    sources.registry().point(CHAMPION, 2)
    until(lambda: room.predict(RECORD).answer.version.number == 2)
    sources.registry().point(CHAMPION, 1)
    until(lambda: room.predict(RECORD).answer.version.number == 1)
    assert loads == [1, 2, 1]


def test_the_loaded_model_answers_while_mlflow_and_the_artifacts_are_away(storage, monkeypatch):
    room = predictions()
    expected = room.predict(RECORD).answer.prediction

    def away(_self, _alias):
        raise mlflow.MlflowException("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(ModelRegistry, "by_alias", away)
        until(lambda: room.serving().trouble)
        test = fill(page("predict"), 24.5)
        assert "MLflow cannot be reached. Version 1 keeps answering." in words(test)
        assert numbers(test)["Predicted tip"] == f"${expected:.2f}"
    until(lambda: not room.serving().trouble)
    (artifacts,) = storage.glob("mlflow")
    artifacts.rename(storage / "gone")
    try:
        sources.registry().point(CHAMPION, 2)
        until(lambda: "Version 2 serves, but it cannot be loaded" in room.serving().trouble)
        assert room.predict(RECORD).answer.version.number == 1
    finally:
        (storage / "gone").rename(artifacts)
    until(lambda: room.predict(RECORD).answer.version.number == 2)


def test_a_registry_that_never_answers_is_told_of(storage):
    made = []
    cache = ChampionCache(sources.registry, 3600, made.append)
    assert cache.serving().trouble == ""
    cache._looks._succeeded_at -= 100
    assert "has not said for 100 seconds which model serves" in cache.serving().trouble
    assert cache.serving().model is made[0]
    cache.stop()


def test_predictions_wait_for_a_database_that_is_away(storage):
    room = predictions()
    room.predict(RECORD)
    assert room.writer.finish(20)
    database = storage / "metrics.db"
    sources.metric_store().engine.dispose()
    database.rename(storage / "away.db")
    database.mkdir()  # what no SQLite can open
    kept = room.predict(RECORD).id
    room.writer.finish(20)
    assert room.writer.waiting == 1
    for name in ("predict", "feedback"):
        assert "Predictions that wait for it: 1." in words(page(name))
    database.rmdir()
    (storage / "away.db").rename(database)
    until(lambda: room.writer.waiting == 0)
    until(lambda: not room.writer.trouble)
    row = room.log.find([kept])[kept]
    assert row["inputs"] == RECORD
    assert (row["version"], row["contract"], row["month"]) == (1, contract.VERSION, MONTH)
    assert row["low"] < row["predicted"] < row["high"]


def test_the_log_can_be_switched_off(storage, monkeypatch, tmp_path):
    monkeypatch.setenv("TIPS_PREDICTION_LOG", "false")
    forget_the_app()
    room = predictions()
    assert room.predict(RECORD).id == ""
    bills = tmp_path / "bills.csv"
    pd.DataFrame([RECORD]).to_csv(bills, index=False)
    scored = room.score(bills, tmp_path, lambda _: None)
    assert PREDICTION_ID not in pd.read_csv(scored.csv)
    assert room.writer.finish(20)
    assert room.log.newest(10) == []
    assert "The log of predictions is switched off" in words(page("feedback"))


def test_a_tip_is_told_on_the_page_and_lands_once(storage):
    shown = page("predict")
    key = fill(shown, 24.5).code[0].value
    test = page("feedback")
    test.selectbox[0].set_value(key)
    test.number_input[0].set_value(250.0)
    test.button[0].click().run()
    assert "1 refused" in words(test)
    assert "tip must be at most 100 USD" in test.dataframe[0].value["reason"][0]
    test.selectbox[0].set_value(key)
    test.number_input[0].set_value(4.0)
    test.button[0].click().run()
    assert "1 tip noted." in words(test)
    assert landing_files(get_settings().storage_root, MONTH) == []
    (hand_over,) = [button for button in test.button if button.label == "Hand over now"]
    hand_over.click().run()
    assert not test.exception
    landed = read_month(get_settings().storage_root, MONTH)
    assert landed.rows[[*contract.COLUMNS]].to_dict("records") == [RECORD | {TIP: 4.0}]
    predictions().land_now()
    assert len(landing_files(get_settings().storage_root, MONTH)) == 1
    (realised,) = predictions().log.realised()
    assert (realised.tips, realised.covered) == (1, 1.0)


def test_the_answer_to_a_file_is_given_back_with_tips(storage, sample, tmp_path):
    test = page("score")
    bills = sample.drop(columns=TIP).astype(object)
    bills.loc[3, "day"] = "=Someday"
    test.file_uploader[0].set_value(("bills.csv", bills.to_csv(index=False).encode(), "text/csv"))
    test.run()
    test.button[0].click().run()
    assert not test.exception
    assert numbers(test) == {"Rows": "244", "Predicted": "243", "Refused": "1"}
    answer = pd.read_csv(test.session_state["score_answer"].csv)
    assert answer.loc[3, "day"] == "'=Someday"
    expected = sources.registry().predict(1, sample.drop(index=3))
    assert answer[PREDICTED].dropna().tolist() == pytest.approx(expected.round(2).tolist())

    answer[TIP] = sample["tip"].where(sample.index < 100)
    told = tmp_path / "told.csv"
    answer.to_csv(told, index=False)
    result = tell_file(predictions().log, told)
    assert (result.new, result.known) == (99, 0)
    assert result.first_refused["reason"].tolist() == ["the id is missing"]
    assert tell_file(predictions().log, told).known == 99
    assert predictions().land_now() == 99
    (realised,) = predictions().log.realised()
    assert (realised.predictions, realised.tips) == (243, 99)
    # Most of these rows the model was trained on.
    assert 0.8 < realised.covered <= 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("bills.csv", bytes(range(256)), "The file cannot be read: it is binary, not text."),
        ("bills.csv", b"total_bill\n20\n", "The file has no column sex, smoker, day, time, size."),
        ("bills.csv", b"total_bill,sex,smoker,day,time,size\n", "The file has no rows."),
        ("bills.parquet", b"<script>", "The file cannot be read"),
    ],
)
def test_a_bad_file_gets_a_sentence(storage, name, content, reason):
    test = page("score")
    test.file_uploader[0].set_value((name, content, "text/csv"))
    test.run()
    test.button[0].click().run()
    assert not test.exception
    assert reason in words(test)


def test_prometheus_reads_what_was_answered(storage, tmp_path):
    room = predictions()
    for _ in range(3):
        room.predict(RECORD)
    with pytest.raises(Refused):
        room.predict(RECORD | {"size": 99})
    bills = tmp_path / "bills.csv"
    pd.DataFrame([RECORD, RECORD | {"day": "x"}]).to_csv(bills, index=False)
    room.score(bills, tmp_path, lambda _: None)
    found = {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(
            generate_latest(room.metrics.registry).decode()
        )
        for sample in family.samples
    }
    assert found["tips_app_predictions_total", "form"] == 3
    assert found["tips_app_predictions_total", "file"] == 1
    assert found["tips_app_prediction_seconds_count",] == 3
    refused = "must be at most 20 people"
    assert found["tips_app_refused_rows_total", "size", refused, "form"] == 1
    days = "is not one of Thur, Fri, Sat, Sun, Mon, Tue, Wed"
    assert found["tips_app_refused_rows_total", "day", days, "file"] == 1
    assert found["tips_app_model_info", "2024-01", "1"] == 1
    assert 0 < found["tips_app_model_age_seconds",] < 3600
