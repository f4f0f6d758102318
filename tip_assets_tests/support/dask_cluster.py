"""A Dask scheduler and workers as processes of their own on loopback, to be killed by tests.

Belongs here: that cluster. Does not belong here: what must be true after a loss.
"""

import subprocess
import sys
import time
from collections.abc import Mapping
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
        self.workers: list[subprocess.Popen[bytes]] = []
        self.client = Client(self.address, timeout=60)
        self.complete()

    def complete(self) -> None:
        """Start workers until two live, and wait until the scheduler knows them."""
        self.workers = self.living()
        while len(self.workers) < 2:
            command = ("worker", self.address, *_LOOPBACK, "--nthreads", "1", "--no-nanny")
            self.workers.append(self._start(*command))
        self.client.wait_for_workers(2, timeout=60)

    def renew(self) -> None:
        """Replace all workers by new ones, which have imported nothing yet."""
        for worker in self.workers:
            worker.kill()
            worker.wait(30)
        while self.client.nthreads():
            time.sleep(0.1)
        self.complete()

    def kill_one(self) -> None:
        """Kill a worker, as a machine dies."""
        self.workers[0].kill()
        self.workers[0].wait(30)

    def living(self) -> list[subprocess.Popen[bytes]]:
        """The workers whose process lives."""
        return [worker for worker in self.workers if worker.poll() is None]

    def wait_until_both_train(self) -> None:
        """Wait until both workers run the task of xgboost.dask that trains, which is named `fn`."""
        deadline = time.monotonic() + 60
        while not all(
            any(str(key).startswith("fn-") for key in keys)
            for keys in self.client.processing().values()
        ):
            assert time.monotonic() < deadline, (self.folder / "dask.log").read_text()[-3000:]
            time.sleep(0.02)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "dask.log").open("a") as log:
            return subprocess.Popen(
                [_DASK, *command], env=dict(self.environment), stdout=log, stderr=log
            )

    def stop(self) -> None:
        self.client.close()
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait(30)
