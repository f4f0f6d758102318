"""The app's pages about the platform: empty, with sixty months, and while something is away."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import app
from app import sources
from app.history import history_of
from app.history_plots import charts_plot, rows_plot
from app.months import month_of, months_known
from app.report_files import months_with_reports, read_report
from app.style import plain
from tip_assets import contract
from tip_assets.assets import plots
from tip_assets.metric_store import tables
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import month_after
from tip_assets.runtime.storage import quarantine_file, report_folder, write_atomically
from tip_assets.settings import get_settings
from tip_assets_tests.support.app import forget_the_app

APP = Path(app.__file__).parent
VIEWS = APP / "views"
PLATFORM_PAGES = ("reports", "history", "model")
AT = datetime(2020, 2, 1, 6, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A storage in which nothing is yet."""
    monkeypatch.setenv("TIPS_STORAGE", str(tmp_path))
    monkeypatch.setenv("TIPS_APP_METRICS_PORT", "0")
    forget_the_app()
    yield get_settings()
    forget_the_app()


def opened(page: str) -> AppTest:
    """A page after its script has run."""
    shown = AppTest.from_file(str(VIEWS / f"{page}.py"), default_timeout=60).run()
    assert not shown.exception
    return shown


def words_on(page: AppTest) -> str:
    shown = [*page.title, *page.markdown, *page.caption, *page.warning, *page.code]
    return "\n".join(element.value for element in shown)


def fill(store: MetricStore, months: int, first: str = "2020-01") -> None:
    """Measured months: the first model serves to the end, the tenth month has drifted."""
    month = first
    for number in range(months):
        drifted = number == 9
        rows = {"rows": 50, "mean_error": 0.0, "mean_error_std": 1.0, "mean_absolute_error": 0.7}
        rows |= {"mean_absolute_error_std": 0.6, "mape": 0.2, "mape_std": 0.2, "rmse": 1, "r2": 0.4}
        store.replace_month(
            month,
            {
                tables.drift_chart: [
                    {"chart": name, "column": name, "z": 4.4 if drifted else 1.0, "limit": 3.6}
                    | {"alarm": "one month" if drifted else None}
                    for name in contract.COLUMNS
                ],
                tables.model_quality: [{"part": "current", "version": 1, **rows}],
                tables.ingestion: [
                    {"files": 1, "files_unreadable": 0, "rows_kept": 200 + number}
                    | {"rows_quarantined": number}
                ],
            },
        )
        decide(store, month, "promoted" if number == 0 else "kept", number + 1, number)
        month = month_after(month, 1)


def decide(store: MetricStore, month: str, action: str, version: int, number: int = 0) -> None:
    store.record_decision(
        {
            "cause": f"decision {month} version {version}",
            "month": month,
            "at": AT + number * timedelta(days=30),
            "action": action,
            "challenger": version,
            "champion_before": None if action == "promoted" else 1,
            "champion_after": 1,
            "reason": f"{action} for a reason",
            "person": None,
        }
    )


def check(store: MetricStore, month: str, name: str, asset: str, **facts: object) -> None:
    found = {"check": name, "asset": asset, "blocking": True, "passed": False, "words": "because"}
    store.record_checks(month, [found | facts])


@pytest.mark.parametrize("page", PLATFORM_PAGES)
def test_an_empty_platform_says_what_fills_it(settings, page):
    shown = opened(page)
    assert "tips run --month 2024-01 --sample" in words_on(shown)
    assert not shown.warning


def test_sixty_months_are_all_in_the_history(settings):
    store = MetricStore(url=settings.metric_store_url)
    fill(store, 60)
    shown = opened("history")
    assert "No month has been run yet" not in words_on(shown)
    assert len(shown.dataframe[0].value) == 24
    shown.segmented_control[0].set_value("all").run()
    (decisions,) = shown.dataframe
    assert len(decisions.value) == 60
    history = history_of(store, 0.95)
    assert len(history.months) == 60
    assert len(history.changes) == 1
    assert [row["month"] for row in history.since("2024-12").ingested] == ["2024-12"]
    kept, quarantined = rows_plot(history).data
    assert list(kept.y) == [200 + number for number in range(60)]
    assert list(quarantined.y) == list(range(60))


