"""Pages of predictions within the tests: a storage with models, forms to fill, words to read.

Belongs here: that. Does not belong here: what must be true of the pages, or the app as a process of
its own (`support/app.py`).
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import app
from app import sources
from app.scoring_jobs import scoring_jobs
from tip_assets.modelling.recipe import Recipe
from tip_assets.modelling.search import best_of, search
from tip_assets.modelling.split import PART, TRAIN
from tip_assets.modelling.training import read_report, train_booster
from tip_assets.settings import Settings
from tip_assets.tracking.registry import CHAMPION
from tip_assets.tracking.runs import log_model, version_tags
from tip_assets_tests.support.app import forget_the_app
from tip_assets_tests.support.records import record

VIEWS = Path(app.__file__).parent / "views"
RECORD = record(total_bill=24.5)
MONTH = datetime.now(UTC).strftime("%Y-%m")


def register_two_versions(folder: Path, rows: pd.DataFrame, recipe: Recipe) -> Path:
    """A storage with two registered versions of one model and no champion."""
    best = best_of(search(rows[rows[PART] == TRAIN], recipe))
    ubj = train_booster("2024-01", rows, best, recipe)
    settings = Settings(storage=str(folder))
    registry = sources._registry(settings)
    experiment = registry.client.create_experiment("app", str(folder / "mlflow"))
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run() as run:
        log_model(mlflow, read_report(ubj), ubj)
    (model,) = mlflow.search_logged_models(output_format="list")
    for _ in range(2):
        registry.register(
            f"models:/{model.model_id}",
            run.info.run_id,
            model.model_id,
            version_tags(read_report(ubj)),
        )
    registry.client.set_terminated(run.info.run_id)
    return folder


@contextmanager
def pages_on(storage: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The storage as the app's settings name it; nothing is logged, and version 1 serves."""
    for file in storage.glob("metrics.db*"):
        file.unlink()
    shutil.rmtree(storage / "landing", ignore_errors=True)
    monkeypatch.setenv("TIPS_STORAGE", str(storage))
    monkeypatch.setenv("TIPS_CHAMPION_CHECK_SECONDS", "0.2")
    monkeypatch.setenv("TIPS_APP_METRICS_PORT", "0")
    forget_the_app()
    sources.registry().point(CHAMPION, 1)
    yield
    forget_the_app()


def until(true: Callable[[], object], within_seconds: float = 20) -> None:
    deadline = time.monotonic() + within_seconds
    while not true():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.02)


def page(name: str, **query: str) -> AppTest:
    test = AppTest.from_file(VIEWS / f"{name}.py", default_timeout=60)
    for key, value in query.items():
        test.query_params[key] = value
    test.run()
    assert not test.exception
    return test


def fill(test: AppTest, bill: float | None, size: int = 2) -> AppTest:
    test.text_input(key="bill_total_bill").set_value("" if bill is None else f"{bill:.2f}")
    test.number_input(key="bill_size").set_value(size)
    for name in ("sex", "smoker", "time"):
        test.radio(key=f"bill_{name}").set_value(RECORD[name])
    test.selectbox(key="bill_day").set_value(RECORD["day"])
    test.button[0].click().run()
    assert not test.exception
    return test


def score(test: AppTest, name: str, content: bytes) -> AppTest:
    """Upload a file to the page of files, and wait for what becomes of it."""
    test.file_uploader[0].set_value((name, content, "text/csv"))
    test.run()
    test.button[0].click().run()
    key = str(test.query_params.get("job", ""))
    job = scoring_jobs().find(key)
    if job:
        until(lambda: not job.is_running)
        test.run()
    assert not test.exception
    return test


def words(test: AppTest) -> str:
    kinds = (test.markdown, test.caption, test.warning, test.error, test.success)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def numbers(test: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in test.metric}
