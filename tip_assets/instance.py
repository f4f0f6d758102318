"""The Dagster instance of this machine: its folder and its configuration file.

Belongs here: preparing DAGSTER_HOME. Does not belong here: running anything on it.
"""

import os
import socket
from importlib.resources import files

import dagster as dg

from tip_assets.settings import Settings

PROCESS_TAG = "tips/process"


def prepare_instance(settings: Settings) -> None:
    """Make DAGSTER_HOME with its `dagster.yaml` if it is not there, and export it."""
    home = settings.dagster_folder
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    if not configuration.exists():
        configuration.write_text(files("tip_assets").joinpath("dagster.yaml").read_text("utf-8"))
    os.environ["DAGSTER_HOME"] = str(home)


def process_mark() -> str:
    """This process, as the tag of a run says who executes it."""
    return f"{socket.gethostname()} {os.getpid()}"


def close_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark as failed the runs whose process on this machine is gone.

    A killed run would stay `STARTED` for ever, and every later one would wait for it.
    """
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    for run in instance.get_runs(filters=started):
        host, _, process = run.tags.get(PROCESS_TAG, "").rpartition(" ")
        if host == socket.gethostname() and not _is_alive(int(process)):
            instance.report_run_failed(run, f"its process, {process}, has ended")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