def test_every_chart_is_drawn_with_its_limits_and_its_drifted_months_in_red(settings):
    store = MetricStore(url=settings.metric_store_url)
    fill(store, 12)
    figure = charts_plot(history_of(store, 0.95))
    limits, values = (*figure.data[::3], *figure.data[1::3]), figure.data[2::3]
    assert len(values) == len(contract.COLUMNS)
    assert {abs(y) for line in limits for y in line.y} == {3.6}
    for line in values:
        assert [y for y in line.y if y >= 3.6] == [4.4]
        reds = [number for number, c in enumerate(line.marker.color) if c == plots.ALARM]
        assert reds == [9]
    assert any(
        shape.type == "line" and str(shape.x0) == "2020-01-01" for shape in figure.layout.shapes
    )


def test_an_interval_of_a_mean_error_is_the_normal_one(settings):
    store = MetricStore(url=settings.metric_store_url)
    fill(store, 1)
    (error,) = history_of(store, 0.95).serving
    assert error.mean == 0.7
    assert error.high - error.mean == pytest.approx(1.959964 * 0.6 / 50**0.5)
    assert error.mean - error.low == pytest.approx(error.high - error.mean)


@pytest.mark.parametrize(
    ("address", "month"),
    [("", "2020-03"), ("2020-01", "2020-01"), ("2019-07", "2020-03"), ("../..", "2020-03")],
    ids=["none", "known", "unknown", "none at all"],
)
def test_the_address_names_the_month_as_links_from_elsewhere_do(settings, address, month):
    """Grafana's links, for instance; another month that is chosen is then put into it."""
    fill(MetricStore(url=settings.metric_store_url), 3)
    shown = AppTest.from_file(str(VIEWS / "reports.py"), default_timeout=60)
    if address:
        shown.query_params["month"] = address
    shown.run()
    assert not shown.exception
    assert shown.selectbox[0].value == month
    unknown = address not in ("", month)
    assert [warning.value for warning in shown.warning] == [
        f"There is no month {plain(address)}. This is March 2020." for _ in range(unknown)
    ]
    shown.selectbox[0].select("2020-02").run()
    assert shown.selectbox[0].value == "2020-02"
    assert shown.query_params["month"] == "2020-02"
    shown.query_params["month"] = "2020-01"  # as by the browser's way back
    assert shown.run().selectbox[0].value == "2020-01"


def test_a_held_month_says_what_stopped_it_and_what_to_do(settings):
    store = MetricStore(url=settings.metric_store_url)
    decide(store, "2024-03", "held", 3)
    check(store, "2024-03", "dataset_has_not_drifted", "drift_metrics")
    found = month_of(store, "2024-03")
    assert found.verdict == (
        "held",
        "The promotion of 2024-03 is held; the champion keeps serving.",
    )
    assert "`tips release --month 2024-03 --reason '...'`" in found.to_do[0]
    words = words_on(opened("reports"))
    assert "`tips release --month 2024-03 --reason '...'`" in words
    assert "**The data has drifted\\.** Because" in words
    assert found.can_be_released

    decide(store, "2024-03", "released", 3, number=1)
    found = month_of(store, "2024-03")
    assert found.verdict[0] == "released"
    assert found.to_do == []
    assert not found.can_be_released


def test_a_held_month_that_is_overtaken_says_so_and_offers_no_release(settings):
    store = MetricStore(url=settings.metric_store_url)
    decide(store, "2024-03", "held", 3)
    check(store, "2024-03", "dataset_has_not_drifted", "drift_metrics")
    decide(store, "2024-04", "kept", 4)
    decide(store, "2024-05", "held", 5)
    found = month_of(store, "2024-03")
    assert found.to_do == ["April 2024 has been decided since. There is nothing to do here."]
    assert not found.can_be_released
    assert month_of(store, "2024-05").can_be_released


