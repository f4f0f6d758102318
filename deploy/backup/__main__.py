"""`python -m deploy.backup`: save, check, restore.

Reads the same environment variables as the platform.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from deploy.backup import Refused
from deploy.backup.manifest import Manifest, read_manifest
from tip_assets.runtime.supervisor import Missing
from tip_assets.settings import get_settings

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Back up the platform's data, and restore it. A backup has no passwords or keys.",
)
Backup = Annotated[Path, typer.Argument(help="Folder of one backup, as `save` prints it.")]


@app.command()
def save(
    to: Annotated[Path, typer.Argument(help="Folder of all backups; created if missing.")],
    keep: Annotated[int, typer.Option(min=1, help="Backups to keep; older ones are deleted.")] = 14,
    wait: Annotated[float, typer.Option(help="Seconds to wait for active runs.")] = 3600,
) -> None:
    """Save databases and files; the platform may keep running."""
    from deploy.backup.save import forget
    from deploy.backup.save import save as save_all

    with _errors_as_messages():
        begun = time.monotonic()
        folder, manifest = save_all(get_settings(), to.resolve(), wait)
        forget(to, keep)
        typer.echo(_summary("saved", manifest, begun))
        typer.echo(str(folder))


@app.command()
def check(backup: Backup) -> None:
    """Check that a backup is complete and undamaged."""
    with _errors_as_messages():
        begun = time.monotonic()
        typer.echo(_summary("whole", read_manifest(backup), begun))


@app.command()
def restore(
    backup: Backup,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace existing databases and files.")
    ] = False,
) -> None:
    """Restore a backup while the servers that use the databases are stopped.

    Existing landing files are not changed, and no file is deleted.
    """
    from deploy.backup.restore import restore as restore_all

    with _errors_as_messages():
        begun = time.monotonic()
        manifest, kept = restore_all(get_settings(), backup.resolve(), replace)
        typer.echo(_summary("restored", manifest, begun))
        if kept:
            typer.echo(f"{len(kept)} landing files existed already and were not changed.")


def _summary(what: str, manifest: Manifest, begun: float) -> str:
    took, size = time.monotonic() - begun, manifest.bytes / 1e6
    return (
        f"{what} in {took:.1f} s: {len(manifest.files)} files and databases, {size:.1f} MB, "
        f"as of {manifest.made_at}"
    )


@contextmanager
def _errors_as_messages() -> Iterator[None]:
    try:
        yield
    except (Refused, Missing, SQLAlchemyError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
