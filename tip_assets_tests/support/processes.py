"""The command `tips` as a process of its own, killed at a named point, or called in this process.

Belongs here: how a command is started, killed and called. Does not belong here: what must be true
afterwards.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any
from unittest import mock

TIPS = str(Path(sys.executable).parent / "tips")
_ENDS_WITHIN_SECONDS = 240


@dataclass(frozen=True)
class Point:
    """A moment of a run: before or after the nth call of a function.

    With `given`, only calls count that have an argument of this text or file name.
    """

    name: str
    function: str
    after: bool = False
    nth: int = 1
    given: str | None = None


def start(
    storage: Path, arguments: Sequence[str], killed_at: Point | None = None, **settings: str
) -> subprocess.Popen[bytes]:
    """Start `tips` on a storage; its output goes to `log_of(storage)`."""
    command = [TIPS, *arguments]
    if killed_at is not None:
        point = json.dumps(asdict(killed_at))
        command = [sys.executable, "-m", __name__, point, *arguments]
    environment = environment_of(storage, **settings)
    with log_of(storage).open("a") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def finish(process: subprocess.Popen[bytes], seconds: float = _ENDS_WITHIN_SECONDS) -> int:
    """Wait for a process; gives its exit code, negative for a signal."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def log_of(storage: Path) -> Path:
    """The file of what the processes on a storage have printed."""
    return storage.with_suffix(".log")


def environment_of(storage: Path, **settings: str) -> dict[str, str]:
    """This process's environment with the settings of a platform on a storage, and no others."""
    others = ("TIPS_", "MLFLOW_", "DAGSTER_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return clean | {"TIPS_STORAGE": str(storage), **settings}


def call(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `tips` in this process, where libraries are imported once; gives what it printed."""
    from tip_assets.cli import main
    from tip_assets.settings import get_settings

    # The limit of a run replaces pytest's own while it lasts.
    limits, saved = {"TIPS_MAX_RUN_MINUTES": "4"}, (os.dup(1), os.dup(2))
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        try:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            with (
                open(1, "w", closefd=False) as stdout,
                open(2, "w", closefd=False) as stderr,
                redirect_stdout(stdout),
                redirect_stderr(stderr),
                mock.patch.dict(os.environ, limits | dict(environment), clear=True),
                mock.patch.object(sys, "argv", ["tips", *arguments]),
            ):
                get_settings.cache_clear()
                code = _exit_code_of(main)
        finally:
            get_settings.cache_clear()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])
        texts = [file.seek(0) or file.read() for file in (out, err)]
    return subprocess.CompletedProcess(["tips", *arguments], code, *texts)


def _exit_code_of(main: Any) -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _arm(point: Point) -> None:
    """Let this process kill itself at the point."""
    path, _, name = point.function.rpartition(".")
    module, _, owner = path.partition(":")
    holder: Any = importlib.import_module(module)
    if owner:
        holder = getattr(holder, owner)
    original, calls = getattr(holder, name), []

    @wraps(original)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        if point.given is None or point.given in {getattr(a, "name", a) for a in args if _named(a)}:
            calls.append(1)
        now = len(calls) == point.nth
        if now and not point.after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(holder, name, deadly)


def _named(argument: object) -> bool:
    return isinstance(argument, str) or hasattr(argument, "name")


if __name__ == "__main__":
    from tip_assets import cli
    from tip_assets.tracking import worker

    # Most of these runs end before reports are drawn: libraries for them are imported when needed.
    worker.import_libraries = str
    worker._TRIALS_AT_ONCE = 2  # of four trials, some are logged before the search has ended
    _arm(Point(**json.loads(sys.argv[1])))
    sys.argv = ["tips", *sys.argv[2:]]
    cli.main()
