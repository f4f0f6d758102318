"""`python -m deploy.backup`: save, check, restore, rewind.

Reads the same environment variables as the platform.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
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
_FORMATS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]
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


@app.command()
def rewind(
    bucket: Annotated[str, typer.Argument(help="Bucket and prefix: s3://BUCKET/PREFIX.")],
    moment: Annotated[datetime, typer.Argument(formats=_FORMATS, help="Time in UTC.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the changes.")] = False,
    landing: Annotated[
        bool, typer.Option("--landing", help="Replace and delete landing files, too.")
    ] = False,
) -> None:
    """Bring a bucket back to a moment from its object versions; deletes no version.

    Existing landing files are not changed, and deleted ones come back.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from deploy.backup import rewind as bucket_versions

    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""
    s3 = boto3.client("s3")
    with _errors_as_messages(BotoCoreError, ClientError):
        found = bucket_versions.changes(s3, name, prefix, moment.replace(tzinfo=UTC), landing)
        for change in found:
            typer.echo(f"{'delete' if change.version is None else 'restore'}  {change.key}")
            if not dry_run:
                bucket_versions.carry_out(s3, name, change)
    typer.echo(f"{len(found)} objects {'would change' if dry_run else 'changed'}")


def _summary(what: str, manifest: Manifest, begun: float) -> str:
    took, size = time.monotonic() - begun, manifest.bytes / 1e6
    return (
        f"{what} in {took:.1f} s: {len(manifest.files)} files and databases, {size:.1f} MB, "
        f"as of {manifest.made_at}"
    )


@contextmanager
def _errors_as_messages(*others: type[Exception]) -> Iterator[None]:
    known: tuple[type[Exception], ...] = (Refused, Missing, SQLAlchemyError, OSError, *others)
    try:
        yield
    except known as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
