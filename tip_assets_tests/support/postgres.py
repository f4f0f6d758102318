"""A stack of which only Postgres runs, and how one server of a stack is run."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.stack.folder import Stack
from deploy.stack.servers import util_linux
from tip_assets.settings import Settings
from tip_assets_tests.support.ports import free_port


@contextmanager
def only_postgres(*options: str, **ports: int) -> Iterator[Stack]:
    """Run Postgres with `options`, such as `log_statement=ddl`, while the block lasts.

    `ports` are settings of the stack's other servers, which the caller may start.
    """
    # Not pytest's folder: Postgres, which refuses to be root, must get through to it.
    folder = Path(tempfile.mkdtemp(prefix="tips-postgres-"))
    stack = Stack(folder, Settings(postgres_port=free_port(), **ports))
    try:
        stack.prepare()
        with running(stack, "postgres", "--fsync=off", *(f"--{option}" for option in options)):
            yield stack
    finally:
        shutil.rmtree(folder)


@contextmanager
def running(stack: Stack, name: str, *options: str) -> Iterator[None]:
    """Run one server of a prepared stack; begin the block when it answers."""
    (server,) = [server for server in stack.servers if server.name == name]
    command = [*server.command.split(), *options]
    if server.user:
        command = [util_linux("setpriv"), f"--reuid={server.user}", "--clear-groups", *command]
    with (stack.folder / "logs" / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        try:
            wait_for(name, server.answers)
            yield
        finally:
            # Postgres' fast shutdown, which does not wait for clients.
            process.send_signal(signal.SIGINT)
            process.wait(30)


def wait_for(what: str, until: Callable[[], bool]) -> None:
    """Wait until a condition holds, at most a minute."""
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)
