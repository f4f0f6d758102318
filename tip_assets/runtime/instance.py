"""Prepare the Dagster instance and close runs whose process was killed.

On one machine Dagster launches each run as a process. On AWS, where the settings name an ECS
cluster, it launches each run as an ECS task.
"""

import os
import socket
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from filelock import FileLock
from upath import UPath

from tip_assets.runtime.storage import write_atomically
from tip_assets.settings import Settings

# Run tag: the process that executes the run.
PROCESS_TAG = "tips/process"
MARKED_WITHIN_SECONDS = 60
# A task first needs a machine and its 2 GB image.
TASK_STARTS_WITHIN_SECONDS = 600
# The URL holds a password and must not be in the file.
DAGSTER_STORAGE = "TIPS_DAGSTER_STORAGE"
_POSTGRES_STORAGE = f"""storage:
  postgres:
    postgres_url:
      env: {DAGSTER_STORAGE}
"""
# The job name of runs of assets selected in the UI, in every code location.
CHOSEN_ASSETS_JOB = "__ASSET_JOB"
TRAINING_JOB, INGESTION_JOB = "monthly_retraining_job", "ingestion_job"
RELEASE_JOB = "release_job"
JOBS = {TRAINING_JOB, INGESTION_JOB, RELEASE_JOB, CHOSEN_ASSETS_JOB}
_DEFINITIONS = "tip_assets.definitions"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def prepare_instance(settings: Settings) -> None:
    """Create DAGSTER_HOME with its configuration and databases if missing, and export it.

    A lock keeps processes that start at the same time apart: Dagster creates its SQLite databases
    in several steps and fails if two processes do so at once.
    """
    home = settings.dagster_folder
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    with FileLock(home / ".preparing.lock"):
        _write_configuration(home / "dagster.yaml", settings)
        made = home / ".prepared"
        if not made.exists():
            with dg.DagsterInstance.get() as instance:
                instance.get_runs(limit=1)
            made.touch()


def process_mark() -> str:
    """Return the mark of this process for a run's tag: machine, PID namespace, PID, start time.

    PID and start time together are unique within their machine and namespace.
    """
    return f"{socket.gethostname()} {_namespace()} {os.getpid()} {_started(os.getpid())}"


def is_dead(mark: str) -> bool:
    """Return whether a marked process of this machine has ended; False for other machines."""
    host, namespace, process, started = mark.rsplit(" ", 3)
    if (host, namespace) != (socket.gethostname(), _namespace()):
        return False
    return _started(int(process)) != started


def own_mark(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Return the mark of the process that executes a run; None before it starts.

    A retry inherits the tags of the run it repeats, whose process is usually dead.
    """
    mark = run.tags.get(PROCESS_TAG)
    repeated = instance.get_run_by_id(run.parent_run_id) if mark and run.parent_run_id else None
    return None if repeated and repeated.tags.get(PROCESS_TAG) == mark else mark


def is_ours(run: dg.DagsterRun) -> bool:
    """Return whether a run belongs to this platform; other code locations may share the instance.

    Our executor and command line mark their runs. A run that has not started has no mark: it is
    ours if it will load our definitions.
    """
    if run.job_name not in JOBS:
        return False
    code = run.job_code_origin
    pointer = code.repository_origin.code_pointer if code else None
    return PROCESS_TAG in run.tags or getattr(pointer, "module", None) == _DEFINITIONS


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark our runs whose process on this machine has ended as failed; returns their ids.

    A killed run would otherwise stay `STARTED` and keep its slot in a pool, and every later run
    would wait for it.
    """
    dead = []
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=_UNFINISHED)):
        run = record.dagster_run
        if not is_ours(run):
            continue
        mark = own_mark(instance, run)
        # A run that was killed right after its start has no mark.
        unmarked = record.start_time and time.time() - record.start_time > MARKED_WITHIN_SECONDS
        if is_dead(mark) if mark else unmarked:
            instance.report_run_failed(run, f"its process, {mark or 'unknown'}, has ended")
            dead.append(run.run_id)
    _free_places_of_ended_runs(instance)
    return dead


def _free_places_of_ended_runs(instance: dg.DagsterInstance) -> None:
    holders = instance.event_log_storage.get_concurrency_run_ids()
    if not holders:
        return
    for run in instance.get_runs(filters=dg.RunsFilter(run_ids=list(holders))):
        if run.is_finished and is_ours(run):
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _write_configuration(path: Path, settings: Settings) -> None:
    """Write our configuration atomically, unless it is current or a person edited the first line.

    Other processes read the file at any time. With an empty file, Dagster would use SQLite.
    """
    ours = files("tip_assets.runtime").joinpath("dagster.yaml").read_text("utf-8")
    if settings.dagster_storage:
        ours += _POSTGRES_STORAGE
    if settings.ecs_cluster:
        content = yaml.safe_load(ours) | _of_ecs(settings)
        content["run_monitoring"]["start_timeout_seconds"] = TASK_STARTS_WITHIN_SECONDS
        ours = f"{_first_line(ours)}\n{yaml.safe_dump(content, sort_keys=False)}"
    found = path.read_text("utf-8") if path.exists() else ""
    if not found or (found != ours and _first_line(found) == _first_line(ours)):
        write_atomically(UPath(path), ours.encode())


def _of_ecs(settings: Settings) -> dict[str, Any]:
    """Return the configuration that runs each run as an ECS task of the settings' task definition.

    The launcher could copy its own task instead, but would need more rights.
    """
    network = {
        "subnets": settings.ecs_subnets.split(","),
        "securityGroups": settings.ecs_security_groups.split(","),
        "assignPublicIp": "DISABLED",
    }
    launcher = {
        "task_definition": settings.ecs_task_definition,
        "use_current_ecs_task_config": False,
        # Secrets are in the task definition; the launcher would search for others by tag.
        "secrets_tag": None,
        "run_task_kwargs": {
            "cluster": settings.ecs_cluster,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": network},
        },
    }
    return {
        "run_launcher": {
            "module": "tip_assets.runtime.ecs_launcher",
            "class": "FixedTaskLauncher",
            "config": launcher,
        },
        # Task output goes to CloudWatch; files would be lost with the task.
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
    }


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _namespace() -> str:
    """Return the PID namespace: containers have their own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "-"


def _started(process: int) -> str:
    """Return the start time of a process in kernel ticks; empty if there is no such process."""
    try:
        # The program's name, in parentheses, may contain spaces (proc(5): fields 3 and 22).
        facts = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if facts[0] == "Z" else facts[19]
