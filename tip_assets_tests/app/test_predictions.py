"""The app's pages of predictions: what a person sees, types and gets back."""

import time

import pandas as pd
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app import feedback, sources
from app.bill_curve import bill_curve
from app.feedback import submit_file
from app.predictions import Refused, predictions
from app.scoring_jobs import scoring_jobs
from tip_assets import contract
from tip_assets.ingestion.feedback import PREDICTION_ID, TIP
from tip_assets.ingestion.landing import landing_files, read_month
from tip_assets.metric_store.tables import ingestion
from tip_assets.serving.scoring import LOW, PREDICTED
from tip_assets.settings import get_settings
from tip_assets.tracking.registry import CHAMPION
from tip_assets_tests.support.app import forget_the_app
from tip_assets_tests.support.prediction_pages import (
    MONTH,
    RECORD,
    fill,
    numbers,
    page,
    score,
    words,
)


def test_the_form_answers_with_the_models_own_number_again_and_again(storage):
    test = page("predict")
    for bill in (24.5, 60.0):
        fill(test, bill)
        record = pd.DataFrame([RECORD | {"total_bill": bill}])
        expected = sources.registry().predict(1, record)[0]
        assert numbers(test)["Predicted tip"] == f"${expected:.2f}"
        assert numbers(test)["15 % would be"] == f"${0.15 * bill:.2f}"
        assert numbers(test)["18 % would be"] == f"${0.18 * bill:.2f}"
        strange = bill > 51  # the sample's dearest is 50.81
        assert ("90 % of the tips on bills like this one are from" in words(test)) != strange
        assert ("The training data has no bills above " in words(test)) == strange
        assert "Answered by version 1, trained for January 2024" in words(test)
        assert test.text_input(key="bill_total_bill").value == f"{bill:.2f}"
        assert test.selectbox(key="bill_day").value == "Sun"
    assert test.selectbox(key="bill_day").options[:2] == ["Monday", "Tuesday"]
    assert len(test.selectbox(key="bill_day").options) == 7


def test_the_form_starts_at_values_that_occur_in_training(storage):
    test = page("predict")
    test.text_input(key="bill_total_bill").set_value("24,50")
    test.button[0].click().run()
    assert numbers(test)["15 % would be"] == "$3.67"
    assert "90 % of the tips on bills like this one are from" in words(test)
    assert "The training data has no" not in words(test)


def test_the_curve_is_the_models_own_along_the_bills_of_its_training(storage):
    test = fill(page("predict"), 24.5)
    test.toggle[0].set_value(True).run()
    assert not test.exception
    assert "everything else on the form unchanged" in words(test)
    model = predictions().serving().model
    curve = bill_curve(model, RECORD, 0.9)
    low, high = model.seen()["total_bill"]
    assert (curve["total_bill"].min(), curve["total_bill"].max()) == (low, high)
    for point in curve.iloc[::20].to_dict("records"):
        answer = model.answer(RECORD | {"total_bill": point["total_bill"]}, 0.9)
        assert point[PREDICTED] == pytest.approx(answer.prediction)
        assert point[LOW] == pytest.approx(answer.interval.low)
    assert bill_curve(model, RECORD | {"day": "Mon"}, 0.9)[LOW].isna().all()


def test_sliders_move_the_answer_and_its_interval_and_log_nothing(storage):
    test = fill(page("predict"), 24.5)
    assert predictions().writer.finish(20)
    logged = len(predictions().log.newest(100))
    test.toggle[0].set_value(True).run()
    test.slider[0].set_value(40.0).run()
    test.slider[1].set_value(4).run()
    assert not test.exception
    model = predictions().serving().model
    answer = model.answer(RECORD | {"total_bill": 40.0, "size": 4}, 0.9)
    moved = f"Predicted tip: **${answer.prediction:.2f}**, 90 % from ${answer.interval.low:.2f}"
    assert moved in words(test)
    assert predictions().writer.finish(20)
    assert len(predictions().log.newest(100)) == logged


def test_an_example_fills_the_form_and_is_answered(storage):
    test = page("predict")
    test.button[2].click().run()
    assert not test.exception
    assert numbers(test)["15 % would be"] == "$5.70"
    assert test.text_input(key="bill_total_bill").value == "38.00"
    assert test.number_input(key="bill_size").value == 4
    assert [button.label for button in test.button] == ["Predict the tip"]


def test_a_double_click_logs_one_prediction_and_another_bill_a_second(storage):
    test = fill(page("predict"), 24.5)
    test.button[0].click().run()
    assert predictions().writer.finish(20)
    assert len(predictions().log.newest(10)) == 1
    fill(test, 30.0)
    assert predictions().writer.finish(20)
    assert len(predictions().log.newest(10)) == 2


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


def test_the_log_can_be_switched_off(storage, monkeypatch, tmp_path):
    monkeypatch.setenv("TIPS_PREDICTION_LOG", "false")
    forget_the_app()
    service = predictions()
    assert service.predict(RECORD).id == ""
    bills = tmp_path / "bills.csv"
    pd.DataFrame([RECORD]).to_csv(bills, index=False)
    scored = service.score(bills, tmp_path, lambda _: None)
    assert PREDICTION_ID not in pd.read_csv(scored.csv)
    assert service.writer.finish(20)
    assert service.log.newest(10) == []
    assert "The log of predictions is switched off" in words(page("feedback"))


def _button(test, label: str):
    (found,) = [button for button in test.button if button.label == label]
    return found


