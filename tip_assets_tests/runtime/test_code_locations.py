"""Another code location in the same Dagster instance: its runs are its own business."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from tip_assets.metric_store.store import MetricStore
from tip_assets.reporting.report_run import report_missed_runs
from tip_assets.reporting.run_facts import PARTITION_TAG, last_training
from tip_assets.runtime.instance import (
    PROCESS_TAG,
    TRAINING_JOB,
    close_dead_runs,
    prepare_instance,
    process_mark,
)
from tip_assets.settings import Settings

pytestmark = pytest.mark.services
ROOT = Path(__file__).parents[2]
OURS, OTHER, ASSETS = "tip_assets.definitions", "other_team", "__ASSET_JOB"
CHOSEN = {OURS: dg.AssetKey("production_model"), OTHER: dg.AssetKey("bookings")}
STARTED, QUEUED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED
# A job with the name of ours, and assets of days; both go on until a file is there.
MODULE = """
import time
from pathlib import Path
import dagster as dg

def wait():
    while not Path(__file__).with_name("go").exists():
        time.sleep(0.1)
    raise RuntimeError("it fails")

months = dg.MonthlyPartitionsDefinition("2024-01", fmt="%Y-%m")

@dg.asset(partitions_def=months)
def revenue():
    wait()

@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01"))
def bookings():
    wait()

job = dg.define_asset_job("monthly_retraining_job", selection=[revenue])
defs = dg.Definitions(assets=[revenue, bookings], jobs=[job], executor=dg.in_process_executor)
"""


class Workspace:
    """Our code location and another one, each answered for by a server of its own."""

    def __init__(self, folder: Path, context: WorkspaceProcessContext) -> None:
        self.folder, self.context, self.instance = folder, context, context.instance

    def run(self, location: str, job: str, partition: str, status=QUEUED, **tags) -> dg.DagsterRun:
        """A run as the web server makes it; started when it is the other location's."""
        request = self.context.create_request_context()
        repository = request.get_code_location(location).get_repository("__repository__")
        found = repository.get_full_job(job)
        run = create_run_for_test(
            self.instance,
            job_name=job,
            status=status,
            tags={PARTITION_TAG: partition, **tags},
            remote_job_origin=found.get_remote_origin(),
            job_code_origin=found.get_python_origin(),
            asset_selection=frozenset([CHOSEN[location]]) if job == ASSETS else None,
        )
        if location == OTHER:
            self.instance.launch_run(run.run_id, request)
            self.wait(lambda: self.status(run) == STARTED)
        return run

    def status(self, run: dg.DagsterRun) -> dg.DagsterRunStatus:
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found.status

    def wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not until():
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Iterator[Workspace]:
    monkeypatch.setenv("TIPS_STORAGE", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setattr("tip_assets.runtime.instance.MARKED_WITHIN_SECONDS", 0)
    (tmp_path / f"{OTHER}.py").write_text(MODULE)
    modules = [(OURS, ROOT), (OTHER, tmp_path)]
    targets = [
        {"python_module": {"module_name": name, "working_directory": str(folder)}}
        for name, folder in modules
    ]
    (tmp_path / "workspace.yaml").write_text(yaml.safe_dump({"load_from": targets}))
    settings = Settings(storage=str(tmp_path / "data"))
    settings.dagster_folder.mkdir(parents=True)
    # A person's own instance, in which runs start at once.
    (settings.dagster_folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    prepare_instance(settings)
    target = WorkspaceFileTarget(paths=[str(tmp_path / "workspace.yaml")])
    with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, target) as context:
        yield Workspace(tmp_path, context)
        (tmp_path / "go").touch()


def test_runs_of_another_code_location_are_neither_closed_nor_recorded(workspace):
    instance = workspace.instance
    settings = Settings(storage=str(workspace.folder / "data"))
    store = MetricStore(url=settings.metric_store_url)
    others = [
        workspace.run(OTHER, TRAINING_JOB, "2024-01"),
        workspace.run(OTHER, ASSETS, "2024-01-05"),
    ]
    time.sleep(0.1)  # they are older than what a run of ours may be without a mark
    assert close_dead_runs(instance) == []
    assert [workspace.status(run) for run in others] == [STARTED] * 2
    assert last_training(instance, "2024-01") is None

    (workspace.folder / "go").touch()
    workspace.wait(
        lambda: all(workspace.status(run) == dg.DagsterRunStatus.FAILURE for run in others)
    )
    assert report_missed_runs(instance, settings) == []
    assert store.reported_runs() == set()
    assert not settings.outbox.exists()

    ours = workspace.run(OURS, ASSETS, "2024-01")
    assert last_training(instance, "2024-01").run_id == ours.run_id
    gone = {PROCESS_TAG: f"{process_mark().rsplit(' ', 2)[0]} 999999999 1"}
    killed = workspace.run(OURS, TRAINING_JOB, "2024-02", STARTED, **gone)
    no_month = workspace.run(OURS, ASSETS, "2024-01-05", STARTED, **gone)
    assert close_dead_runs(instance) == [no_month.run_id, killed.run_id]
    assert report_missed_runs(instance, settings) == []
    assert store.reported_runs() == {killed.run_id}
