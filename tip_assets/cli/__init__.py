"""The command `tips`: what a person or a script types.

Belongs here: arguments, words and exit codes; each file of this package has the commands of one
subject. Does not belong here: anything a function elsewhere could do without a terminal. Imports
inside commands keep `tips --help` fast.
"""

import tempfile
import traceback
from pathlib import Path

import typer

from tip_assets.cli import models, months, parameters, rehearse, servers, status
from tip_assets.cli.terminal import Exit, app

__all__ = ["app", "main", "models", "months", "parameters", "rehearse", "servers", "status"]


def main() -> None:
    """The entry point: trouble that no command expects is told in a line, the rest in a file."""
    try:
        app()
    except Exception as error:
        with tempfile.NamedTemporaryFile(
            "w", prefix="tips-error-", suffix=".log", delete=False, encoding="utf-8"
        ) as log:
            log.write(traceback.format_exc())
        from tip_assets.runtime.services import describe_error

        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        message = "; ".join(line.strip() for line in lines[:3]) or "no more is known"
        message = describe_error(error) or f"{type(error).__name__}: {message}"
        typer.echo(f"error: {message}\nEverything is in {Path(log.name)}", err=True)
        raise SystemExit(int(Exit.FAILED)) from error
