"""`tips up`: run the app, the Dagster UI with its daemon and the MLflow UI under Supervisor.

Prints each address when its server is ready, and the log of a server that ends.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import dagster as dg

from tip_assets.runtime.databases import prepare_databases
from tip_assets.runtime.instance import close_dead_runs
from tip_assets.runtime.orphaned_processes import end, orphaned_processes
from tip_assets.runtime.run_logging import noise_to
from tip_assets.runtime.supervisor import BINARIES, HOST, Server, Supervisor, util_linux
from tip_assets.settings import Settings

READY_WITHIN_SECONDS = 180


def servers(settings: Settings) -> list[Server]:
    """Return this machine's servers; without MLflow's if the settings name one elsewhere."""
    binaries = shlex.quote(str(BINARIES))
    dagster = f"{binaries}/dagster dev -w workspace.yaml -h {HOST} -p {settings.dagster_port}"
    mlflow = (
        f"{binaries}/mlflow server --workers 1 --host {HOST} --port {settings.mlflow_port} "
        f"--default-artifact-root {shlex.quote(str(settings.storage_root / 'mlflow'))} "
        f"--expose-prometheus {shlex.quote(str(settings.state_folder / 'mlflow-metrics'))}"
    )
    chosen = [
        Server(
            *("dagster", "Dagster", dagster, settings.dagster_port, "/server_info"),
            brings_processes=True,
        ),
        Server(
            *("mlflow", "MLflow", mlflow, settings.mlflow_port, "/health"),
            brings_processes=True,
        ),
        app_server(settings),
    ]
    if settings.tracking_uri.startswith("http"):  # an MLflow server runs elsewhere
        chosen = [server for server in chosen if server.name != "mlflow"]
    return chosen


def app_server(settings: Settings) -> Server:
    """Return the Streamlit app's server; other options are in `app/.streamlit/config.toml`."""
    options: dict[str, int | str] = {
        "server.port": settings.app_port,
        "server.address": settings.app_host,
        "server.maxUploadSize": settings.max_upload_mb,
    }
    if settings.app_secrets:
        options["secrets.files"] = str(Path(settings.app_secrets).resolve())
    command = [sys.executable, "-P", "-m", "app"]  # not a folder `app` in the current directory
    command += [f"--{name}={value}" for name, value in options.items()]
    command += [f"--server.allowedHosts={name}" for name in _names_of_app(settings)]
    return Server(
        "app", "App", shlex.join(command), settings.app_port, "/_stcore/script-health-check"
    )


def _names_of_app(settings: Settings) -> list[str]:
    """Return the host names that browsers may use; protects against DNS rebinding."""
    if settings.app_names:
        return [name.strip() for name in settings.app_names.split(",") if name.strip()]
    return ["localhost", "127.0.0.1"] if settings.app_host in ("127.0.0.1", "localhost") else []


def up(settings: Settings, terminal: TextIO) -> int:
    """Prepare the platform and run its servers; returns the exit code. Raises Missing."""
    logs = settings.state_folder / "logs"
    with noise_to(logs / "databases.log"):
        prepare_databases(settings)
    with dg.DagsterInstance.get() as instance:
        close_dead_runs(instance)
    environment = os.environ | {
        # Job execution starts fifteen processes and takes 1.9 GB.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Not an argument: it may hold a password, and other users can read arguments.
        "MLFLOW_BACKEND_STORE_URI": settings.tracking_uri,
        "PYTHONUNBUFFERED": "1",
    }
    return run_servers(servers(settings), environment, logs, terminal)


def run_servers(
    chosen: Sequence[Server], environment: Mapping[str, str], logs: Path, terminal: TextIO
) -> int:
    """Run servers until one ends or a person stops them; returns the exit code.

    Raises Missing when a program is not installed.
    """
    # A short folder: a socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="tips-up-") as folder:
        supervisor = Supervisor(Path(folder), logs)
        supervisor.write(chosen, restart=False)
        for server in chosen:  # show only the log of this start
            supervisor.log(server.name).unlink(missing_ok=True)
        command = [util_linux("setpriv"), "--pdeathsig", "TERM", "--", *supervisor.command("-n")]
        # In its own session: Supervisor restarts itself when its terminal is closed.
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            return _watch(supervisor, process, chosen, terminal)
        except (KeyboardInterrupt, SystemExit):  # a person stops them
            return 0
        finally:
            supervisor.stop_all()
            process.terminate()
            process.wait()
            end(orphaned_processes(supervisor.address))  # of killed servers


def _watch(
    supervisor: Supervisor,
    process: subprocess.Popen[bytes],
    chosen: Sequence[Server],
    terminal: TextIO,
) -> int:
    """Print each address when its server is ready; returns the exit code of the first that ends."""

    def say(text: str) -> None:
        terminal.write(f"{text}\n")
        terminal.flush()

    say(f"Starting {' and '.join(s.title for s in chosen)}; output goes to {supervisor.logs}")
    pending, deadline = list(chosen), time.monotonic() + READY_WITHIN_SECONDS
    while process.poll() is None:
        states = supervisor.states()
        for server in chosen:
            state = states.get(server.name, {})
            if state.get("statename") in ("EXITED", "FATAL"):
                return _report_end(
                    server.title, int(state["exitstatus"]), supervisor.log(server.name), say
                )
        answering = [server for server in pending if server.answers()]
        for server in answering:
            say(f"  {server.title:<8} {server.address}")
            pending.remove(server)
        if answering and not pending:
            say("Press Ctrl-C to stop.")
        if pending and time.monotonic() > deadline:
            for server in pending:
                say(f"{server.title} does not answer yet; see {supervisor.log(server.name)}")
            pending = []
        time.sleep(0.5)
    return _report_end("Supervisor", process.returncode, supervisor.log("supervisord"), say)


def _report_end(title: str, code: int, log: Path, say: Callable[[str], None]) -> int:
    """Print the end of a server's log unless it ended well; returns the command's exit code."""
    if code == 0:
        return 0
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    how = f"ended with code {code}" if code > 0 else "was killed"
    say("\n".join([f"{title} {how}. The end of {log}:", *lines[-15:]]))
    return code if code > 0 else 1  # a signal has no exit code of its own
