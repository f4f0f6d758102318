"""A service that is away is named, with its address; other errors are not taken for one."""

import sys
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa
from boto3.exceptions import S3UploadFailedError
from botocore import exceptions as s3
from dagster import DagsterInstance
from dagster._utils.error import serializable_error_info_from_exc_info
from mlflow.exceptions import MlflowException
from psycopg2.errors import AdminShutdown
from upath import UPath

from tip_assets.metric_store.store import MetricStore
from tip_assets.runtime.instance import prepare_instance
from tip_assets.runtime.services import describe_error
from tip_assets.settings import Settings
from tip_assets_tests.support.ports import free_port


def ask_metric_store(port: int, _state: Path) -> None:
    MetricStore(url=f"postgresql+psycopg2://tips:secret@127.0.0.1:{port}/metrics").history()


def ask_dagster(port: int, state: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        url = f"postgresql+psycopg2://tips:secret@127.0.0.1:{port}/dagster"
        patch.setenv("TIPS_DAGSTER_STORAGE", url)
        patch.setenv("DAGSTER_HOME", "")
        prepare_instance(Settings(state=str(state), dagster_storage=url))
        DagsterInstance.get()


def ask_mlflow(port: int, _state: Path) -> None:
    import mlflow

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        mlflow.MlflowClient(f"http://127.0.0.1:{port}").search_experiments()


def ask_s3(port: int, _state: Path) -> None:
    options = {
        "key": "a",
        "secret": "secret",
        "endpoint_url": f"http://127.0.0.1:{port}",
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    }
    (UPath("s3://tips", **options) / "assets" / "x.json").read_bytes()


@pytest.mark.parametrize("in_events", [False, True], ids=["raised", "in Dagster's events"])
@pytest.mark.slow
@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (ask_metric_store, "Postgres"),
        (ask_dagster, "Postgres"),
        (ask_mlflow, "MLflow"),
        (ask_s3, "the S3 storage"),
    ],
)
def test_a_service_that_is_away_is_named(ask, name, in_events, tmp_path):
    port = free_port()
    try:
        ask(port, tmp_path)
    except Exception as error:  # noqa: BLE001 - each library has its own
        carried = serializable_error_info_from_exc_info(sys.exc_info()) if in_events else error
        words = describe_error(carried)
    assert words.startswith(f"{name} does not answer: ")
    assert str(port) in words
    assert "secret" not in words


S3 = {"endpoint_url": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (s3.ConnectTimeoutError(**S3), "the S3 storage does not answer: Connect timeout"),
        (s3.ReadTimeoutError(**S3), "the S3 storage does not answer: Read timeout"),
        (s3.ConnectionClosedError(**S3), "the S3 storage does not answer: Connection was closed"),
        (s3.HTTPClientError(error="broken"), "the S3 storage does not answer: An HTTP Client"),
        (  # who quotes an error does not always carry it
            S3UploadFailedError('Failed to upload x: Could not connect to the endpoint URL: "y"'),
            "the S3 storage does not answer: Failed to upload x",
        ),
        (
            sa.exc.InterfaceError("select 1", None, psycopg2.InterfaceError("already closed")),
            "Postgres does not answer: (psycopg2.InterfaceError) already closed",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_service_that_goes_away_in_the_middle_is_named(error, words):
    assert str(describe_error(error)).startswith(words)


def test_the_message_of_postgres_is_kept():
    own = AdminShutdown("terminating connection due to administrator command\nmore")
    error = sa.exc.OperationalError("select 1", None, own)
    error.__context__ = own
    words = describe_error(error)
    assert words == "Postgres does not answer: terminating connection due to administrator command"


def test_other_errors_are_not_blamed_on_a_service(tmp_path):
    with pytest.raises(sa.exc.OperationalError) as locked:
        sa.create_engine(f"sqlite:///{tmp_path}/nowhere/x.db").connect()
    assert describe_error(locked.value) is None
    assert describe_error(ValueError("the file is empty")) is None
    assert describe_error(MlflowException("Registered Model with name=x not found")) is None
