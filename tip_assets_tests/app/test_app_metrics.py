"""The app's own numbers: names by Prometheus' conventions, and exceptions that nobody caught."""

import logging
import subprocess
from collections.abc import Iterator

import pytest
from prometheus_client.exposition import generate_latest
from streamlit.testing.v1 import AppTest

from app.app_metrics import AppMetrics, count_exceptions


@pytest.fixture
def metrics() -> Iterator[AppMetrics]:
    loggers = [logging.getLogger(name) for name in ("app", "streamlit.error_util")]
    before = [list(logger.handlers) for logger in loggers]
    made = AppMetrics()
    count_exceptions(made)
    yield made
    for logger, handlers in zip(loggers, before, strict=True):
        logger.handlers = handlers


def exceptions(metrics: AppMetrics) -> float | None:
    return metrics.registry.get_sample_value("tips_app_exceptions_total")


def broken_page() -> None:
    raise RuntimeError("a fault of the page")


def page() -> None:
    import streamlit as st

    st.error("a refusal")


def test_exceptions_of_pages_and_of_the_background_count(metrics):
    assert exceptions(metrics) == 0
    AppTest.from_function(page).run()
    logging.getLogger("app.background").warning("no exception")
    assert exceptions(metrics) == 0
    AppTest.from_function(broken_page).run()
    assert exceptions(metrics) == 1
    try:
        broken_page()
    except RuntimeError:
        logging.getLogger("app.background").exception("housekeeping failed")
    assert exceptions(metrics) == 2


def test_promtool_has_nothing_to_say(metrics):
    metrics.predicted("form")
    text = generate_latest(metrics.registry).decode()
    assert "tips_app_model_registered_timestamp_seconds" in text
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
