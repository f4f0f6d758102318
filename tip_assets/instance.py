"""The Dagster instance of this machine: its folder, its configuration, runs that were killed.

Belongs here: preparing DAGSTER_HOME and tidying what dead processes left. Does not belong here:
running anything on it.
"""

import json
import os
import socket
from importlib.resources import files
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG  # says where Dagster launched a run
from filelock import FileLock

from tip_assets.settings import Settings

PROCESS_TAG = "tips/process"


def prepare_instance(settings: Settings) -> None:
    """Make DAGSTER_HOME with its configuration and databases if they are not there; export it.

    Processes that start at the same moment on an empty folder make it one after the other: Dagster
    creates its SQLite databases in several steps, and a second process would trip over the first.
    """
    home = settings.dagster_folder
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    with FileLock(home / ".preparing.lock"):
        _write_configuration(home / "dagster.yaml")
        made = home / ".prepared"
        if not made.exists():
            with dg.DagsterInstance.get() as instance:
                instance.get_runs(limit=1)
            made.touch()


def process_mark() -> str:
    """This process, as the tag of a run says who executes it."""
    return f"{socket.gethostname()} {os.getpid()}"


def is_dead(mark: str) -> bool:
    """Whether a marked process of this machine is gone; of other machines nothing is known."""
    host, _, process = mark.rpartition(" ")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed the runs whose process on this machine is gone; gives their ids.

    A killed run would stay `STARTED` for ever, and the place that it had in a pool would stay
    taken: every later run would wait for it.
    """
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    dead = []
    for run in instance.get_runs(filters=started):
        mark = _process_of(instance, run)
        if mark and is_dead(mark):
            instance.report_run_failed(run, f"its process, {mark}, has ended")
            dead.append(run.run_id)
    _free_places_of_ended_runs(instance)
    return dead


def _process_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The mark of the process that executes a run; None when it may be of another machine."""
    if PROCESS_TAG in run.tags:
        return run.tags[PROCESS_TAG]
    launched_on = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("host")
    if launched_on != "localhost":
        return None
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        process = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if process is not None:
            return f"{socket.gethostname()} {process.value}"
    return None


def _free_places_of_ended_runs(instance: dg.DagsterInstance) -> None:
    holders = instance.event_log_storage.get_concurrency_run_ids()
    if not holders:
        return
    for run in instance.get_runs(filters=dg.RunsFilter(run_ids=list(holders))):
        if run.is_finished:
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _write_configuration(path: Path) -> None:
    """Write our configuration, unless a person has made the file their own."""
    ours = files("tip_assets").joinpath("dagster.yaml").read_text("utf-8")
    if not path.exists() or _first_line(path.read_text("utf-8")) == _first_line(ours):
        path.write_text(ours)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
