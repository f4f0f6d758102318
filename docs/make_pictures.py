"""Draw the pictures of the app in `docs/`: `make pictures`, which plays a demo before."""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tip_assets.ingestion.simulate import sample_bytes  # noqa: E402
from tip_assets_tests.support.app import Visit, chromium, running_app  # noqa: E402

SIZE = {"width": 1280, "height": 860}


# By the picture's name, the address of a page.
PAGES = {
    "app-feedback": "feedback",
    "app-reports": "reports?month=2024-03",
    "app-history": "history",
    "app-model": "model",
}


def draw(page: Page, address: str) -> None:
    """Save a picture of each page: after a prediction, after a file, and of a held month."""
    visit = Visit(page)
    visit.open(address)
    page.get_by_role("textbox", name="Total bill").fill("24.50")
    page.get_by_role("button", name="Predict the tip").click()
    page.wait_for_selector("[data-testid=stMetricValue]")
    _save(visit, "app-predict")
    visit.open(f"{address}/score")
    sample = {"name": "bills.csv", "mimeType": "text/csv", "buffer": sample_bytes()}
    page.locator("input[type=file]").set_input_files(sample)
    page.get_by_role("button", name="Score the file").click()
    page.wait_for_selector("[data-testid=stDataFrame]")
    _save(visit, "app-score")
    for name, path in PAGES.items():
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
