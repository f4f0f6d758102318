"""Run servers under Supervisor: write its configuration file and call its API.

The servers are defined in `local_servers.py` (`tips up`) and `deploy/stack/servers.py`
(`make stack`).
"""

import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

HOST = "127.0.0.1"
BINARIES = Path(sys.executable).parent


class Missing(Exception):
    """A program that a server needs is not installed; the message says how to install it."""


@dataclass(frozen=True)
class Server:
    """A server: how to start and stop it, where it listens, how to check that it is ready.

    `needs_storage` servers wait for `Supervisor.start`; the others start with Supervisor.
    `brings_processes` servers are stopped with all their children. Without a `page`, exit code 0 of
    `ready_command` means ready.
    """

    name: str
    title: str
    command: str
    port: int | None = None
    page: str | None = None
    ready_command: tuple[str, ...] = ()
    stop_signal: str = "TERM"
    # The signal to the server when Supervisor ends.
    orphan_signal: str = "TERM"
    user: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    needs_storage: bool = False
    brings_processes: bool = False

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}" if self.page else f"{HOST}:{self.port}"

    def answers(self) -> bool:
        """Return whether a server with a port is ready."""
        if self.ready_command:
            return subprocess.run(self.ready_command, check=False).returncode == 0
        try:
            with urllib.request.urlopen(f"{self.address}{self.page}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def port_is_taken(self) -> bool:
        with socket.socket() as probe:
            return bool(self.port) and probe.connect_ex((HOST, self.port)) == 0

    @property
    def message_if_taken(self) -> str:
        return (
            f"port {self.port}, meant for {self.title}, is taken by another process: stop "
            f"it or set TIPS_{self.name.upper()}_PORT"
        )


@dataclass(frozen=True)
class Supervisor:
    """Supervisor with its file and socket in one folder and the servers' logs in another."""

    folder: Path
    logs: Path

    @property
    def file(self) -> Path:
        return self.folder / "supervisord.conf"

    @property
    def address(self) -> str:
        return f"unix://{self.folder}/supervisor.sock"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def write(self, servers: Sequence[Server], restart: bool) -> None:
        """Write Supervisor's file; with `restart`, Supervisor restarts servers that end.

        The file has no secrets: servers inherit them from Supervisor's environment. Raises Missing.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        sections = [
            f"[supervisord]\ndirectory={_literal(Path.cwd())}\n"
            f"logfile={_literal(self.log('supervisord'))}\npidfile={self.folder}/supervisord.pid\n"
            # Only for the stack: Supervisor ignores it in the foreground.
            "umask=077",
            f"[unix_http_server]\nfile={self.folder}/supervisor.sock\nchmod=0700",
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
            f"[supervisorctl]\nserverurl={self.address}",
            *(self._section(server, place, restart) for place, server in enumerate(servers)),
        ]
        self.file.write_text("\n\n".join(sections) + "\n", "utf-8")

    def _section(self, server: Server, place: int, restart: bool) -> str:
        command = server.command
        if restart and server.brings_processes and server.port:
            # Children of a killed predecessor may still hold the port.
            command = f"{BINARIES}/python -m tip_assets.runtime.orphaned_processes {command}"
        variables = ",".join(f'{name}="{value}"' for name, value in server.variables.items())
        together = str(server.brings_processes).lower()
        lines = [
            f"[program:{server.name}]",
            # A server never outlives Supervisor.
            f"command={util_linux('setpriv')} --pdeathsig {server.orphan_signal} -- "
            f"{_literal(command)}",
            f"stdout_logfile={_literal(self.log(server.name))}",
            "redirect_stderr=true",
            f"stopsignal={server.stop_signal}",
            # A person waits for `tips up` to end.
            f"stopwaitsecs={30 if restart else 5}",
            f"stopasgroup={together}",
            f"killasgroup={together}",
            f"priority={place}",
            f"autostart={str(not server.needs_storage).lower()}",
            f"autorestart={str(restart).lower()}",
            f"startretries={10 if restart else 0}",
            *([f"user={server.user}"] if server.user else []),
            *([f"environment={variables}"] if variables else []),
        ]
        return "\n".join(lines)

    def command(self, *options: str) -> list[str]:
        return [str(BINARIES / "supervisord"), *options, "-c", str(self.file)]

    def pid(self) -> int | None:
        """Return Supervisor's PID; None while it does not run."""
        try:
            return int(self._call("getPID"))
        except (OSError, Fault):
            return None

    def states(self) -> dict[str, dict[str, Any]]:
        """Return the state of each server, as of Supervisor's `getProcessInfo`."""
        try:
            return {state["name"]: state for state in self._call("getAllProcessInfo")}
        except (OSError, Fault):
            return {}

    def start(self, name: str) -> None:
        with suppress(Fault):  # it runs already or ended at once; see its state
            self._call("startProcess", name)

    def stop(self, name: str) -> None:
        with suppress(Fault):  # it does not run
            self._call("stopProcess", name)

    def stop_all(self) -> None:
        """Stop every server at the same time."""
        with suppress(OSError, Fault):  # Supervisor has ended
            self._call("stopAllProcesses")

    def shut_down(self) -> None:
        """Make Supervisor stop every server in reverse order and end."""
        self._call("shutdown")

    def _call(self, name: str, *arguments: str) -> Any:
        transport = SupervisorTransport(None, None, self.address)
        with ServerProxy("http://127.0.0.1", transport=transport) as server:
            return getattr(server.supervisor, name)(*arguments)


def util_linux(name: str) -> str:
    """Return the path of a util-linux program; some are only on root's path. Raises Missing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise Missing(f"{name} is not installed: sudo apt-get install util-linux")
    return found


def _literal(value: object) -> str:
    """Escape text so that Supervisor expands nothing in it."""
    return str(value).replace("%", "%%")
