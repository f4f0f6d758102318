"""The command `tips predict`: tips of a file, or of every file of a folder."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tip_assets.cli.terminal import MODELS, Exit, app, fail, registry_of
from tip_assets.settings import path_of

if TYPE_CHECKING:
    from upath import UPath

    from tip_assets.serving.loaded_model import LoadedModel

_PARQUET = ".parquet"
_SUFFIXES = (".csv", ".csv.gz", _PARQUET)
_SHOWN_EVERY_SECONDS = 0.5


@app.command(rich_help_panel=MODELS)
def predict(
    source: Annotated[
        str,
        typer.Argument(help="Bills: a .csv, .csv.gz or .parquet file, or a folder; may be s3://."),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            help="Write here: a .csv or .parquet file, or a folder for a folder; may be s3://. "
            "Default: CSV to the terminal."
        ),
    ] = None,
    intervals: Annotated[bool, typer.Option(help="Add each prediction's interval.")] = True,
    reasons: Annotated[
        bool, typer.Option("--reasons", help="Add what each value adds to the tip, in dollars.")
    ] = False,
) -> None:
    """Predict the tips of bills with the champion; list refused rows with the reason.

    A file that cannot be read is named and the others go on; the exit code is then 1.
    """
    from mlflow.exceptions import MlflowException

    from tip_assets.ingestion.table_files import UnreadableFile
    from tip_assets.serving.champion import serving_version
    from tip_assets.serving.loaded_model import load_version

    bills, target = path_of(source), path_of(output) if output else None
    files = _files_of(bills, source)
    if target is None and len(files) > 1:
        fail("a folder is predicted into a folder: name it with --output")
    targets = _targets(files, target)
    if target is not None and (bills in (target, *target.parents) or bills in targets.values()):
        fail(f"{output} is among the bills: the answer would replace or join them")
    with registry_of() as (settings, registry):
        model = load_version(registry, serving_version(registry).number)
    coverage = settings.interval_coverage if intervals else None
    scored, refused, unreadable = 0, 0, 0
    for file, into in targets.items():
        try:
            done = _predict_file(model, file, into, coverage, reasons)
        except (UnreadableFile, MlflowException) as error:
            typer.echo(f"error: {file.name}: {error}", err=True)
            unreadable += 1
            continue
        scored, refused = scored + done[0], refused + done[1]
    typer.echo(f"{scored} rows predicted, {refused} refused", err=True)
    if unreadable or not scored:
        raise typer.Exit(Exit.FAILED)


def _files_of(path: "UPath", source: str) -> dict["UPath", str]:
    """Return the files to predict, each with its name within the folder; "" if it is no folder."""
    if path.is_file():
        return {path: ""}
    found = {
        file: file.path.removeprefix(path.path).lstrip("/")
        for file in sorted(path.rglob("*"), key=str)
        if file.name.endswith(_SUFFIXES) and file.is_file()
    }
    if not found:
        fail(f"{source} is neither a file nor a folder with {', '.join(_SUFFIXES)} files")
    return found


def _targets(files: dict["UPath", str], target: "UPath | None") -> dict["UPath", "UPath | None"]:
    """Return where the answer to each file goes: answers are not compressed."""
    if target is None or (list(files.values()) == [""] and not target.is_dir()):
        return dict.fromkeys(files, target)
    targets = {
        file: target / (name or file.name).removesuffix(".gz") for file, name in files.items()
    }
    if len(set(targets.values())) < len(targets):
        fail("a .csv and a .csv.gz of the same name would be written to one file: rename one")
    return dict(targets)


def _predict_file(
    model: "LoadedModel",
    file: "UPath",
    target: "UPath | None",
    coverage: float | None,
    with_contributions: bool,
) -> tuple[int, int]:
    """Predict a file; returns the numbers of predicted and refused rows.

    The answer is written when it is complete: the end of a file may be damaged.
    """
    from tip_assets.serving.scored_files import ScoredFileWriter
    from tip_assets.serving.scoring import score_file

    scored, refused = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer"
        as_parquet = target is not None and target.name.endswith(_PARQUET)
        with (
            answer.open("w", encoding="utf-8", newline="") as text,
            ScoredFileWriter(
                None if as_parquet else text,
                answer.with_suffix(_PARQUET) if as_parquet else None,
                with_intervals=coverage is not None,
                with_contributions=with_contributions,
            ) as writer,
            _progress(file.name) as show,
        ):
            for piece in score_file(model, file, coverage, with_contributions=with_contributions):
                writer.write(piece)
                scored, refused = scored + len(piece.accepted), refused + len(piece.refused)
                show(scored + refused)
        _deliver(answer.with_suffix(_PARQUET) if as_parquet else answer, target)
    return scored, refused


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int], None]]:
    """Show the rows done and rows a second on a terminal; takes the rows done so far."""
    begun = shown = time.monotonic()

    def show(rows: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if sys.stderr.isatty() and now - shown > _SHOWN_EVERY_SECONDS:
            shown = now
            rate = rows / (now - begun)
            typer.echo(f"\r{name}: {rows:,} rows, {rate:,.0f} a second ", err=True, nl=False)

    yield show
    if shown != begun:
        typer.echo(err=True)


def _deliver(answer: Path, target: "UPath | None") -> None:
    """Copy a complete answer to the terminal or to its place, there under its name when whole."""
    from tip_assets.runtime.storage import copy_atomically

    if target is not None:
        copy_atomically(answer, target)
        return
    with answer.open(encoding="utf-8", newline="") as text:
        shutil.copyfileobj(text, sys.stdout)
