"""`tips up`: the app, the Dagster UI with its daemon and the MLflow UI, on this machine's state.

Belongs here: which servers there are and how a person learns that they answer. Honcho runs them and
stops all when one ends.
"""

import os
import shlex
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import dagster as dg
from honcho.manager import Manager
from honcho.printer import Printer

from tip_assets.runtime.databases import prepare_databases
from tip_assets.runtime.instance import close_dead_runs
from tip_assets.runtime.run_logging import noise_to
from tip_assets.settings import Settings

HOST = "127.0.0.1"
READY_WITHIN_SECONDS = 180


@dataclass(frozen=True)
class Server:
    """A server to start: its command, and the page that answers when it is ready."""

    name: str
    title: str
    command: str
    port: int
    ready: str

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"


def servers(settings: Settings) -> list[Server]:
    """The servers of one machine; MLflow's unless the settings name one that runs elsewhere."""
    binaries = shlex.quote(str(Path(sys.executable).parent))
    dagster = f"{binaries}/dagster dev -w workspace.yaml -h {HOST} -p {settings.dagster_port}"
    mlflow = (
        f"{binaries}/mlflow server --workers 1 --host {HOST} --port {settings.mlflow_port} "
        f"--default-artifact-root {shlex.quote(str(settings.storage_root / 'mlflow'))} "
        f"--expose-prometheus {shlex.quote(str(settings.state_folder / 'mlflow-metrics'))}"
    )
    chosen = [
        Server("dagster", "Dagster", dagster, settings.dagster_port, "/server_info"),
        Server("mlflow", "MLflow", mlflow, settings.mlflow_port, "/health"),
        app_server(settings),
    ]
    if settings.tracking_uri.startswith("http"):  # there is an MLflow server already
        chosen = [server for server in chosen if server.name != "mlflow"]
    return chosen


def app_server(settings: Settings) -> Server:
    """The Streamlit app; what is not said here is in `app/.streamlit/config.toml`."""
    options: dict[str, int | str] = {
        "server.port": settings.app_port,
        "server.address": settings.app_host,
        "server.maxUploadSize": settings.app_upload_mb,
    }
    if settings.app_secrets:
        options["secrets.files"] = str(Path(settings.app_secrets).resolve())
    command = [sys.executable, "-P", "-m", "app"]  # not what the folder of the shell calls `app`
    command += [f"--{name}={value}" for name, value in options.items()]
    command += [f"--server.allowedHosts={name}" for name in _names_of_app(settings)]
    return Server(
        "app", "App", shlex.join(command), settings.app_port, "/_stcore/script-health-check"
    )


def _names_of_app(settings: Settings) -> list[str]:
    """Names a browser may ask by; other pages could point names of theirs to this machine."""
    if settings.app_names:
        return [name.strip() for name in settings.app_names.split(",") if name.strip()]
    return ["localhost", "127.0.0.1"] if settings.app_host in ("127.0.0.1", "localhost") else []


def busy(server: Server) -> bool:
    """Whether another process listens on the server's port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, server.port)) == 0


def up(settings: Settings, terminal: TextIO) -> int:
    """Run the servers until one ends or a person stops them; returns the exit code."""
    log = settings.state_folder / "logs" / "up.log"
    with noise_to(log):
        prepare_databases(settings)
    with dg.DagsterInstance.get() as instance:
        close_dead_runs(instance)
    environment = os.environ | {
        # Left on, the server starts fifteen processes and takes 1.9 GB.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Not an argument: it may hold a password, and arguments can be read by everybody.
        "MLFLOW_BACKEND_STORE_URI": settings.tracking_uri,
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("w") as output:
        manager = Manager(Printer(output))
        chosen = servers(settings)
        for server in chosen:
            manager.add_process(server.name, server.command, env=environment)
        stopped = threading.Event()
        announcer = threading.Thread(target=_announce, args=(chosen, log, terminal, stopped))
        announcer.start()
        manager.loop()
        stopped.set()
        announcer.join()
    code = int(manager.returncode or 0)
    if code not in (0, 130, 143):
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        terminal.write(f"A server ended with code {code}. The end of {log}:\n{tail}\n")
    return 0 if code in (130, 143) else code


def _announce(chosen: list[Server], log: Path, terminal: TextIO, stopped: threading.Event) -> None:
    terminal.write(f"Starting {' and '.join(s.title for s in chosen)}; output goes to {log}\n")
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    for server in chosen:
        while not stopped.is_set() and not _answers(server):
            if time.monotonic() > deadline:
                terminal.write(f"{server.title} does not answer yet; see {log}\n")
                return
            stopped.wait(0.5)
        if stopped.is_set():
            return
        terminal.write(f"  {server.title:<8} {server.address}\n")
        terminal.flush()
    terminal.write("Press Ctrl-C to stop.\n")
    terminal.flush()


def _answers(server: Server) -> bool:
    try:
        with urllib.request.urlopen(server.address + server.ready, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
