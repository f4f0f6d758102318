"""The command `tips`: what a person or a script types.

Belongs here: arguments, words and exit codes. Does not belong here: anything a function elsewhere
could do without a terminal. Imports inside commands keep `tips --help` fast.
"""

import getpass
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tip_assets.settings import Settings, get_settings

if TYPE_CHECKING:
    from tip_assets.resources.model_registry import ModelRegistry
    from tip_assets.run_month import Outcome

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Keeps a waiter-tip prediction model in production, month by month.",
)


class Exit(IntEnum):
    """Exit codes. 2 is Typer's, for arguments it does not understand."""

    FAILED = 1
    HELD = 3


Month = Annotated[str, typer.Option(help="The month, such as 2024-01.", metavar="YYYY-MM")]
Reason = Annotated[str, typer.Option(help="Why; kept in the champion's history.")]


@app.command()
def run(
    month: Month,
    sample: Annotated[
        bool,
        typer.Option("--sample", help="First put the bundled 244 tips into its landing folder."),
    ] = False,
) -> None:
    """Run a month: ingestion, search, training, comparison, drift, promotion.

    Exit code 0: done; 1: failed; 3: a check held the promotion and the champion keeps serving.
    """
    from tip_assets.run_month import run_month
    from tip_assets.simulate import land_sample

    settings = _settings_for(month)
    if sample:
        land_sample(settings.storage_root, month)
    typer.echo(f"Month {month}, storage {settings.storage_root}")
    _finish(run_month(settings, month), settings)


@app.command()
def release(month: Month, reason: Reason) -> None:
    """Let the model of a held month serve, with a reason."""
    from tip_assets.run_month import release as release_month

    settings = _settings_for(month)
    if not reason.strip():
        _fail("a release needs a reason: it is kept in the champion's history")
    if not (settings.storage_root / "assets" / "registered_model" / f"{month}.json").exists():
        _fail(f"{month} has no model to release: run the month first")
    _finish(release_month(settings, month, reason, getpass.getuser()), settings)


@app.command()
def champion() -> None:
    """Show the model that serves."""
    from tip_assets.champion import serving_version
    from tip_assets.definitions import mlflow_tracking
    from tip_assets.resources.month_run import top_run

    with _registry() as (settings, registry):
        version = serving_version(registry)
        run = registry.client.get_run(version.run_id).data
        top = top_run(mlflow_tracking(settings))
    metrics = run.metrics
    typer.echo(f"version     {version.number}, trained for {version.month}")
    typer.echo(f"data        {', '.join(version.recipe.months)}")
    typer.echo(f"test RMSE   {metrics['test_rmse']:.3f} USD on {metrics['test_rows']:.0f} rows")
    for rule in sorted(name for name in metrics if name.startswith("test_rmse_")):
        words = rule.removeprefix("test_rmse_").replace("_", " ")
        typer.echo(f"  {words:<13} {metrics[rule]:.3f}")
    typer.echo(f"recipe      {version.recipe.fingerprint}, seed {version.recipe.seed}")
    typer.echo(f"MLflow run  {version.run_id}")
    typer.echo(f"top run     {top}")


@app.command()
def history() -> None:
    """Show who served when, and why it changed."""
    from tip_assets.resources.metric_store import MetricStore

    rows = MetricStore(url=get_settings().metric_store_url).history()
    if not rows:
        typer.echo("No decision yet: run a month first.")
        return
    typer.echo(f"{'month':<8} {'decided (UTC)':<17} {'action':<12} {'champion':<12} reason")
    for row in sorted(rows, key=lambda row: row["at"]):
        before, after = row["champion_before"], row["champion_after"]
        change = f"{before or '-'} -> {after}" if before != after else f"{after or '-'}"
        by = f" (by {row['person']})" if row["person"] else ""
        typer.echo(
            f"{row['month']:<8} {row['at']:%Y-%m-%d %H:%M}  {row['action']:<12} {change:<12} "
            f"{row['reason']}{by}"
        )


@app.command()
def rollback(
    reason: Reason,
    to: Annotated[
        int | None, typer.Option(help="Version to serve; default: the previous one.")
    ] = None,
) -> None:
    """Let an earlier model serve again; takes effect at once."""
    from tip_assets.champion import roll_back
    from tip_assets.resources.metric_store import MetricStore

    with _registry() as (settings, registry):
        store = MetricStore(url=settings.metric_store_url)
        before, after = roll_back(registry, store, to, reason, getpass.getuser())
    typer.echo(f"Version {after.number} serves again; version {before.number} is `previous`.")


@app.command()
def rebuild(version: Annotated[int, typer.Argument(help="A registry version.")]) -> None:
    """Build a version again and prove that its bytes are the same, or name what differs."""
    from tip_assets.champion import rebuild as rebuild_version

    with _registry() as (settings, registry):
        result = rebuild_version(registry, settings, version)
    if result.identical:
        typer.echo(f"Version {version}: rebuilt, identical byte for byte.")
        return
    typer.echo(f"Version {version} cannot be reproduced here. What differs:")
    for line in result.differences:
        typer.echo(f"  {line}")
    raise typer.Exit(Exit.FAILED)


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(help="A .csv or .parquet file of bills.", exists=True)],
    output: Annotated[
        Path | None, typer.Option(help="Write CSV here; default: to the terminal.")
    ] = None,
) -> None:
    """Predict the tips of a file by the champion; refused rows are listed with the reason."""
    from upath import UPath

    from tip_assets.champion import PREDICTION, REFUSED, predict_file

    with _registry() as (_settings, registry):
        answer = predict_file(registry, UPath(file.resolve()))
    text = answer.round({PREDICTION: 2}).to_csv()
    if output:
        output.write_text(text, "utf-8")
    else:
        typer.echo(text, nl=False)
    refused = int(answer[REFUSED].notna().sum())
    typer.echo(f"{len(answer) - refused} rows predicted, {refused} refused", err=True)
    if refused == len(answer):
        raise typer.Exit(Exit.FAILED)


