"""The stack of `make stack` on free ports in a folder of its own, and what is done to it.

Belongs here: starting it, running the platform against it, taking a server away. Does not belong
here: what must be true of it (`deploy/test_stack.py`).
"""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from upath import UPath

from deploy.stack.folder import Stack
from deploy.stack.servers import postgres_binaries, s3_sockets
from tip_assets.ingestion.simulate import UNCHANGED, land_generated, land_sample
from tip_assets.runtime.orphaned_processes import orphaned_processes
from tip_assets.runtime.supervisor import Server
from tip_assets.settings import Settings
from tip_assets_tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
BINARIES = Path(sys.executable).parent
PORTS = (
    *("postgres", "s3", "mlflow", "dagster", "app", "app_metrics"),
    *("exporter", "prometheus", "alertmanager", "grafana"),
)
QUICK = {
    "TIPS_TRIALS": "4",
    "TIPS_LANDING_CHECK_SECONDS": "2",
    # Patience is a setting of each library; a test has less of it.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


def land_first_days(storage: UPath) -> None:
    """The months that every platform of these tests begins with."""
    land_sample(storage, "2024-01")
    land_generated(storage, "2024-02", 244, 2, UNCHANGED, broken=True)


def land(storage: UPath, month: str) -> None:
    """A month with rows of its own."""
    land_generated(storage, month, 244, int(month[-2:]), UNCHANGED)


class StackPlace:
    """A stack, and commands typed in a shell that uses it."""

    def __init__(self) -> None:
        # Not pytest's folder: Postgres, which refuses to be root, must get through to it.
        self.folder = Path(tempfile.mkdtemp(prefix="tips-stack-"))
        ports = {f"TIPS_{name.upper()}_PORT": str(free_port()) for name in PORTS}
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("TIPS_", "DAGSTER_"))}
        self.shell = clean | QUICK | ports | {"TIPS_STACK_FOLDER": str(self.folder)}
        fields = {name.removeprefix("TIPS_").lower(): int(port) for name, port in ports.items()}
        self.stack = Stack(self.folder, Settings(**fields))

    @property
    def environment(self) -> dict[str, str]:
        return self.shell | self.stack.environment()

    @property
    def settings(self) -> Settings:
        """The settings that the stack's environment gives."""
        e = self.stack.environment()
        return Settings(
            storage=e["TIPS_STORAGE"],
            state=e["TIPS_STATE"],
            metric_store=e["TIPS_METRIC_STORE"],
            mlflow_tracking_uri=e["MLFLOW_TRACKING_URI"],
        )

    def make(self, *command: str, code: int = 0, **variables: str) -> str:
        """What `make stack`, `make stack-down`, `make stack-status` and the like do."""
        return self._run([sys.executable, "-m", "deploy.stack", *command], code, variables)

    def tips(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """A `tips` command that uses the stack."""
        command = [str(BINARIES / "tips"), *arguments]
        return self._run(command, code, self.stack.environment() | variables)

    def start(self, name: str) -> None:
        self.stack.supervisor.start(name)
        assert self.stack.supervisor.states()[name]["statename"] == "RUNNING"

    def stop(self, name: str) -> None:
        self.stack.supervisor.stop(name)
        assert self.stack.supervisor.states()[name]["statename"] == "STOPPED"

    @contextmanager
    def run_until(self, words: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A `tips` command that has just printed these words and goes on."""
        with subprocess.Popen(
            [BINARIES / "tips", *arguments],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            seen = []
            for line in process.stdout:
                seen.append(line)
                if words in line:
                    break
            else:
                raise AssertionError("".join(seen))
            yield process

    @contextmanager
    def away(self, name: str) -> Iterator[None]:
        """A server stopped, or MLflow hanging, while the block runs; ready again after it."""
        hanging = self.program(name) if name == "mlflow" else None
        if hanging:
            os.killpg(hanging, signal.SIGSTOP)
        else:
            self.stop(name)
        try:
            yield
        finally:
            if hanging:
                os.killpg(hanging, signal.SIGCONT)
            else:
                self.start(name)
            self.wait(f"{name} is back", self.server(name).answers)

    def server(self, name: str) -> Server:
        return next(server for server in self.stack.servers if server.name == name)

    def program(self, name: str) -> int:
        """The process of a server, and the group of all that it has started."""
        return int(self.stack.supervisor.states()[name]["pid"])

    def processes_of(self, name: str) -> set[int]:
        """Everything that a server has started, whether it still lives or not."""
        return set(orphaned_processes(self.stack.supervisor.address, name))

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """An answer of Dagster's webserver."""
        request = urllib.request.Request(
            f"{self.server('dagster').address}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return dict(found["data"])

    def dump(self, database: str, *options: str) -> bytes:
        """Everything in a database, as text."""
        admin = sa.make_url(self.stack.admin_url())
        place = ["-h", "127.0.0.1", "-p", str(admin.port), "-U", str(admin.username)]
        done = subprocess.run(
            [postgres_binaries() / "pg_dump", *place, *options, database],
            env=os.environ | {"PGPASSWORD": str(admin.password)},
            check=True,
            capture_output=True,
        )
        return done.stdout

    def arguments(self) -> dict[str, bytes]:
        """The command line of every process of the stack."""
        found = {}
        for process in self._processes():
            with suppress(OSError):  # it has ended in the meantime
                found[process.name] = (process / "cmdline").read_bytes()
        return found

    def listening(self) -> set[tuple[str, int]]:
        """Addresses on which processes of the stack listen (proc(5), /proc/net/tcp)."""
        mine = {
            link.readlink().name.removeprefix("socket:[").rstrip("]")
            for process in self._processes()
            for link in (process / "fd").iterdir()
            if link.readlink().name.startswith("socket:[")
        }
        found = set()
        for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in mine:
                    found.add(_address(fields[1], family))
        return found

    def _processes(self) -> list[Path]:
        """The processes of the stack, by the folder that is in their environment."""
        mark = f"TIPS_STACK_FOLDER={self.folder}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended in the meantime
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(process)
        return found

    def wait(self, what: str, until: Callable[[], bool], seconds: float = 150) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, f"{what}\n{self.logs()}"
            time.sleep(0.5)

    def logs(self) -> str:
        """The end of each server's log."""
        return "".join(
            f"\n{log.name}:\n{log.read_text(errors='replace')[-1500:]}"
            for log in sorted((self.folder / "logs").glob("*.log"))
        )

    def remove(self) -> None:
        self.make("down")
        assert self._processes() == []
        assert s3_sockets(self.folder, self.stack.settings.s3_port) == []
        shutil.rmtree(self.folder)

    def _run(self, command: list[str], code: int, variables: dict[str, str]) -> str:
        done = subprocess.run(
            command,
            env=self.shell | variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == code, printed + self.logs()
        assert "Traceback" not in printed
        return printed


def _address(words: str, family: socket.AddressFamily) -> tuple[str, int]:
    """An address of the kernel's table: 32-bit words in the machine's order, in hexadecimal."""
    host, _, port = words.partition(":")
    packed = b"".join(struct.pack("=I", int(host[i : i + 8], 16)) for i in range(0, len(host), 8))
    return socket.inet_ntop(family, packed), int(port, 16)
