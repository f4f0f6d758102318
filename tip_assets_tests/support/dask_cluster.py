"""A Dask scheduler and workers as processes of their own on loopback, to be killed by tests.

Belongs here: that cluster. Does not belong here: what must be true after a loss.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from distributed import Client

from tip_assets_tests.support.ports import free_port

_DASK = str(Path(sys.executable).parent / "dask")
_LOOPBACK = ("--host", "127.0.0.1", "--no-dashboard")


class DaskCluster:
    """A scheduler with two workers of one thread each; a worker that dies is not replaced."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.environment = folder, environment
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = self._start("scheduler", *_LOOPBACK, "--port", str(port))
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.client = Client(self.address, timeout=60)
        for name in ("one", "two"):
            self.add_worker(name)

    def add_worker(self, name: str) -> None:
        """Start a worker, and wait until the scheduler knows it."""
        command = ("worker", self.address, *_LOOPBACK, "--nthreads", "1", "--no-nanny")
        self.workers[name] = self._start(*command, "--name", name)
        self.client.wait_for_workers(len(self.living()), timeout=60)

    def kill(self, name: str) -> None:
        """Kill a worker, as a machine dies."""
        self.workers[name].kill()
        self.workers[name].wait(30)

    def living(self) -> list[str]:
        """The names of the workers whose process lives."""
        return [name for name, process in self.workers.items() if process.poll() is None]

    def wait_until_each_runs(self, function: str) -> None:
        """Wait until every worker has a task of this function."""
        self._wait(lambda: all(function in str(keys) for keys in self.client.processing().values()))

    def _wait(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not happened():
            assert time.monotonic() < deadline, (self.folder / "dask.log").read_text()[-3000:]
            time.sleep(0.02)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "dask.log").open("a") as log:
            return subprocess.Popen(
                [_DASK, *command], env=dict(self.environment), stdout=log, stderr=log
            )

    def stop(self) -> None:
        self.client.close()
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait(30)
