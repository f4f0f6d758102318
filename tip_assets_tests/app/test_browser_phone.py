"""The app on a phone, in light and dark, and the page that releases a held month."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tip_assets.metric_store.store import MetricStore
from tip_assets_tests.support.app import DESKTOP, PHONE, Visit

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

ADDRESSES = ["", "score", "feedback", "reports?month=2024-02", "history", "model"]
ADDRESSES.append("report?month=2024-02&report=data_drift")
# Streamlit's own navigation puts its list items into a `div` in a `ul`.
OF_STREAMLIT = {"list", "listitem"}
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture
def phone(browser, address):
    page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]})
    visit = Visit(page).listen()
    visit.open(address)
    yield visit
    page.close()


def in_sight(visit: Visit, selector: str) -> bool:
    """Whether the whole of an element lies within the screen, below the app's header."""
    box = visit.page.locator(selector).first.bounding_box()
    return box is not None and box["y"] >= 50 and box["y"] + box["height"] <= PHONE[1]


def test_the_answer_comes_into_view_and_is_announced(phone):
    for bill in ("20", "30,50"):
        phone.page.get_by_role("textbox", name="Total bill").fill(bill)
        phone.page.get_by_role("button", name="Predict the tip").click()
        phone.settle()
        phone.page.wait_for_function(
            "(top) => document.querySelector('[data-testid=stMetric]')"
            "?.getBoundingClientRect().top < top",
            arg=PHONE[1] / 2,
        )
        assert in_sight(phone, "[data-testid=stMetricValue]")
        announced = phone.page.locator("[role=status]", has_text="Predicted tip").inner_text()
        assert phone.page.get_by_test_id("stMetricValue").first.inner_text() in announced
    assert phone.problems == []


def test_a_report_fits_the_screen_of_a_phone(phone, address):
    phone.open(f"{address}/report?month=2024-02&report=data_drift")
    outer = phone.page.locator("iframe[srcdoc]").element_handle().content_frame()
    frame = outer.wait_for_selector("iframe")
    box = frame.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]
    assert outer.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("scheme", "size", "paper"),
    [("light", DESKTOP, "rgb(255, 255, 255)"), ("dark", PHONE, "rgb(15, 20, 25)")],
)
def test_every_page_follows_the_systems_scheme_and_meets_wcag(
    browser, address, scheme, size, paper
):
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    visit, axe = Visit(page), Axe()
    for path in ADDRESSES:
        visit.open(f"{address}/{path}")
        shown = page.get_by_test_id("stApp").evaluate("e => getComputedStyle(e).backgroundColor")
        assert shown == paper
        found = axe.run(page, options=WCAG).response["violations"]
        faults = {fault["id"]: fault["nodes"][0]["html"] for fault in found}
        assert {name: html for name, html in faults.items() if name not in OF_STREAMLIT} == {}
    page.close()


def test_a_held_month_is_released_from_its_page_with_a_reason(phone, address, platform):
    phone.open(f"{address}/reports?month=2024-02")
    button = phone.page.get_by_role("button", name="Release version 2")
    button.click()
    phone.page.wait_for_selector("text=Enter a reason")
    phone.page.get_by_role("textbox", name="Reason for the release").fill("a new menu")
    button.click()
    phone.page.wait_for_selector("text=By a person: a new menu.", timeout=120_000)
    phone.settle()
    last = MetricStore(url=platform.metric_store_url).history()[-1]
    assert (last["action"], last["champion_after"], last["challenger"]) == ("released", 2, 2)
    assert last["person"]
    assert phone.page.get_by_role("button", name="Release version 2").count() == 0
