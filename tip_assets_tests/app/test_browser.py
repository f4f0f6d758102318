"""The app as a person sees it: a real browser on a real platform with two months.

2024-01 is the sample; in 2024-02 prices have risen, so that its promotion is held.
"""

import base64
import json
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from playwright.sync_api import Frame

from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.metric_store import tables
from tip_assets.metric_store.store import MetricStore
from tip_assets.runtime.resources import mlflow_tracking
from tip_assets.tracking.registry import ModelRegistry
from tip_assets_tests.support.app import DESKTOP, HOSTILE, PHONE, Visit
from tip_assets_tests.support.exporter import value
from tip_assets_tests.support.records import record

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

PAGES = ["Predict", "Score a file", "Feedback", "Reports", "History", "Model"]


def test_numbers_and_model_are_there_before_anybody_comes(unvisited):
    """An app that was started again and has no visitor is not down, and not without champion."""
    _, found = unvisited
    for source in ("form", "file"):
        assert value(found, "tips_app_predictions_total", source=source) == 0
        assert value(found, "tips_app_refusals_total", source=source) == 0


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_opens_without_an_error_and_asks_no_other_server(browser, address, size):
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    visit = Visit(page).listen()
    visit.open(address)
    for title in [*PAGES[1:], PAGES[0]]:
        visit.go_to(title)
        assert page.get_by_test_id("stException").count() == 0, visit.text()
        wider = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wider, f"{title} is wider than the screen"
    assert visit.problems == []
    page.close()


def test_a_prediction_is_the_models_own_and_the_form_keeps_its_state(visit, platform):
    model = ModelRegistry(mlflow_tracking(platform).client)
    (expected,) = model.predict(
        1, pd.DataFrame([record(total_bill=31.5, day="Thur", time="Lunch")])
    )
    bill = visit.page.get_by_role("textbox", name="Total bill")
    for _ in range(2):
        bill.fill("31.5")
        visit.page.get_by_role("button", name="Predict the tip").click()
        visit.page.wait_for_selector("[data-testid=stMetricValue]")
        visit.settle()
        shown = visit.page.get_by_test_id("stMetricValue").first.inner_text()
        assert shown == f"${expected:.2f}"
        assert float(bill.input_value()) == 31.5
    assert visit.problems == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x00\xff\x00 no table", "The file cannot be read: it is binary, not text."),
        (
            b"name,price\nsoup,4.5\n",
            "The file has no column total_bill, sex, smoker, day, time, size.",
        ),
        (
            b"total_bill,sex,smoker,day,time,size\n-3,Female,No,Sun,Dinner,2\n",
            "Why rows were refused",
        ),
    ],
    ids=["no table", "another table", "a broken row"],
)
def test_a_bad_file_is_refused_with_a_reason(visit, content, words):
    visit.go_to("Score a file")
    file = {"name": "<b>bills</b>.csv", "mimeType": "text/csv", "buffer": content}
    visit.page.locator("input[type=file]").set_input_files([file])
    visit.page.get_by_role("button", name="Score the file").click()
    visit.page.wait_for_selector("[data-testid=stAlert], [data-testid=stMetricValue]")
    visit.settle()
    assert words in visit.text()
    assert visit.page.get_by_test_id("stException").count() == 0
    assert visit.page.locator("b").count() == 0


def test_the_summary_above_the_reports_is_the_platforms(visit, platform):
    visit.go_to("Reports")
    store, text = MetricStore(url=platform.metric_store_url), visit.text()
    (held,) = [c for c in store.checks("2024-02") if c["blocking"] and not c["passed"]]
    assert "The promotion of 2024-02 is held; the champion keeps serving." in text
    assert held["words"].split(";")[-1].strip() in text
    assert "The data has drifted." in text
    assert "total_bill" not in text
    assert "tips release --month 2024-02 --reason '...'" in text
    assert HOSTILE in text.replace("\u2060", "")  # stands in addresses, so that they are no links
    main = visit.page.get_by_test_id("stMain")
    for meaning in ("img", ".katex", "a[href*=example]"):
        found = main.locator(meaning)
        assert found.count() == 0, found.first.evaluate("e => e.parentElement.outerHTML")
    visit.page.get_by_test_id("stSelectbox").locator("input").click()
    visit.page.get_by_role("option", name="January 2024").click()
    visit.page.wait_for_selector("text=First model that passes the quality checks")
    assert visit.problems == []


def report_frame(visit: Visit) -> Frame:
    """The innermost frame, in which the report is."""
    visit.page.wait_for_selector("iframe[srcdoc]")
    outer = visit.page.locator("iframe[srcdoc]").element_handle().content_frame()
    inner = outer.wait_for_selector("iframe").content_frame()
    inner.wait_for_function("document.body.innerText.length > 300")
    return inner


