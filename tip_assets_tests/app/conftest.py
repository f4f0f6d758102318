"""The app as a person sees it: a real browser on a real platform with two months.

2024-01 is the sample; in 2024-02 prices have risen, so that its promotion is held.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from upath import UPath

from tip_assets.ingestion.simulate import Change, land_generated, land_sample
from tip_assets.metric_store.store import MetricStore
from tip_assets.settings import Settings
from tip_assets_tests.support.app import DESKTOP, HOSTILE, Visit, chromium, running_app
from tip_assets_tests.support.exporter import Samples, scraped, value
from tip_assets_tests.support.ports import free_port
from tip_assets_tests.support.prediction_pages import pages_on, register_two_versions
from tip_assets_tests.support.processes import call, environment_of


@pytest.fixture(scope="session")
def platform(tmp_path_factory) -> Settings:
    storage = tmp_path_factory.mktemp("platform") / "storage"
    land_sample(UPath(storage), "2024-01")
    land_generated(
        UPath(storage), "2024-02", 244, 1, Change(prices=1.4, lunch_share=0.7, larger_parties=0.5)
    )
    done = call(["backfill"], environment_of(storage, TIPS_TRIALS="4"))
    assert done.returncode == 3, done.stdout + done.stderr
    settings = Settings(storage=str(storage))
    hostile = {"check": "hostile", "asset": "raw_tips", "blocking": False, "passed": False}
    store = MetricStore(url=settings.metric_store_url)
    store.record_checks("2024-02", [hostile | {"words": HOSTILE}])
    return settings


@pytest.fixture(scope="session")
def unvisited(platform) -> Iterator[tuple[str, Samples]]:
    """The app's address, and what Prometheus has read before anybody came."""
    port = str(free_port())
    with running_app(Path(platform.storage), TIPS_APP_METRICS_PORT=port) as address:
        deadline = time.monotonic() + 60
        while True:
            found = scraped(f"http://127.0.0.1:{port}/metrics")
            if value(found, "tips_app_model_info", version="1", month="2024-01"):
                break
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        yield address, found


@pytest.fixture(scope="session")
def address(unvisited) -> str:
    return unvisited[0]


@pytest.fixture(scope="session")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, address: str):
    page = browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    visit = Visit(page).listen()
    visit.open(address)
    yield visit
    page.close()


@pytest.fixture(scope="module")
def registered(rows, recipe, tmp_path_factory) -> Path:
    return register_two_versions(tmp_path_factory.mktemp("registered"), rows, recipe)


@pytest.fixture
def storage(registered, monkeypatch) -> Iterator[Path]:
    with pages_on(registered, monkeypatch):
        yield registered