def test_a_model_that_no_reason_lets_through_is_not_offered(settings):
    store = MetricStore(url=settings.metric_store_url)
    decide(store, "2024-03", "held", 3)
    check(store, "2024-03", "dataset_has_not_drifted", "drift_metrics")
    check(store, "2024-03", "predictions_are_plausible", "registered_model")
    assert not month_of(store, "2024-03").can_be_released


def test_every_page_says_what_needs_a_person(settings):
    store = MetricStore(url=settings.metric_store_url)
    quiet = AppTest.from_file(str(APP / "main.py"), default_timeout=60).run()
    assert not quiet.exception
    assert not [e for e in quiet.expander if "person" in e.label]
    decide(store, "2024-03", "held", 3)
    st.cache_data.clear()
    shown = AppTest.from_file(str(APP / "main.py"), default_timeout=60).run()
    assert not shown.exception
    (needed,) = [e for e in shown.expander if "person" in e.label]
    assert needed.label == "1 thing needs a person"
    assert "tips release" in needed.caption[0].value


def test_a_month_that_was_stopped_before_training_says_so(settings):
    store = MetricStore(url=settings.metric_store_url)
    check(store, "2024-04", "few_rows_are_quarantined", "raw_tips")
    check(store, "2024-04", "no_group_is_worse", "registered_model", blocking=False)
    found = month_of(store, "2024-04")
    assert found.verdict == (
        "stopped",
        "2024-04 has stopped at raw_tips; nothing was trained or promoted.",
    )
    assert "`tips quarantine --month 2024-04`" in found.to_do[0]
    assert [row["check"] for row in found.warned_by] == ["no_group_is_worse"]
    assert months_known(store) == ["2024-04"]


def test_a_failed_run_is_shown_before_anything_else(settings):
    store = MetricStore(url=settings.metric_store_url)
    decide(store, "2024-05", "promoted", 5)
    run = {"run_id": "one", "month": "2024-05", "job": "job", "status": "FAILURE"}
    store.record_run(run | {"ended_at": AT, "failure": "the disk is full"}, {})
    assert month_of(store, "2024-05").verdict == ("failed", "the disk is full")


def test_refused_rows_are_shown_on_request(settings):
    store = MetricStore(url=settings.metric_store_url)
    fill(store, 2)
    refused = pd.DataFrame([("a.csv", 7, "total_bill", "<b>-3</b>", "must be at least 0.01 USD")])
    refused.columns = ["file", "row", "column", "value", "reason"]
    refused["row"] = refused["row"].astype("Int64")
    write_atomically(quarantine_file(settings.storage_root, "2020-02"), refused.to_parquet())
    shown = opened("reports")
    assert not shown.dataframe
    shown.toggle[0].set_value(True).run()
    assert not shown.exception
    assert shown.toggle[0].label == "Show what was refused (rows: 1, whole files: 0)"
    (row,) = shown.dataframe[0].value.to_dict("records")
    assert list(row.values())[:4] == ["a.csv", "7", "Total bill", "<b>-3</b>"]


def test_reports_are_shown_while_the_metric_store_is_away(settings, monkeypatch):
    report = report_folder(settings.storage_root, "2024-01") / "data_drift.html"
    write_atomically(report, b"<html><body>the report</body></html>")
    monkeypatch.setenv("TIPS_METRIC_STORE", "postgresql+psycopg2://nobody@127.0.0.1:1/none")
    get_settings.cache_clear()
    begun = time.monotonic()
    (warning,) = opened("reports").warning
    assert "The metric store cannot be reached" in warning.value.replace("\\", "")
    for page in ("history", "model"):
        assert "cannot be reached" in words_on(opened(page))
    assert time.monotonic() - begun < 20
    assert months_with_reports(settings.storage_root) == ["2024-01"]
    assert read_report(settings.storage_root, "2024-01", "data_drift") is not None


def test_nobody_waits_for_mlflow_as_long_as_a_run_does(settings, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    assert not AppTest.from_file(str(APP / "main.py"), default_timeout=60).run().exception
    assert float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]) <= sources.WITHIN_SECONDS
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
