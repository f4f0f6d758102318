"""The command `tips rehearse`: simulate the platform's decisions on months like yours."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tip_assets.cli.terminal import PLAYING, app, fail
from tip_assets.settings import Settings, get_settings

if TYPE_CHECKING:
    import pandas as pd


@app.command(rich_help_panel=PLAYING)
def rehearse(
    months: Annotated[int, typer.Option(min=2, max=240, help="Months of a history.")] = 24,
    rows: Annotated[int, typer.Option(min=30, help="Rows of a month.")] = 60,
    histories: Annotated[int, typer.Option(min=1, help="Histories to simulate.")] = 40,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            help="Event, repeatable: quiet, prices:+20%@7 (from month 7 on), "
            "tips:-10%@5, mix:lunch+15@4, outage@6, dirty:10%@3, poison@8."
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Setting to try, such as TIPS_TRIALS=20; repeatable."),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(help="Policy to compare with: never, always, '<='; repeatable. Default: all."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed returns the same result.")] = 1,
    search: Annotated[
        bool, typer.Option("--search", help="Search parameters each month: slow.")
    ] = False,
    output: Annotated[Path, typer.Option(help="File of the HTML page.")] = Path("rehearsal.html"),
) -> None:
    """Simulate months drawn from your landed data under the platform's rules.

    Estimates how often drift would be called in quiet months, how soon a change would be detected,
    how many promotions there would be and how many of them right, and the error of each policy.
    Without landed data, months are drawn from the bundled sample.
    """
    # Histories run in parallel: more threads would only wait.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from tip_assets.rehearsal.page import page
    from tip_assets.rehearsal.play import SIMPLE_POLICIES, Rehearsal
    from tip_assets.rehearsal.results import play_all, results_of, table
    from tip_assets.rehearsal.scenario import QUIET, Scenario, UnknownScenario

    events = scenario or [QUIET]
    try:
        what_happens = Scenario.parse(events)
        settings = _with(get_settings(), change or [])
    except (UnknownScenario, ValueError) as error:
        fail(str(error))
    compared = tuple(dict.fromkeys(compare or SIMPLE_POLICIES))
    if unknown := set(compared) - set(SIMPLE_POLICIES):
        fail(f"{min(unknown)!r} is not a policy; use {', '.join(SIMPLE_POLICIES)}")
    pool, source = _pool(settings)
    rehearsal = Rehearsal(pool, what_happens, months, rows, settings, search, compared)
    typer.echo(f"Drawn from {source}; scenario: {', '.join(events)}", err=True)
    processes = len(os.sched_getaffinity(0))
    with typer.progressbar(
        play_all(rehearsal, histories, seed, processes),
        length=histories,
        label="histories",
        show_eta=True,
    ) as bar:
        played = list(bar)
    results = results_of(rehearsal, played)
    for name, value in table(rehearsal, results):
        typer.echo(f"  {name:<18} {value}")
    output.write_text(page(rehearsal, ", ".join(events), played, results), "utf-8")
    typer.echo(f"  page               {output}")


def _with(settings: Settings, changes: list[str]) -> Settings:
    """Return the settings with some replaced. Raises ValueError for unknown settings."""
    values = {}
    for change in changes:
        name, equals, value = change.partition("=")
        field = name.strip().lower().removeprefix("tips_")
        if not equals or field not in Settings.model_fields:
            raise ValueError(f"{change!r} is not a setting with a value, such as TIPS_TRIALS=20")
        values[field] = value
    return Settings.model_validate(settings.model_dump() | values)


def _pool(settings: Settings) -> tuple["pd.DataFrame", str]:
    """Return the records to draw months from: all ingested months, else the sample."""
    import pandas as pd

    from tip_assets import contract
    from tip_assets.ingestion.simulate import sample_records
    from tip_assets.modelling.split import from_feedback
    from tip_assets.runtime.io_managers import ParquetFiles

    files, folder = ParquetFiles(settings.storage_root), settings.storage_root / "assets" / "splits"
    paths = sorted(folder.glob("*.parquet"), key=str) if folder.exists() else []
    if not paths:
        return sample_records(), "the bundled sample"
    rows = pd.concat([files.read(path) for path in paths], ignore_index=True)
    landed = rows.loc[~from_feedback(rows), list(contract.COLUMNS)].reset_index(drop=True)
    return contract.decode(landed), f"{len(landed):,} landed rows of {len(paths)} months"