@app.command()
def quarantine(month: Month) -> None:
    """List what was refused of a month, and why. Drop corrected files and run the month again."""
    import io

    import pandas as pd

    from tip_assets.landing import rows_in
    from tip_assets.storage import quarantine_file

    path = quarantine_file(_settings_for(month).storage_root, month)
    if not path.exists():
        _fail(f"{month} has not been run yet: there is no {path}")
    refused = pd.read_parquet(io.BytesIO(path.read_bytes()))
    for entry in refused.itertuples(index=False):
        where = entry.file if pd.isna(entry.row) else f"{entry.file}, row {entry.row}"
        what = f"{entry.column} = {entry.value!r} " if entry.column else ""
        typer.echo(f"{where}: {what}{entry.reason}")
    unreadable = int(refused["row"].isna().sum())
    typer.echo(f"{month}: {rows_in(refused)} rows and {unreadable} whole files are quarantined")


@app.command()
def simulate(
    month: Month,
    rows: Annotated[int, typer.Option(min=1, help="Rows to generate.")] = 244,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same rows.")] = 1,
    prices: Annotated[float, typer.Option(min=0.01, help="Factor on bills and tips.")] = 1.0,
    generosity: Annotated[float, typer.Option(min=0.01, help="Factor on tips alone.")] = 1.0,
    lunch_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of lunch rows; default: the sample's.")
    ] = None,
    larger_parties: Annotated[
        float, typer.Option(min=0, max=1, help="Share of tables that get one more person.")
    ] = 0.0,
    broken: Annotated[bool, typer.Option("--broken", help="Add files with faults.")] = False,
) -> None:
    """Write generated landing files for a month; their names start with `generated`."""
    from tip_assets.simulate import Change, land_generated

    settings = _settings_for(month)
    change = Change(prices, generosity, lunch_share, larger_parties)
    for path in land_generated(settings.storage_root, month, rows, seed, change, broken):
        typer.echo(f"written: {path}")


@app.command()
def demo() -> None:
    """Play four months: the sample, then three generated ones (quiet, changed, broken files)."""
    from tip_assets.demo import play
    from tip_assets.summary import summary

    settings = get_settings()
    failed = False
    for part in play(settings):
        if isinstance(part, str):
            typer.echo(f"\n{'=' * 79}\n{part}\n")
        else:
            typer.echo(summary(part, settings))
            failed |= part.failure is not None
    if failed:
        raise typer.Exit(Exit.FAILED)


@app.command()
def up() -> None:
    """Start the Dagster UI with its daemon and the MLflow UI, and print the addresses."""
    from tip_assets.local_servers import busy, servers
    from tip_assets.local_servers import up as start

    settings = get_settings()
    for server in servers(settings):
        if busy(server):
            _fail(
                f"port {server.port}, meant for {server.title}, is taken by another process: stop "
                f"it or set TIPS_{server.name.upper()}_PORT"
            )
    raise typer.Exit(start(settings, sys.stdout))


def _finish(outcome: "Outcome", settings: Settings) -> None:
    from tip_assets.summary import summary

    typer.echo(summary(outcome, settings))
    if outcome.failure:
        raise typer.Exit(Exit.FAILED)
    if outcome.is_held:
        raise typer.Exit(Exit.HELD)


def _settings_for(month: str) -> Settings:
    """The settings, once the month is known to be one of the platform's."""
    from tip_assets.partitions import is_month, months

    settings = get_settings()
    if not is_month(month):
        _fail(f"{month!r} is not a month such as 2024-01")
    if not months.has_partition_key(month):
        last = months.get_last_partition_key()
        until = f"to {last}" if last else "of which none has begun"
        _fail(f"{month} is outside of the platform's months, {settings.first_month} {until}")
    return settings


@contextmanager
def _registry() -> Iterator[tuple[Settings, "ModelRegistry"]]:
    """The settings and the registry, library noise kept off, expected trouble told in words."""
    from mlflow.exceptions import MlflowException

    from tip_assets.champion import NothingToDo
    from tip_assets.console import noise_to
    from tip_assets.definitions import mlflow_tracking
    from tip_assets.resources.model_registry import ModelRegistry
    from tip_assets.table_files import UnreadableFile

    settings = get_settings()
    try:
        with noise_to(settings.state_folder / "logs" / "tips.log"):
            yield settings, ModelRegistry(mlflow_tracking(settings).client)
    except (NothingToDo, UnreadableFile, MlflowException) as error:
        _fail(str(error))


def main() -> None:
    """The entry point: trouble that no command expects is told in a line, the rest in a file."""
    try:
        app()
    except Exception as error:
        log = Path(tempfile.gettempdir()) / "tips-error.log"
        log.write_text(traceback.format_exc(), "utf-8")
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        words = "; ".join(line.strip() for line in lines[:3]) or "no more is known"
        typer.echo(f"error: {type(error).__name__}: {words}\nEverything is in {log}", err=True)
        raise SystemExit(int(Exit.FAILED)) from error


def _fail(words: str) -> None:
    typer.echo(f"error: {words}", err=True)
    raise typer.Exit(Exit.FAILED)
