"""Settings come from the Parameter Store, which also says who serves; errors are messages."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
from pydantic import ValidationError

from tip_assets.automation.run_sensors import silence_sensor
from tip_assets.runtime.published_parameters import publish_parameters
from tip_assets.settings import Settings
from tip_assets.settings.parameter_store import ParameterError
from tip_assets.settings.stored import tracking_uri_of
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.registry import CHAMPION, MONTH, ModelRegistry
from tip_assets_tests.support.aws_calls import assert_recorded, played
from tip_assets_tests.support.terraform import FOLDER

pytestmark = pytest.mark.services
TIPS = Path(sys.executable).parent / "tips"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:tips"


class Store:
    """The parameters of one test."""

    def __init__(self, aws, prefix: str) -> None:
        self.prefix, self.client = prefix, aws.client("ssm")

    def put(self, **texts: str) -> None:
        for name, text in texts.items():
            self.client.put_parameter(Name=f"{self.prefix}/{name}", Value=text, Type="String")

    def versions(self) -> dict[str, int]:
        """How often each parameter was written."""
        return {name: found["Version"] for name, found in self._all().items()}

    def __getitem__(self, name: str) -> str:
        return self._all()[name]["Value"]

    def _all(self) -> dict[str, dict]:
        found = self.client.get_parameters_by_path(Path=self.prefix)["Parameters"]
        return {parameter["Name"].removeprefix(f"{self.prefix}/"): parameter for parameter in found}


@pytest.fixture
def store(aws, monkeypatch, tmp_path):
    """An empty store, to which the environment leads."""
    prefix = f"/{tmp_path.name}"
    for name, value in (aws.environment() | {"TIPS_PARAMETER_PREFIX": prefix}).items():
        monkeypatch.setenv(name, value)
    return Store(aws, prefix)


@pytest.fixture
def registry(store, monkeypatch, tmp_path):
    """A registry with two versions, in the storage that the store names."""
    store.put(initial_paths=json.dumps({"storage": str(tmp_path)}))
    tracking = MlflowTracking(
        tracking_uri=Settings().tracking_uri, artifact_root=str(tmp_path), ui_url=""
    )
    made = ModelRegistry(tracking.client)
    made._make_model()
    for month in ("2024-01", "2024-02"):
        made.client.create_model_version("waiter-tips", str(tmp_path), tags={MONTH: month})
    return made


def tips(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Type a command in a fresh process, under this environment alone."""
    ours = ("TIPS_", "DAGSTER_", "MLFLOW_", "AWS_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [TIPS, *arguments],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_parameters_stand_for_what_the_environment_does_not_say(store, monkeypatch):
    assert Settings().storage == "./data", "what is not stored is the default"
    store.put(
        initial_paths=json.dumps({"bucket": "tips", "storage": "s3://tips/platform"}),
        tracking_server_host="mlflow.internal",
        sns_topic_arn=TOPIC,
    )
    stored = Settings()
    assert stored.storage == "s3://tips/platform"
    assert stored.tracking_uri == stored.mlflow_ui_url == "http://mlflow.internal:5000"
    assert stored.sns_topic_arn == TOPIC
    monkeypatch.setenv("TIPS_STORAGE", "here")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///here.db")
    given = Settings()
    assert (given.storage, given.tracking_uri) == ("here", "sqlite:///here.db")
    assert given.sns_topic_arn == TOPIC
    monkeypatch.setenv("TIPS_SNS_TOPIC_ARN", TOPIC)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert Settings() == given, "a store that has nothing to add is not asked"


@pytest.mark.parametrize(
    ("host", "uri"),
    [
        ("10.0.1.7", "http://10.0.1.7:5000"),
        ("mlflow.internal:8080", "http://mlflow.internal:8080"),
        ("https://mlflow.example.com", "https://mlflow.example.com"),
    ],
)
def test_a_bare_host_is_a_tracking_server_on_port_5000(host, uri):
    assert tracking_uri_of(host) == uri


@pytest.mark.parametrize("text", ["tips", "{", "[]", '{"bucket": "tips"}', '{"storage": 3}'])
def test_a_parameter_that_cannot_be_used_is_named(store, text):
    store.put(initial_paths=text)
    with pytest.raises(ParameterError) as error:
        Settings()
    assert f"{store.prefix}/initial_paths" in str(error.value)
    assert text in str(error.value)


def test_a_prefix_that_is_none_is_refused(store, monkeypatch):
    monkeypatch.setenv("TIPS_PARAMETER_PREFIX", "tip-platform")
    with pytest.raises(ValidationError, match="parameter_prefix"):
        Settings()


def test_a_store_that_denies_or_does_not_answer_gives_a_clear_error(aws, store):
    expected = f"the parameters under {store.prefix} (TIPS_PARAMETER_PREFIX) cannot be read: "
    with aws.somebody_who_may("sns:Publish") as denied:
        done = tips(denied | {"TIPS_PARAMETER_PREFIX": store.prefix}, "history")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {expected}")
    assert "not authorized to perform: ssm:GetParameters" in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as silent:
        away = aws.environment() | {
            "TIPS_PARAMETER_PREFIX": store.prefix,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
        started = time.monotonic()
        done = tips(away, "history")
    assert time.monotonic() - started < 30
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {expected}")
    assert away["AWS_ENDPOINT_URL"] in done.stderr
    assert "Traceback" not in done.stderr


def test_who_serves_is_written_when_it_changes_and_only_then(
    aws, aws_calls, store, registry, monkeypatch, capsys
):
    settings = Settings()
    assert publish_parameters(settings) == []
    assert store.versions() == {"initial_paths": 1, "artifact_paths": 1}, "nobody serves yet"
    registry.point(CHAMPION, 2)
    with aws.somebody_who_may("ssm:GetParameters") as reader, monkeypatch.context() as denied:
        for name, value in reader.items():
            denied.setenv(name, value)
        (problem,) = publish_parameters(settings)
    assert f"{store.prefix} (TIPS_PARAMETER_PREFIX) cannot be written (logged_model)" in problem
    assert "not authorized to perform: ssm:PutParameter" in problem
    with (
        dg.build_sensor_context(
            instance=dg.DagsterInstance.ephemeral(), resources={"settings": settings}
        ) as context,
        played(aws_calls, "code-location"),
    ):
        silence_sensor(context)
    logged = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert logged == {"tips_states": 0, "names": []}
    assert '"$.tips_states"' in (FOLDER / "alarms.tf").read_text()
    assert store["logged_model"] == "models:/waiter-tips/2"
    assert publish_parameters(settings) == []
    assert set(store.versions().values()) == {1}, "the same value is no new version"
    here = aws.environment() | {"TIPS_PARAMETER_PREFIX": store.prefix}
    done = tips(here, "rollback", "--to", "1", "--reason", "complaints")
    assert (done.returncode, done.stderr) == (0, "")
    assert store["logged_model"] == "models:/waiter-tips/1"


def test_a_month_by_the_store_alone_notifies_people_and_names_the_champion(
    aws, aws_calls, store, tmp_path
):
    topic, queue = aws.topic_with_queue(tmp_path.name)
    store.put(
        initial_paths=json.dumps({"storage": str(tmp_path / "storage")}),
        tracking_server_host="mlflow.invalid",
        sns_topic_arn=topic,
    )
    settings = {
        "TIPS_PARAMETER_PREFIX": store.prefix,
        "TIPS_TRIALS": "4",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
    }
    run = ("run", "--month", "2024-01", "--json")
    reader_only = aws.somebody_who_may("ssm:GetParameters", "sns:Publish")
    with reader_only as reader, aws_calls.recording():
        done = tips(reader | settings, *run, "--sample")
    outcome = json.loads(done.stdout)
    assert (done.returncode, outcome["ending"], outcome["champion"]) == (0, "done", 1)
    (problem,) = outcome["not_told"]
    assert "not authorized to perform: ssm:PutParameter" in problem
    drift, training = sorted(aws.received(queue), key=lambda body: body["Subject"])
    assert training["Subject"] == "Waiter tip prediction training results 2024-01: promoted"
    assert "promoted: first model that passes the quality checks" in training["Message"]
    assert drift["Message"].startswith(
        "No data drift has been detected. Results are: [('total_bill'"
    )

    with aws_calls.recording():
        again = tips(aws.environment() | settings, *run)
    assert json.loads(again.stdout)["not_told"] == []
    assert aws.received(queue) == []
    shown = json.loads(tips(aws.environment() | settings, "parameters", "--json").stdout)
    assert shown["logged_model"]["value"] == "models:/waiter-tips/1"
    assert shown["sns_topic_arn"]["value"] == topic
    paths = json.loads(shown["artifact_paths"]["value"])
    assert sorted(paths) == ["assets", "landing", "mlflow", "quarantine", "reports"]
    assert all(any(Path(path).iterdir()) for path in paths.values())
    assert_recorded("test_parameters", aws_calls.rights())
