"""The app's own numbers: names by Prometheus' conventions, and exceptions that nobody caught."""

import logging
import subprocess
from collections.abc import Iterator

import pytest
from prometheus_client.exposition import generate_latest
from streamlit import config
from streamlit.testing.v1 import AppTest

from app.__main__ import MAIN
from app.app_metrics import AppMetrics, count_exceptions


@pytest.fixture
def metrics(monkeypatch) -> Iterator[AppMetrics]:
    """What counts, under the app's own configuration of Streamlit."""
    monkeypatch.setattr(config, "_main_script_path", str(MAIN))
    config.get_config_options(force_reparse=True)
    loggers = [logging.getLogger(name) for name in ("app.scoring_jobs", "streamlit.error_util")]
    before = [list(logger.filters) for logger in loggers]
    made = AppMetrics()
    count_exceptions(made)
    yield made
    for logger, filters in zip(loggers, before, strict=True):
        logger.filters = filters
    monkeypatch.undo()
    config.get_config_options(force_reparse=True)


def exceptions(metrics: AppMetrics) -> float | None:
    return metrics.registry.get_sample_value("tips_app_exceptions_total")


def broken_page() -> None:
    raise RuntimeError("a fault of the page")


def page() -> None:
    import streamlit as st

    st.error("a refusal")


def test_exceptions_that_people_meet_count_and_are_still_logged(metrics, caplog):
    assert exceptions(metrics) == 0
    AppTest.from_function(page).run()
    logging.getLogger("app.scoring_jobs").warning("no exception")
    assert exceptions(metrics) == 0
    AppTest.from_function(broken_page).run()
    assert exceptions(metrics) == 1
    try:
        broken_page()
    except RuntimeError:
        logging.getLogger("app.scoring_jobs").exception("scoring failed")
        # Is tried again; what that means for people has alerts of its own.
        logging.getLogger("app.background").exception("housekeeping failed")
    assert exceptions(metrics) == 2
    assert "a fault of the page" in caplog.text
    assert logging.getLogger("app").handlers == logging.getLogger("app.scoring_jobs").handlers == []


def test_promtool_has_nothing_to_say(metrics):
    metrics.predicted("form")
    text = generate_latest(metrics.registry).decode()
    assert "tips_app_model_registered_timestamp_seconds" in text
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
