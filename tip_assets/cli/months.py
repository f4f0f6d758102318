"""Commands about months: run, backfill, release, quarantine, checks, notifications, simulate."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from tip_assets.cli.terminal import (
    LOOKING,
    MONTHS,
    PLAYING,
    AsJson,
    Exit,
    Month,
    Reason,
    announce_new_platform,
    app,
    echo_json,
    fail,
    require_platform,
    settings_for,
)
from tip_assets.settings import Settings, get_settings

if TYPE_CHECKING:
    from tip_assets.cli.run_month import Outcome


@app.command(rich_help_panel=MONTHS)
def run(
    month: Month,
    sample: Annotated[
        bool,
        typer.Option("--sample", help="First put the bundled 244 tips into its landing folder."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a month: ingestion, search, training, comparison, drift, promotion.

    Runs earlier months that have landed and were never run first. If the daemon runs one of them,
    the month is deferred, and the daemon runs it afterwards. Exit code 0: done; 1: failed; 3: a
    check held or deferred the month, and the champion keeps serving.
    """
    from tip_assets.ingestion.simulate import land_sample

    settings = settings_for(month)
    announce_new_platform(settings)
    if sample:
        land_sample(settings.storage_root, month)
    outcome = _run_in_order(settings, month, as_json)[-1]
    if as_json:
        echo_json(outcome.to_dict())
    raise typer.Exit(exit_code(outcome))


