"""The command `tips`: arguments, output and exit codes; one file per group of commands.

Commands import what they need when they run, which keeps `tips --help` fast.
"""

import tempfile
import traceback
from pathlib import Path

import typer

from tip_assets.cli import models, months, parameters, predict, rehearse, servers, status, upgrade
from tip_assets.cli.terminal import Exit, app

__all__ = [
    "app",
    "main",
    "models",
    "months",
    "parameters",
    "predict",
    "rehearse",
    "servers",
    "status",
    "upgrade",
]


def main() -> None:
    """Run the command; print an unexpected error in one line and its traceback to a file."""
    try:
        app()
    except Exception as error:
        with tempfile.NamedTemporaryFile(
            "w", prefix="tips-error-", suffix=".log", delete=False, encoding="utf-8"
        ) as log:
            log.write(traceback.format_exc())
        from tip_assets.runtime.services import describe_error

        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        message = "; ".join(line.strip() for line in lines[:3]) or "no details"
        message = describe_error(error) or f"{type(error).__name__}: {message}"
        typer.echo(f"error: {message}\nDetails: {Path(log.name)}", err=True)
        raise SystemExit(int(Exit.FAILED)) from error
