"""Save a backup atomically: databases first, then the files that they reference.

Everything that a database references was written before it. Later files belong to a month that its
next run completes.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock

from deploy.backup import Refused
from deploy.backup.databases import dump
from deploy.backup.files import save_files, save_sqlite
from deploy.backup.manifest import Manifest, write_manifest
from deploy.backup.parts import Parts, parts_of
from deploy.backup.quiet import runs_of
from tip_assets.metric_store.schema import revision
from tip_assets.settings import Settings

DATABASES = "databases"
_UNFINISHED = ".unfinished"
_TRIES = 5


def save(settings: Settings, to: Path, wait_seconds: float) -> tuple[Path, Manifest]:
    """Save everything to a new folder named by the time; the platform may keep running.

    Waits until no run is active. Raises Refused, and errors of files and servers.
    """
    parts, schema = parts_of(settings), _schema(settings)
    if parts.hold(to):
        raise Refused(f"{to} is in a saved folder: each backup would include earlier ones")
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(to / ".lock"):
        made = to / _UNFINISHED
        moment = _save_databases(settings, parts, made, wait_seconds)
        for name, folder in parts.folders.items():
            save_files(folder, made / name)
        at = moment.isoformat(timespec="seconds")
        manifest = write_manifest(made, at, str(settings.storage_root), schema)
        whole = to / f"{moment:%Y%m%dT%H%M%SZ}"
        made.rename(whole)
    return whole, manifest


def _schema(settings: Settings) -> str:
    """Return the metric store's current revision, without upgrading it."""
    engine = sa.create_engine(settings.metric_store_url)
    with engine.connect() as connection:
        found = revision(connection)
    engine.dispose()
    if found is None:
        raise Refused(f"there is no metric store yet in {engine.url!r}: nothing has run")
    return found


def forget(to: Path, keep: int) -> None:
    """Delete all backups but the newest `keep`."""
    for old in sorted(path.parent for path in to.glob("2*Z/manifest.json"))[:-keep]:
        shutil.rmtree(old)


def _save_databases(settings: Settings, parts: Parts, made: Path, wait: float) -> datetime:
    """Save the databases between two runs; returns the time at which it started."""
    with runs_of(settings) as runs:
        for _ in range(_TRIES):
            runs.wait(wait)
            mark, moment = runs.mark(), datetime.now(UTC)
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(mode=0o700)
            (made / DATABASES).mkdir()
            for name, url in parts.servers_databases.items():
                dump(url, made / DATABASES / f"{name}.dump")
            for name, folder in parts.folders.items():
                save_sqlite(folder, made / name)
            if runs.mark() == mark:
                return moment
    raise Refused(f"a run started during each of {_TRIES} attempts: try again later")
