"""Data that several test modules start from: the sample, raw and split."""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pandas as pd
import pytest
from filelock import FileLock

from tip_assets import contract
from tip_assets.assets.splits import split
from tip_assets.assets.transformed_tips import transform
from tip_assets.ingestion.simulate import sample_bytes
from tip_assets.modelling.recipe import Recipe, recipe_for
from tip_assets.settings import Settings
from tip_assets_tests.support.aws import AwsServer
from tip_assets_tests.support.aws_calls import Recorder
from tip_assets_tests.support.exporter import platform_of_a_month
from tip_assets_tests.support.landing import Place

# Machines are busy: how long an example takes says nothing about the code. `make test` tries the
# same examples each time; the nightly run draws new ones (`--hypothesis-profile random`).
hypothesis.settings.register_profile("random", deadline=None, max_examples=500)
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.load_profile("same")


# Files of tests that take minutes begin first: otherwise the last of them would run alone.
LONG = (
    *("test_stack", "test_crashes", "test_daemon", "test_backfill", "test_browser", "test_s3"),
    "test_grafana_queries",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; within a file the order stays."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


OURS = ("TIPS_", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "DAGSTER_HOME")
MAIN = sys.modules["__main__"]


def forget_other_platforms() -> None:
    """Remove what names a platform: MLflow and Dagster leave theirs behind for child processes."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)
        sys.modules["mlflow"].set_registry_uri(None)
    if "s3fs" in sys.modules:  # it keeps connections by their options, whatever the environment
        sys.modules["s3fs"].S3FileSystem.clear_instance_cache()
    # Streamlit's AppTest puts the app in its place, and processes that are spawned would import it.
    sys.modules["__main__"] = MAIN


@pytest.fixture(scope="module", autouse=True)
def on_its_own() -> Iterator[None]:
    """Every test module starts without a platform in its environment."""
    forget_other_platforms()
    yield
    forget_other_platforms()


@pytest.fixture(scope="session")
def sample() -> pd.DataFrame:
    """The bundled 244 tips as they stand in the file."""
    return pd.read_csv(io.BytesIO(sample_bytes()))


@pytest.fixture(scope="session")
def rows(sample: pd.DataFrame) -> pd.DataFrame:
    """The sample as the asset `splits` holds it."""
    return split(transform(contract.check(sample).accepted), "2024-01")


@pytest.fixture(scope="session")
def recipe(rows: pd.DataFrame) -> Recipe:
    """A recipe of a short search."""
    return recipe_for(rows, **Settings(trials=4).recipe_options)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    """An AWS server that is empty at first."""
    server = AwsServer(tmp_path_factory.mktemp("aws"))
    server.wait()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def aws_calls(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """Notes which calls of AWS's interfaces are made, where a test asks for it."""
    return Recorder(tmp_path_factory.mktemp("aws-calls"))


@pytest.fixture(scope="session")
def month_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a platform that has run the sample month: to be copied, not to be changed.

    One for all processes of a run of the tests: a month takes twelve seconds of a processor.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    made = folder / "month.made"
    with FileLock(folder / "month.lock"):
        if not made.exists():
            platform_of_a_month(folder / "month")
            made.touch()
    return Settings(storage=str(folder / "month"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place in which nothing has landed yet."""
    return Place(tmp_path)
