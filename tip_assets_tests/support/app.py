"""The app as a process of its own, and a browser that looks at it; the app within the tests.

Belongs here: starting and stopping them, and waiting for a page. Does not belong here: what must be
true of the pages (`app/test_browser.py`, `app/test_login.py`).
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from app import predictions, sources
from app.scoring_jobs import scoring_jobs
from tip_assets.settings import get_settings
from tip_assets_tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
READY_WITHIN_SECONDS = 60
DESKTOP, PHONE = (1440, 900), (390, 844)
# What a check says may quote a cell of a file: it must be shown, and mean nothing.
HOSTILE = (
    "<img src=x onerror=alert(1)> [here](http://example.org) ![p](/p.png) $x^2$ :red[hot] "
    "www.example.org a@example.org `code`"
)
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def forget_the_app() -> None:
    """Read the settings anew, and end what the app's pages within this process stand on."""
    get_settings.cache_clear()
    sources._metric_store.cache_clear()
    sources._registry.cache_clear()
    for source in (sources.METRICS, sources.REGISTRY, sources.STORAGE):
        source.failed_at = float("-inf")
    for made in predictions._made.values():
        made.stop()
    predictions._made.clear()
    scoring_jobs.cache_clear()


@contextmanager
def running_app(storage: Path, port: int | None = None, **settings: str) -> Iterator[str]:
    """`tips app` on a storage; gives its address, and stops it."""
    port = port or free_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TIPS_", "MLFLOW_"))}
    environment = clean | {
        "TIPS_STORAGE": str(storage),
        "TIPS_APP_PORT": str(port),
        "TIPS_APP_METRICS_PORT": str(free_port()),
        **settings,
    }
    log = storage.with_name(f"{storage.name}-app.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "tips", "app"],
            env=environment,
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser without windows or wishes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield browser
        browser.close()


@dataclass
class Visit:
    """A browser's page, and everything that went wrong on it."""

    page: Page
    problems: list[str] = field(default_factory=list)

    def listen(self) -> "Visit":
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._request)
        return self

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run and everything is drawn."""
        self.page.wait_for_selector("h1")
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        for waiting in ("stSkeleton", "stSpinner", "stStatusWidget"):
            self.page.wait_for_selector(f"[data-testid={waiting}]", state="detached")
        self.page.wait_for_selector("[data-stale=true]", state="detached")

    def go_to(self, title: str) -> None:
        """Open another page by its name in the navigation, as a person does."""
        if not self.page.get_by_test_id("stSidebarNav").is_visible():
            self.page.get_by_test_id("stExpandSidebarButton").click()
        self.page.get_by_test_id("stSidebarNavLink").get_by_text(title, exact=True).click()
        self.page.wait_for_selector(f"h1:has-text('{title}')")
        self.settle()

    def text(self) -> str:
        return self.page.get_by_test_id("stMain").inner_text()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def _request(self, request: Request) -> None:
        host = request.url.split("/")[2] if "//" in request.url else ""
        if host and not host.startswith(("127.0.0.1", "localhost")):
            self.problems.append(f"asks another server: {request.url}")


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"the app does not answer: {log.read_text()}")