def test_each_report_is_visible_in_its_frame_and_downloadable(visit, platform):
    visit.go_to("Reports")
    for name, title in REPORTS.items():
        with visit.page.expect_popup() as tab:
            visit.page.get_by_role("link", name=title).click()
        report = Visit(tab.value)
        report.page.wait_for_selector(f"iframe[title='{title}, 2024-02']")
        report.settle()
        file = Path(platform.storage) / "reports" / "2024-02" / f"{name}.html"
        with report.page.expect_download() as download:
            report.page.get_by_role("button", name="Download", exact=True).click()
        assert download.value.suggested_filename == f"2024-02-{name}.html"
        assert Path(download.value.path()).read_bytes() == file.read_bytes()
        assert report_frame(report).locator("body").inner_text().startswith(title)
        report.page.close()


def test_a_report_can_reach_neither_the_app_nor_the_network(visit, address):
    visit.open(f"{address}/report?month=2024-02&report=target_drift")
    assert visit.page.locator("h1").inner_text() == "Target drift, February 2024"
    report = report_frame(visit)
    assert report.evaluate("window.origin") == "null"
    for reach in ("parent.document", "parent.parent.document", "top.document", "document.cookie"):
        assert _fails(report, f"() => void {reach}"), reach
    for reach in (f"fetch('{address}/_stcore/health')", "fetch('https://example.org')"):
        assert _fails(report, f"() => {reach}"), reach
    assert report.evaluate("open('about:blank')") is None
    before = visit.page.url
    report.evaluate("() => { try { top.location = 'about:blank' } catch {} }")
    visit.page.wait_for_timeout(500)  # a page goes elsewhere in its time
    assert visit.page.url == before


def _fails(frame: Frame, script: str) -> bool:
    tried = f"async () => {{ try {{ await ({script})(); return false }} catch {{ return true }} }}"
    return bool(frame.evaluate(tried))


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1", "http://127.0.0.1", 101),
        ("127.0.0.1", "http://elsewhere.example", 403),
        ("elsewhere.example", "http://elsewhere.example", 403),
    ],
    ids=["itself", "a page elsewhere", "a name that points here"],
)
def test_only_the_apps_own_pages_may_talk_to_it(address, host, origin, status):
    port = address.rpartition(":")[2]
    connection = HTTPConnection("127.0.0.1", int(port), timeout=10)
    key = base64.b64encode(b"sixteen letters!").decode()
    connection.putrequest("GET", "/_stcore/stream", skip_host=True)
    for name, words in {
        "Host": f"{host}:{port}",
        "Origin": f"{origin}:{port}" if "127" in origin else origin,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }.items():
        connection.putheader(name, words)
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()


def test_a_file_without_the_pages_token_is_not_taken(address):
    connection = HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]), timeout=10)
    connection.request("PUT", "/_stcore/upload_file/session/file", body=b"x")
    assert connection.getresponse().status == 403


def test_an_address_without_a_report_says_so(visit, address):
    for query in ("", "?month=2024-09&report=data_drift", "?month=../..&report=../secret"):
        visit.open(f"{address}/report{query}")
        assert "names no report" in visit.text()


def test_history_shows_the_points_of_the_metric_store(visit, platform):
    visit.go_to("History")
    visit.page.wait_for_selector(".js-plotly-plot")
    store = MetricStore(url=platform.metric_store_url)
    charts = store.select(sa.select(tables.drift_chart).order_by(tables.drift_chart.c.month))
    (month,) = store.select(sa.select(tables.comparison))
    rows = store.select(sa.select(tables.ingestion).order_by(tables.ingestion.c.month))
    drawn = [points for plot in _plots(visit) for points in plot]
    for chart in {row["chart"] for row in charts}:
        effects = [row["z"] for row in charts if row["chart"] == chart]
        same_size = [points["y"] for points in drawn if len(points["y"]) == len(effects)]
        assert any(drawn_effects == pytest.approx(effects) for drawn_effects in same_size)
    assert any(points["y"] == pytest.approx([month["difference"]]) for points in drawn)
    assert any(points["y"] == [row["rows_kept"] for row in rows] for points in drawn)


@pytest.mark.parametrize("plot", ["drift", "served_errors"])
def test_a_click_on_a_month_opens_its_report_with_the_largest_errors(visit, plot):
    visit.go_to("History")
    point = visit.page.locator(f".st-key-{plot} .scatterlayer path.point").last
    point.scroll_into_view_if_needed()
    visit.settle()
    box = point.bounding_box()
    assert box is not None
    visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visit.page.wait_for_url("**/reports?month=2024-02*")
    visit.settle()
    assert visit.page.get_by_role("switch", name="Show the largest errors").is_checked()
    assert visit.page.get_by_test_id("stDataFrame").count() == 1


def _plots(visit: Visit) -> list[list[dict[str, Any]]]:
    """The traces of each plot, as numbers."""
    script = """() => JSON.stringify([...document.querySelectorAll('.js-plotly-plot')].map(
        plot => plot._fullData.map(trace => ({y: Array.from(trace.y || [])}))))"""
    return json.loads(visit.page.evaluate(script))


def test_the_model_page_names_the_version_and_the_way_back(visit, platform):
    visit.go_to("Model")
    run = ModelRegistry(mlflow_tracking(platform).client)
    metrics = run.client.get_run(run.version(1).run_id).data.metrics
    text = visit.text()
    assert "Version 1" in text
    assert f"${metrics['test_rmse']:.2f}" in text
    assert "tips rollback --reason '...'" in text
    assert visit.problems == []