def test_a_preview_names_month_shares_and_outliers():
    row = {"month": "2024-05", "inputs": {contract.BILL: 20.0}, "predicted": 3.0, "actual": 3.0}
    rows = [row, row | {"actual": 9.01}, row | {"actual": 0.0}, row | {"month": "2024-04"}]
    april, may = feedback.previews(rows)
    assert (april.month, april.tips, april.outliers) == ("2024-04", 1, 0)
    assert (may.tips, may.predicted_share, may.outliers) == (3, pytest.approx(0.15), 2)
    assert may.share == pytest.approx(12.01 / 60)
    assert [row["actual"] for row in may.first_outliers] == [9.01, 0.0]
    assert feedback.describe_preview(april) == (
        "1 tip, on average 15.0% of the bill; 15.0% was predicted."
    )
    assert "2 tips of more than 3 times or less than 1/3" in feedback.describe_preview(may)


def test_a_tip_is_submitted_on_the_page_and_lands_once(storage):
    shown = page("predict")
    key = fill(shown, 24.5).code[0].value
    test = page("feedback")
    test.selectbox[0].set_value(key)
    test.text_input[0].set_value("250")
    test.button[0].click().run()
    assert "1 refused" in words(test)
    assert "tip must be at most 100 USD" in test.dataframe[0].value["reason"][0]
    test.selectbox[0].set_value(key)
    test.text_input[0].set_value("4,00")
    test.button[0].click().run()
    assert "1 tip saved." in words(test)
    _button(test, "Undo").click().run()
    assert predictions().log.waiting() == {}
    test.selectbox[0].set_value(key)
    test.text_input[0].set_value("4,00")
    test.button[0].click().run()
    assert test.dataframe[0].value["Bill"].tolist() == [24.5]
    assert landing_files(get_settings().storage_root, MONTH) == []
    assert "of the month's rows" not in words(test)
    month = {"files": 1, "files_unreadable": 0, "rows_kept": 3, "rows_quarantined": 0}
    sources.metric_store().replace_month(MONTH, {ingestion: [month]})
    _button(test, "Land now").click().run()
    assert not test.exception
    assert "1 tip (25 % of the month's rows), landing at" in words(test)
    assert "1 tip, on average 16.3% of the bill" in words(test)
    assert landing_files(get_settings().storage_root, MONTH) == []
    # Corrected meanwhile: what would be handed over is not what was previewed.
    feedback.submit_one(predictions().log, key, 5.0)
    _button(test, "Land 1 tip").click().run()
    assert landing_files(get_settings().storage_root, MONTH) == []
    feedback.submit_one(predictions().log, key, 4.0)
    _button(test, "Land now").click().run()
    _button(test, "Land 1 tip").click().run()
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
    score(test, "bills.csv", bills.to_csv(index=False).encode())
    assert numbers(test) == {"Rows": "244", "Predicted": "243", "Refused": "1"}
    answer = pd.read_csv(scoring_jobs().find(test.session_state["score_job"]).result.csv)
    assert answer.loc[3, "day"] == "'=Someday"
    expected = sources.registry().predict(1, sample.drop(index=3))
    assert answer[PREDICTED].dropna().tolist() == pytest.approx(expected.round(2).tolist())

    answer[TIP] = sample["tip"].where(sample.index < 100)
    with_tips = tmp_path / "with-tips.csv"
    answer.to_csv(with_tips, index=False)
    test = page("feedback")
    test.file_uploader[0].set_value(("with-tips.csv", with_tips.read_bytes(), "text/csv")).run()
    _button(test, "Preview the tips").click().run()
    assert not test.exception
    assert "99 tips, on average" in words(test)
    assert predictions().log.waiting() == {}
    _button(test, "Save 99 tips").click().run()
    assert "99 tips saved" in words(test)
    assert landing_files(get_settings().storage_root, MONTH) == []
    result = submit_file(predictions().log, with_tips)
    assert (result.new, result.known) == (0, 99)
    assert result.first_refused["reason"].tolist() == ["the id is missing"]
    assert submit_file(predictions().log, with_tips).known == 99
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
    assert reason in words(score(page("score"), name, content))


def test_prometheus_reads_what_was_answered(storage, tmp_path):
    service = predictions()

    def numbers() -> dict[tuple[str, ...], float]:
        text = generate_latest(service.metrics.registry).decode()
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    found = numbers()  # what is counted later has increased, to Prometheus
    for counted in ("predictions", "refusals"):
        for source in ("form", "file"):
            assert found[f"tips_app_{counted}_total", source] == 0
    for _ in range(3):
        service.predict(RECORD)
    with pytest.raises(Refused):
        service.predict(RECORD | {"size": 99})
    bills = tmp_path / "bills.csv"
    pd.DataFrame([RECORD, *[RECORD | {"day": "x"}] * 2]).to_csv(bills, index=False)
    service.score(bills, tmp_path, lambda _: None)
    found = numbers()
    assert found["tips_app_predictions_total", "form"] == 3
    assert found["tips_app_predictions_total", "file"] == 1
    assert found["tips_app_prediction_seconds_count",] == 3
    refused = "must be at most 20 people"
    assert found["tips_app_refused_rows_total", "size", refused, "form"] == 1
    days = "is not one of Thur, Fri, Sat, Sun, Mon, Tue, Wed"
    assert found["tips_app_refused_rows_total", "day", days, "file"] == 2
    assert found["tips_app_refusals_total", "form"] == 1
    assert found["tips_app_refusals_total", "file"] == 2
    assert found["tips_app_model_info", "2024-01", "1"] == 1
    assert 0 < time.time() - found["tips_app_model_registered_timestamp_seconds",] < 3600
