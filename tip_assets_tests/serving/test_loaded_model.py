"""The registered model answers raw records over HTTP, from nothing but its own artifact."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from tip_assets import contract
from tip_assets.modelling.search import best_of, search
from tip_assets.modelling.split import PART, TRAIN
from tip_assets.modelling.training import load_booster, predict_rows, read_report, train_booster
from tip_assets.tracking.registry import ModelRegistry
from tip_assets.tracking.runs import log_model

BINARIES = Path(sys.executable).parent
SAME_MAJOR, OTHER_MAJOR = f"{contract.VERSION.partition('.')[0]}.99", "99.0"
REFUSED = f"follow contract {OTHER_MAJOR}, this model was made for contract {contract.VERSION}"


@pytest.fixture(scope="module")
def ubj(rows, recipe):
    return train_booster(
        "2024-01", rows, best_of(search(rows[rows[PART] == TRAIN], recipe)), recipe
    )


@pytest.fixture(scope="module")
def model_path(ubj, tmp_path_factory):
    """The folder of a logged model."""
    folder = tmp_path_factory.mktemp("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment(
        experiment_id=mlflow.create_experiment("serving", str(folder / "artifacts"))
    )
    with mlflow.start_run():
        log_model(mlflow, read_report(ubj), ubj)
    (model,) = mlflow.search_logged_models(output_format="list")
    return Path(model.artifact_location)


@pytest.fixture(scope="module")
def invocations(model_path):
    """The address of `mlflow models serve` on the model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [BINARIES / "mlflow", "models", "serve", "-m", model_path, "--env-manager", "local"]
    environment = os.environ | {"PATH": f"{BINARIES}:{os.environ['PATH']}"}
    server = subprocess.Popen(
        [*map(str, command), "--host", "127.0.0.1", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2)
            break
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    assert server.poll() is None, "mlflow models serve ended"
    yield f"http://127.0.0.1:{port}/invocations"
    os.killpg(server.pid, 15)
    server.wait(20)


def ask(address: str, records: list[dict], **params: object) -> tuple[int, dict]:
    request = urllib.request.Request(
        address,
        json.dumps({"dataframe_records": records, "params": params}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.services
def test_raw_records_are_answered_in_dollars(invocations, sample, rows, ubj):
    records = sample[contract.FEATURE_NAMES].to_dict("records")
    status, answer = ask(invocations, records)
    assert status == 200
    assert answer["predictions"] == pytest.approx(predict_rows(load_booster(ubj), rows).tolist())


@pytest.mark.services
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"day": "Someday"}, "day = 'Someday' is not one of Thur, Fri"),
        ({"total_bill": -3}, "total_bill = -3 is not a number from 0.01 to 300"),
        ({"smoker": 1}, "smoker"),
        ({"time": ...}, "missing inputs ['time']"),
    ],
)
def test_what_the_contract_refuses_is_a_clear_error(invocations, sample, change, words):
    record = sample[contract.FEATURE_NAMES].iloc[0].to_dict() | change
    record = {name: value for name, value in record.items() if value is not ...}
    status, answer = ask(invocations, [record])
    assert status == 400
    assert words in answer["message"]


@pytest.mark.services
def test_what_was_never_seen_is_returned_over_http_on_request(invocations, sample):
    records = sample[contract.FEATURE_NAMES].head(1).to_dict("records")
    strange = records[0] | {"total_bill": 250.0, "day": "Mon"}
    status, answer = ask(invocations, [*records, strange], with_never_seen=True)
    assert status == 200
    usual, strange_answer = answer["predictions"]
    assert usual["never_seen"] == ""
    assert strange_answer["never_seen"].startswith("Mondays; bills above ")
    _, plain = ask(invocations, [strange])
    assert plain["predictions"] == [pytest.approx(strange_answer["predicted_tip_usd"])]


@pytest.mark.services
@pytest.mark.parametrize(
    ("stated", "status"),
    [("", 200), (contract.VERSION, 200), (SAME_MAJOR, 200), (OTHER_MAJOR, 400)],
)
def test_records_of_another_major_contract_are_refused_over_http(
    invocations, sample, stated, status
):
    records = sample[contract.FEATURE_NAMES].head(1).to_dict("records")
    code, answer = ask(invocations, records, contract_version=stated)
    assert code == status
    if status == 400:
        assert REFUSED in answer["message"]


def test_the_registry_states_todays_contract(model_path, sample, monkeypatch):
    registry = ModelRegistry(mlflow.MlflowClient())
    (model,) = mlflow.search_logged_models(output_format="list")
    tags = {contract.VERSION_TAG: contract.VERSION}
    version = registry.register(str(model_path), model.source_run_id, model.model_id, tags)
    records = sample[contract.FEATURE_NAMES]
    assert len(registry.predict(version.number, records)) == len(records)
    assert version.reads_todays_records
    monkeypatch.setattr(contract, "VERSION", OTHER_MAJOR)
    assert not version.reads_todays_records
    with pytest.raises(MlflowException, match=re.escape(REFUSED)):
        registry.predict(version.number, records)


def test_records_are_answered_as_pandas_reads_them(model_path, sample, rows, ubj):
    """Whole numbers as integers, and the tip still among the columns."""
    model = mlflow.pyfunc.load_model(str(model_path))
    predicted = model.predict(sample)
    assert list(predicted) == pytest.approx(list(predict_rows(load_booster(ubj), rows)))
    whole = sample.assign(total_bill=sample["total_bill"].round().astype(int))
    assert len(model.predict(whole)) == 244


def test_the_artifact_needs_neither_this_project_nor_pickle(model_path):
    files = {path.name for path in model_path.rglob("*") if path.is_file()}
    assert {"booster.ubj", "contract.json", "served_model.py", "input_example.json"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".cloudpickle"))]
    code = (model_path / "served_model.py").read_text()
    assert "import tip_assets" not in code
    assert "from tip_assets" not in code
    required = (model_path / "requirements.txt").read_text().split()
    assert all("==" in line for line in required)
    assert not any(line.startswith(("hyperopt", "evidently", "dagster")) for line in required)
