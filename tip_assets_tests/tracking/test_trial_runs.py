"""Trials are logged once each, in the worker process, whatever an earlier attempt left."""

import time
from types import SimpleNamespace

import pytest
from dagster._utils.error import serializable_error_info_from_exc_info
from mlflow.exceptions import MlflowException

from tip_assets.modelling.search import Trial
from tip_assets.reporting.run_facts import _step_failure
from tip_assets.settings import TRAINING_EXPERIMENT
from tip_assets.tracking import worker
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.trial_runs import TRIAL, log_trials
from tip_assets.tracking.worker import FreshProcess
from tip_assets_tests.support.ports import free_port

TRIALS = [Trial(number, {"max_depth": 3.0}, 1.1, 0.1, 20) for number in range(1, 26)]


@pytest.fixture
def process(monkeypatch):
    """Give a worker that imports nothing before it is asked to work, by a tracking URI."""
    monkeypatch.setattr(worker, "import_libraries", str)
    monkeypatch.setattr(worker, "_warm", [])
    made = []

    def start(tracking_uri: str) -> FreshProcess:
        process = FreshProcess(tracking_uri=tracking_uri)
        process.setup_for_execution(None)
        made.append(process)
        return process

    yield start
    for pool in worker._warm:
        pool.shutdown()


@pytest.fixture
def tracking(tmp_path):
    return MlflowTracking(
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifact_root=str(tmp_path), ui_url=""
    )


def logged(tracking: MlflowTracking, experiment: str) -> list[tuple[str, str]]:
    """The trials under an experiment, each with the status of its run."""
    runs = tracking.client.search_runs([experiment], f"tags.`{TRIAL}` != ''", max_results=1000)
    return sorted((run.data.tags[TRIAL], run.info.status) for run in runs)


def test_every_trial_is_there_once_and_what_was_left_half_done_is_logged_anew(tracking, process):
    experiment = tracking.experiment_id(TRAINING_EXPERIMENT)
    parent = tracking.client.create_run(experiment).info.run_id
    log_trials(tracking.client, experiment, parent, "2024-01", TRIALS[:2])
    tags = {"mlflow.parentRunId": parent, TRIAL: "3"}
    tracking.client.create_run(experiment, tags=tags)  # as if killed in the middle
    expected = sorted((str(trial.number), "FINISHED") for trial in TRIALS)
    for _ in range(2):
        log = process(tracking.tracking_uri).trial_log(experiment, parent, "2024-01")
        for trial in TRIALS:
            log.add(trial)
        log.finish()
        assert logged(tracking, experiment) == expected


def hand_in(log: worker.TrialLog) -> None:
    for trial in TRIALS:
        log.add(trial)
    log.finish()


def test_a_server_that_is_away_is_named_and_the_worker_ends_with_the_run(process, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    resource = process(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(MlflowException) as failure:
        hand_in(resource.trial_log("1", "run", "2024-01"))
    assert words_of(failure).startswith("best_params: MLflow does not answer: API request to ")
    (pool,) = worker._warm
    (child,) = pool._processes.values()
    resource._work.append(pool.submit(time.sleep, 600))
    resource.teardown_after_execution(None)
    # Not by `join`, which misses an end that the pool's own thread has just collected.
    deadline = time.monotonic() + 10
    while child.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.is_alive()
    assert worker._warm == []


def test_an_error_of_the_worker_keeps_its_message(process, tracking):
    tracking.client.search_experiments()  # makes the database
    log = process(tracking.tracking_uri).trial_log("999", "run", "2024-01")
    with pytest.raises(MlflowException, match="No Experiment with id=999") as failure:
        hand_in(log)
    assert "No Experiment with id=999" in words_of(failure)


def words_of(failure: pytest.ExceptionInfo) -> str:
    """What people read of a step that failed like this."""
    error = serializable_error_info_from_exc_info((failure.type, failure.value, failure.tb))
    data = SimpleNamespace(user_failure_data=None, error=error)
    event = SimpleNamespace(step_failure_data=data, step_key="best_params", message="")
    return str(_step_failure(event))
