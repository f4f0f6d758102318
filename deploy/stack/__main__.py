"""`make stack`, `make stack-down`, `make stack-status`, `make stack-backup`, `make stack-restore`.

Starts and stops the servers through Supervisor. Backups are made and restored by `deploy/backup`.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from deploy.stack.folder import CannotPrepare, Stack
from deploy.stack.servers import check_programs, s3_sockets
from tip_assets.runtime.orphaned_processes import end, orphaned_processes
from tip_assets.runtime.signals import end_on_signal
from tip_assets.runtime.supervisor import BINARIES, Missing, Server
from tip_assets.settings import Settings

_READY_WITHIN_SECONDS = 180
_BACKUP = (sys.executable, "-m", "deploy.backup")
app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, help="The platform's servers."
)


@app.command()
def up() -> None:
    """Start every server, wait until each is ready, and print the addresses."""
    stack = _stack()
    _start_storage(stack)
    if _run_as_administrator(stack, str(BINARIES / "tips"), "databases"):
        _fail("the databases cannot be prepared; the servers that use them are not started")
    _start_others(stack)


@app.command()
def down() -> None:
    """Stop every server; the data stay in the folder."""
    stack = _stack()
    process = stack.supervisor.pid()
    if process:
        typer.echo("Stopping the servers ...")
        stack.supervisor.shut_down()
        _wait("Supervisor to end", lambda: not Path(f"/proc/{process}").exists())
    left_behind = orphaned_processes(stack.supervisor.address)
    end(left_behind)
    if not process and not left_behind:
        typer.echo(f"The stack in {stack.folder} is not up.")
        return
    for left in s3_sockets(stack.folder, stack.settings.s3_port):
        left.unlink(missing_ok=True)
    typer.echo(f"The stack is down; its data are in {stack.folder}.")


@app.command()
def status() -> None:
    """Show which servers are ready; exit code 1 if one is not."""
    stack = _stack()
    all_ready = True
    typer.echo(f"The stack in {stack.folder}:")
    for server in stack.servers:
        ready = _is_ready(stack, server)
        all_ready &= ready
        typer.echo(f"  {server.title:<17} {'ready' if ready else 'NOT READY':<10} {_where(server)}")
    raise typer.Exit(0 if all_ready else 1)


@app.command()
def backup(
    to: Annotated[Path, typer.Argument(help="Folder of all backups; created if missing.")],
) -> None:
    """Back up the running platform's data, without passwords and keys."""
    stack = _stack()
    if not stack.environment_file.exists():
        _fail(f"there is no stack in {stack.folder}")
    raise typer.Exit(_run_as_administrator(stack, *_BACKUP, "save", str(to)))


@app.command()
def restore(
    backup: Annotated[Path, typer.Argument(help="Folder of one backup.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace existing databases and files.")
    ] = False,
) -> None:
    """Restore a backup to a new stack or, with --replace, to this one, and start it."""
    stack = _stack()
    _start_storage(stack)
    for server in reversed(stack.servers):
        if server.needs_storage:
            stack.supervisor.stop(server.name)
    options = ["--replace"] if replace else []
    if _run_as_administrator(stack, *_BACKUP, "restore", str(backup), *options):
        _fail(
            "not restored; the servers that use the databases are stopped: make stack starts them"
        )
    _start_others(stack)


def _stack() -> Stack:
    settings = Settings()
    try:
        check_programs()
    except Missing as missing:
        _fail(str(missing))
    return Stack(Path(settings.stack_folder).resolve(), settings)


def _start_storage(stack: Stack) -> None:
    """Start the servers that the others need: Postgres and S3."""
    if stack.supervisor.pid() is None:
        _start_supervisor(stack)
    _start(stack, [server for server in stack.servers if not server.needs_storage])


def _start_others(stack: Stack) -> None:
    others = [server for server in stack.servers if server.needs_storage]
    _start(stack, others)
    if any(server.name == "grafana" for server in others):
        typer.echo(f"Grafana's user is admin; the password: {stack.folder}/grafana/grafana.env")
    typer.echo(f"Use it in a shell: set -a; . {stack.environment_file}; set +a")


def _run_as_administrator(stack: Stack, *command: str) -> int:
    """Run a command on the stack with the right to create databases; returns its exit code."""
    administrator = {"TIPS_POSTGRES_ADMIN": stack.admin_url()}
    environment = os.environ | stack.environment() | administrator
    return subprocess.run(command, env=environment, check=False).returncode


def _start_supervisor(stack: Stack) -> None:
    end(orphaned_processes(stack.supervisor.address))  # of a killed Supervisor
    for server in stack.servers:
        if server.port_is_taken():
            _fail(server.message_if_taken)
    try:
        stack.prepare()
    except CannotPrepare as error:
        _fail(str(error))
    (stack.folder / "supervisor.sock").unlink(missing_ok=True)
    environment = os.environ | stack.environment()
    subprocess.run(stack.supervisor.command(), env=environment, check=True)


def _start(stack: Stack, servers: list[Server]) -> None:
    for server in servers:
        stack.supervisor.start(server.name)
    for server in servers:
        log = stack.supervisor.log(server.name)
        _wait(f"{server.title} (its log: {log})", partial(_is_ready, stack, server))
        typer.echo(f"  {server.title:<17} {_where(server) or 'runs'}")


def _is_ready(stack: Stack, server: Server) -> bool:
    state = stack.supervisor.states().get(server.name, {})
    return state.get("statename") == "RUNNING" and (server.port is None or server.answers())


def _where(server: Server) -> str:
    return server.address if server.port else ""


def _wait(what: str, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while not until():
        if time.monotonic() > deadline:
            _fail(f"timed out after {_READY_WITHIN_SECONDS} s waiting for {what}")
        time.sleep(0.3)


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    end_on_signal()
    app()