@app.command(rich_help_panel=MONTHS)
def backfill(
    since: Annotated[
        str, typer.Option("--from", help="First month; default: the first that has landed.")
    ] = "",
    until: Annotated[
        str, typer.Option("--to", help="Last month; default: the last that has landed.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Run every month that has landed, oldest first, in one process.

    A month that fails or is held does not stop later months; Ctrl-C does. Exit code: 1 when
    one failed, else 3 when one was held.
    """
    from tip_assets.ingestion.landing import landing_digests
    from tip_assets.partitions import months

    settings = get_settings()
    for month in filter(None, (since, until)):
        settings_for(month)
    landed = filter(months.has_partition_key, landing_digests(settings.storage_root))
    chosen = [m for m in landed if (since or m) <= m <= (until or m)]
    if not chosen:
        require_platform(settings, settings.metric_store_url)
        between = f" from {since or 'the first'} to {until or 'the last'}" if since or until else ""
        fail(f"no month{between} has landed under {settings.storage_root / 'landing'}")
    outcomes: list[Outcome] = []
    for month in chosen:
        outcomes += _run_in_order(settings, month, as_json)
        if outcomes[-1].interrupted:
            break
    if as_json:
        echo_json([outcome.to_dict() for outcome in outcomes])
    codes = {exit_code(outcome) for outcome in outcomes}
    raise typer.Exit(Exit.FAILED if Exit.FAILED in codes else max(codes))


@app.command(rich_help_panel=MONTHS)
def release(
    month: Month,
    reason: Reason,
    by: Annotated[str, typer.Option(help="Who decides; default: the user of this machine.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let the model of a held month serve, with a reason."""
    from tip_assets.cli.run_month import release as release_month
    from tip_assets.cli.summary import summary

    settings = settings_for(month)
    if not reason.strip():
        fail("a release needs a reason: it is recorded in the champion's history")
    require_platform(settings, settings.metric_store_url, settings.tracking_uri)
    if not (settings.storage_root / "assets" / "registered_model" / f"{month}.json").exists():
        fail(f"{month} has no model to release: run the month first")
    person = by or getpass.getuser()
    outcome = release_month(settings, month, reason, person, quiet=as_json)
    if as_json:
        echo_json(outcome.to_dict())
    else:
        typer.echo(summary(outcome, settings))
    raise typer.Exit(exit_code(outcome))


@app.command(rich_help_panel=LOOKING)
def quarantine(month: Month, as_json: AsJson = False) -> None:
    """List a month's refused rows and files with the reason. Land corrected files and rerun."""
    import io

    import pandas as pd

    from tip_assets.ingestion.landing import rows_in
    from tip_assets.runtime.storage import quarantine_file

    settings = settings_for(month)
    path = quarantine_file(settings.storage_root, month)
    if not path.exists():
        require_platform(settings, settings.metric_store_url)
        fail(f"{month} has not been run yet: there is no {path}")
    refused = pd.read_parquet(io.BytesIO(path.read_bytes()))
    if as_json:
        echo_json(refused.astype(object).where(refused.notna(), None).to_dict("records"))
        return
    for entry in refused.itertuples(index=False):
        where = entry.file if pd.isna(entry.row) else f"{entry.file}, row {entry.row}"
        what = f"{entry.column} = {entry.value!r} " if entry.column else ""
        typer.echo(f"{where}: {what}{entry.reason}")
    unreadable = int(refused["row"].isna().sum())
    typer.echo(f"{month}: {rows_in(refused)} rows and {unreadable} whole files are quarantined")


@app.command(rich_help_panel=LOOKING)
def checks(month: Month, as_json: AsJson = False) -> None:
    """List the latest results of a month's checks."""
    from tip_assets.metric_store.store import MetricStore

    settings = settings_for(month)
    require_platform(settings, settings.metric_store_url)
    found = MetricStore(url=settings.metric_store_url).checks(month)
    if not found:
        fail(f"{month} has not been checked yet: run the month first")
    if as_json:
        echo_json(found)
        return
    for check in found:
        bad = "HELD" if check["blocking"] else "warning"
        typer.echo(f"{'passed' if check['passed'] else bad:<8} {check['check']}: {check['words']}")


@app.command(rich_help_panel=LOOKING)
def notifications(as_json: AsJson = False) -> None:
    """List the notifications, oldest first, including undelivered ones."""
    from tip_assets.reporting.outbox import notifications as outbox

    settings = get_settings()
    require_platform(settings, settings.metric_store_url)
    sent = outbox(settings).sent()
    if as_json:
        echo_json(sent)
        return
    if not sent:
        typer.echo("No notifications yet.")
    for row in sent:
        delivered = f"to {row['delivered_to']}" if row["delivered_at"] else "NOT DELIVERED"
        problem = f": {row['trouble']}" if row["trouble"] else ""
        typer.echo(f"{row['at']:%Y-%m-%d %H:%M} UTC  {row['subject']}  ({delivered}{problem})")
        typer.echo("".join(f"    {line}\n" for line in row["text"].splitlines()))


@app.command(rich_help_panel=PLAYING)
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
    from tip_assets.ingestion.simulate import Change, land_generated

    settings = settings_for(month)
    announce_new_platform(settings)
    change = Change(prices, generosity, lunch_share, larger_parties)
    for path in land_generated(settings.storage_root, month, rows, seed, change, broken):
        typer.echo(f"written: {path}")


@app.command(rich_help_panel=PLAYING)
def demo() -> None:
    """Run four months: the sample, then three generated ones (quiet, changed, broken files)."""
    from tip_assets.cli.demo import play
    from tip_assets.cli.summary import summary

    settings = get_settings()
    announce_new_platform(settings)
    failed = False
    for part in play(settings):
        if isinstance(part, str):
            typer.echo(f"\n{'=' * 79}\n{part}\n")
        else:
            typer.echo(summary(part, settings))
            failed |= part.failure is not None
            if part.interrupted:
                break
    if failed:
        raise typer.Exit(Exit.FAILED)


def _run_in_order(settings: Settings, month: str, as_json: bool) -> list["Outcome"]:
    """Run pending earlier months and the month, each with its summary; returns the outcomes."""
    from tip_assets.cli.run_month import in_order, run_month
    from tip_assets.cli.summary import summary
    from tip_assets.runtime.drain import Held

    outcomes: list[Outcome] = []
    try:
        with in_order(settings, month) as ordered:
            for each in ordered:
                typer.echo(f"\nMonth {each}, storage {settings.storage_root}", err=as_json)
                outcomes.append(run_month(settings, each, quiet=as_json))
                if not as_json:
                    typer.echo(summary(outcomes[-1], settings))
                if outcomes[-1].interrupted:
                    break
    except Held as held:
        fail(str(held))
    return outcomes


def exit_code(outcome: "Outcome") -> int:
    """Return the exit code for a run's outcome."""
    if outcome.failure:
        return Exit.FAILED
    return Exit.HELD if outcome.is_held else 0
