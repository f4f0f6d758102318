"""Runs of the platform in processes of their own, some of them killed at a named point.

Belongs here: how a run or a command is started and killed. Does not belong here: what must be true
afterwards.

Processes are forked from one that has imported the libraries, which takes longer than the month.
"""

import importlib
import multiprocessing
import multiprocessing.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_PRELOADED = ["tip_assets_tests.preloaded", __name__]


@dataclass(frozen=True)
class Point:
    """A moment of a run: before or after a call of a function, the nth that satisfies `when`."""

    name: str
    function: str
    after: bool = False
    nth: int = 1
    when: Callable[..., bool] | None = None


def start(
    storage: Path, months: Sequence[str], killed_at: Point | None = None, **settings: str
) -> BaseProcess:
    """Start a process that runs months one after the other; its exit code is that of the last."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_play, args=(storage, months, killed_at, settings))
    process.start()
    return process


def finish(process: BaseProcess) -> int:
    """Wait for a process; gives its exit code, negative for a signal."""
    process.join(600)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode


def command(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """What the command `tips` does: its exit code and what it prints."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "stdout", Path(folder) / "stderr"
        asked = (list(arguments), dict(environment), outputs)
        process = context.Process(target=_command, args=asked)
        process.start()
        code = finish(process)
        printed, told = (path.read_text() for path in outputs)
    return subprocess.CompletedProcess(["tips", *arguments], code, printed, told)


def log_of(storage: Path) -> Path:
    """What the processes on a storage have printed."""
    return storage.with_suffix(".log")


def _command(arguments: list[str], environment: dict[str, str], outputs: Sequence[Path]) -> None:
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["tips", *arguments]
    _fork_the_fresh_process()
    from tip_assets.cli import main
    from tip_assets.settings import get_settings

    get_settings.cache_clear()
    main()


def _play(
    storage: Path, months: Sequence[str], killed_at: Point | None, settings: dict[str, str]
) -> None:
    log = os.open(log_of(storage), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name in list(os.environ):
        if name.startswith(("TIPS_", "MLFLOW_TRACKING", "DAGSTER_")):
            del os.environ[name]
    os.environ.update({"TIPS_STORAGE": str(storage), **settings})
    _fork_the_fresh_process()
    if killed_at is not None:
        _arm(killed_at)
    from tip_assets.cli.months import exit_code
    from tip_assets.run_month import run_month
    from tip_assets.settings import get_settings

    get_settings.cache_clear()
    codes = [exit_code(run_month(get_settings(), month)) for month in months]
    os._exit(codes[-1])


def _fork_the_fresh_process() -> None:
    """Let it share what is imported here: these tests are not about its being fresh."""
    from tip_assets.resources import fresh_process

    fork = multiprocessing.get_context("fork")
    fresh_process.multiprocessing = SimpleNamespace(
        get_context=lambda _method: fork, util=multiprocessing.util
    )


def _arm(point: Point) -> None:
    """Let the process kill itself at the point."""
    path, _, name = point.function.rpartition(".")
    module, _, owner = path.partition(":")
    holder: Any = importlib.import_module(module)
    if owner:
        holder = getattr(holder, owner)
    original, calls = getattr(holder, name), []

    @wraps(original)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        if point.when is None or point.when(*args, **kwargs):
            calls.append(1)
        now = len(calls) == point.nth
        if now and not point.after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(holder, name, deadly)
