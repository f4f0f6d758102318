"""Draw the pictures of the app in `docs/`: `make pictures`, which plays a demo before."""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tip_assets_tests.support.app import Visit, chromium, running_app  # noqa: E402

SIZE = {"width": 1280, "height": 860}


def draw(page: Page, address: str) -> None:
    """Save a picture of a prediction, of a held month and of the history."""
    visit = Visit(page)
    visit.open(address)
    page.get_by_role("textbox", name="Total bill").fill("24.50")
    page.get_by_role("button", name="Predict the tip").click()
    page.wait_for_selector("[data-testid=stMetricValue]")
    _save(visit, "app-predict")
    for name, path in (("app-reports", "reports?month=2024-03"), ("app-history", "history")):
        visit.open(f"{address}/{path}")
        _save(visit, name)


def _save(visit: Visit, name: str) -> None:
    visit.settle()
    visit.page.mouse.move(0, 0)
    visit.page.wait_for_timeout(1_500)  # plots are drawn after the page
    drawn = Image.open(io.BytesIO(visit.page.screenshot()))
    drawn.quantize(256).save(ROOT / "docs" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    with running_app(Path(sys.argv[1]).resolve()) as app, chromium() as browser:
        draw(browser.new_page(viewport=SIZE, color_scheme="light"), app)
