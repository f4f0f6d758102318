"""What all commands share: the application, exit codes, arguments, printing and failing."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tip_assets.settings import Settings, get_settings

if TYPE_CHECKING:
    from tip_assets.tracking.registry import ModelRegistry

# A platform's state folder has one of these; any other folder of that name is not a platform.
_MADE_FIRST = ("metrics.db", "mlflow.db", "dagster")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keeps a waiter-tip prediction model in production, month by month.\n\n"
    "Exit codes: 0 done, 1 failed, 2 not understood, 3 held by a check (the champion keeps "
    "serving).",
)

# The groups of `tips --help`.
MONTHS, MODELS, LOOKING, PLAYING = "Months", "Models", "Looking", "Playing"


class Exit(IntEnum):
    """Exit codes. 2 is Typer's, for arguments it does not understand."""

    FAILED = 1
    HELD = 3


Month = Annotated[str, typer.Option(help="The month, such as 2024-01.", metavar="YYYY-MM")]
Reason = Annotated[str, typer.Option(help="Why; kept in the champion's history.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def fail(message: str) -> NoReturn:
    """Print a message and exit with code 1."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(Exit.FAILED)


def echo_json(value: Any) -> None:
    """Print a value as JSON; times as ISO 8601 in UTC."""

    def as_text(other: Any) -> str:
        # SQLite keeps no time zone: the times it returns are UTC.
        in_utc = other.astimezone(UTC) if other.tzinfo else other.replace(tzinfo=UTC)
        return str(in_utc.isoformat())

    typer.echo(json.dumps(value, indent=2, default=as_text))


def settings_for(month: str) -> Settings:
    """Return the settings; fails unless the month is one of the platform's."""
    from tip_assets.partitions import is_month, months

    settings = get_settings()
    if not is_month(month):
        fail(f"{month!r} is not a month such as 2024-01")
    if not months.has_partition_key(month):
        last = months.get_last_partition_key()
        until = f"to {last}" if last else "(none has begun)"
        fail(f"{month} is outside of the platform's months, {settings.first_month} {until}")
    return settings


def require_platform(settings: Settings, *databases: str) -> None:
    """Exit with code 1 unless these databases exist; URLs of servers count as existing.

    For commands that need a platform but do not create one: connecting would create a missing
    SQLite database.
    """
    from sqlalchemy import make_url

    for url in databases:
        file = make_url(url).database if url.startswith("sqlite") else None
        if file is not None and not Path(file).exists():
            fail(
                f"there is no platform in {settings.state_folder}: run a month first, or set "
                "TIPS_STORAGE to the storage of an existing one"
            )


def announce_new_platform(settings: Settings) -> None:
    """Print to stderr where this command creates a platform, unless there is one.

    For commands that create what is missing. Says nothing for storages other than folders, which
    are always set on purpose.
    """
    root = settings.storage_root
    if root.protocol == "s3" or (root / "landing").exists():
        return
    if any((settings.state_folder / made).exists() for made in _MADE_FIRST):
        return
    chosen = "storage" in settings.model_fields_set
    message = " (TIPS_STORAGE)" if chosen else ": set TIPS_STORAGE to use an existing one"
    typer.echo(f"New platform in {root}{message}", err=True)


@contextmanager
def registry_of() -> Iterator[tuple[Settings, "ModelRegistry"]]:
    """Yield settings and registry; hides library output and reports expected errors as messages."""
    from mlflow.exceptions import MlflowException

    from tip_assets.ingestion.table_files import UnreadableFile
    from tip_assets.metric_store.champion_lock import ChampionLocked
    from tip_assets.runtime.resources import mlflow_tracking
    from tip_assets.runtime.run_logging import noise_to
    from tip_assets.serving.champion import NothingToDo
    from tip_assets.tracking.registry import ModelRegistry

    settings = get_settings()
    require_platform(settings, settings.tracking_uri)
    # A platform on servers has no state folder on this machine until something runs here.
    log = settings.state_folder / "logs" / "tips.log"
    try:
        with noise_to(log if settings.state_folder.exists() else Path(os.devnull)):
            yield settings, ModelRegistry(mlflow_tracking(settings).client)
    except NothingToDo as error:
        fail(f"{error}; the storage is {settings.storage_root}")
    except (UnreadableFile, MlflowException, ChampionLocked) as error:
        fail(str(error))
