"""The Dagster instance: its folder, its configuration, runs that were killed.

Belongs here: preparing DAGSTER_HOME and tidying what dead processes left. Does not belong here:
running anything on it.

On one machine Dagster launches a run as a process of its own. On AWS, where the settings name an
ECS cluster, it launches it as a task, which ECS watches.
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

# On a run: the process that executes it.
PROCESS_TAG = "tips/process"
MARKED_WITHIN_SECONDS = 60
# A task has to be given a machine and to fetch its image, 2 GB, first.
TASK_STARTS_WITHIN_SECONDS = 600
# The URL holds a password and stays out of the file.
_POSTGRES_STORAGE = """storage:
  postgres:
    postgres_url:
      env: TIPS_DAGSTER_STORAGE
"""
# Dagster runs assets that a person chose as a job of this name, in every code location.
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
    """Make DAGSTER_HOME with its configuration and databases if they are not there; export it.

    Processes that start at the same moment on an empty folder make it one after the other: Dagster
    creates its SQLite databases in several steps, and a second process would trip over the first.
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
    """This process, as the tag of a run says who executes it: machine, namespace, number, start.

    The last two together are never given twice; the first two say where they mean anything.
    """
    return f"{socket.gethostname()} {_namespace()} {os.getpid()} {_started(os.getpid())}"


def is_dead(mark: str) -> bool:
    """Whether a marked process of this machine is gone; of other machines nothing is known."""
    host, namespace, process, started = mark.rsplit(" ", 3)
    if (host, namespace) != (socket.gethostname(), _namespace()):
        return False
    return _started(int(process)) != started


def own_mark(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The mark of the process that executes a run; None when it has not been left yet.

    A retry begins with the tags of the run that it repeats, whose process is usually dead.
    """
    mark = run.tags.get(PROCESS_TAG)
    repeated = instance.get_run_by_id(run.parent_run_id) if mark and run.parent_run_id else None
    return None if repeated and repeated.tags.get(PROCESS_TAG) == mark else mark


def is_ours(run: dg.DagsterRun) -> bool:
    """Whether a run is of this platform's jobs; other code locations may use the same instance.

    Our executor and command line mark their runs. A run that has not started has no mark: it is
    ours if it is to load our definitions.
    """
    if run.job_name not in JOBS:
        return False
    code = run.job_code_origin
    pointer = code.repository_origin.code_pointer if code else None
    return PROCESS_TAG in run.tags or getattr(pointer, "module", None) == _DEFINITIONS


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed our runs whose process on this machine is gone; gives their ids.

    A killed run would stay `STARTED` for ever, and the place that it had in a pool would stay
    taken: every later run would wait for it.
    """
    dead = []
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=_UNFINISHED)):
        run = record.dagster_run
        if not is_ours(run):
            continue
        mark = own_mark(instance, run)
        # Killed between its start and its first act, a run has no mark.
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
    """Write our configuration in one step, unless it is there or a person changed the first line.

    Other processes read the file at any moment. With an empty one, Dagster would use SQLite.
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
    """Each run is a task of its own, made as the settings' task definition says.

    The launcher could copy the task that it runs in itself, and would need more rights for it.
    """
    network = {
        "subnets": settings.ecs_subnets.split(","),
        "securityGroups": settings.ecs_security_groups.split(","),
        "assignPublicIp": "DISABLED",
    }
    launcher = {
        "task_definition": settings.ecs_task_definition,
        "use_current_ecs_task_config": False,
        # Secrets are in the task definition; the launcher would look for others by their tags.
        "secrets_tag": None,
        "run_task_kwargs": {
            "cluster": settings.ecs_cluster,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": network},
        },
    }
    return {
        "run_launcher": {
            "module": "dagster_aws.ecs",
            "class": "EcsRunLauncher",
            "config": launcher,
        },
        # What a task prints goes to CloudWatch; files of it would end with the task.
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
    }


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _namespace() -> str:
    """The namespace in which process numbers are given: containers have their own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "-"


def _started(process: int) -> str:
    """When a process was started, in the kernel's ticks; empty when there is none."""
    try:
        # The name of the program, in parentheses, may hold spaces (proc(5): fields 3 and 22).
        facts = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if facts[0] == "Z" else facts[19]
