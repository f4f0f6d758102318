"""Restore a backup: files first, then the databases that reference them.

Checks everything before it changes anything. The servers that use the databases must be stopped
(`deploy/stack` stops its own).
"""

import tempfile
from pathlib import Path

import sqlalchemy as sa

from deploy.backup import Refused
from deploy.backup.databases import drop, existing, load
from deploy.backup.files import differing_files, holds_files, restore_files
from deploy.backup.manifest import Manifest, read_manifest
from deploy.backup.parts import Parts, parts_of
from deploy.backup.save import DATABASES
from tip_assets.metric_store.schema import NEWEST, is_too_new
from tip_assets.runtime.database_roles import create_databases, owner_url
from tip_assets.runtime.databases import prepare_databases
from tip_assets.runtime.run_logging import noise_to
from tip_assets.settings import Settings


def restore(settings: Settings, backup: Path, replace: bool) -> tuple[Manifest, list[str]]:
    """Restore a backup with today's passwords; returns the landing files that were skipped.

    Without `replace`, refuses if there is a database or a file. Use `replace` to repeat an
    interrupted restore. Raises Refused, and errors of files and servers.
    """
    manifest, parts = read_manifest(backup), parts_of(settings)
    _check(settings, parts, backup, manifest)
    there = _databases_there(settings, parts)
    _check_room(settings, parts, there, replace)
    kept = []
    for name, folder in parts.folders.items():
        kept += restore_files(backup / name, folder)
    if parts.servers_databases:
        _restore_databases(settings, parts, backup, there)
    _read_back(parts, backup, kept)
    with noise_to(settings.state_folder / "logs" / "databases.log"):
        prepare_databases(settings)  # the backup may have older schemas
    return manifest, kept


def _check(settings: Settings, parts: Parts, backup: Path, manifest: Manifest) -> None:
    """Raise Refused unless the backup fits this platform."""
    if manifest.storage != str(settings.storage_root):
        raise Refused(
            f"the backup is of {manifest.storage}, and MLflow names its artifacts by that place; "
            f"the settings say {settings.storage_root}"
        )
    if is_too_new(manifest.schema):
        raise Refused(
            f"the backup's metric store has schema {manifest.schema}, this code knows {NEWEST}: "
            "update the code"
        )
    saved = sorted(path.stem for path in (backup / DATABASES).glob("*.dump"))
    if saved != sorted(parts.servers_databases):
        raise Refused(
            f"the backup holds these databases of a Postgres server: {saved}; the settings name "
            f"{sorted(parts.servers_databases)}"
        )


def _databases_there(settings: Settings, parts: Parts) -> list[str]:
    if not parts.servers_databases:
        return []
    if not settings.postgres_admin:
        raise Refused("set TIPS_POSTGRES_ADMIN to a user who may create databases")
    return existing(sa.make_url(settings.postgres_admin), list(parts.servers_databases.values()))


def _check_room(settings: Settings, parts: Parts, there: list[str], replace: bool) -> None:
    in_use = [f"the database {name}" for name in there]
    if holds_files(parts.folders["storage"]):
        in_use.append(f"files in {settings.storage_root}")
    if in_use and not replace:
        raise Refused(f"there are {', '.join(in_use)} already: use --replace to replace them")


def _restore_databases(settings: Settings, parts: Parts, backup: Path, there: list[str]) -> None:
    """Recreate the databases; each is restored by its owner."""
    drop(sa.make_url(settings.postgres_admin), there)
    urls = parts.servers_databases
    texts = {name: url.render_as_string(hide_password=False) for name, url in urls.items()}
    create_databases(settings.postgres_admin, list(texts.values()), settings.metric_reader)
    for name, text in texts.items():
        owner = sa.make_url(owner_url(settings.postgres_admin, text))
        load(backup / DATABASES / f"{name}.dump", owner)


def _read_back(parts: Parts, backup: Path, kept: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for name, folder in parts.folders.items():
            differing = set(differing_files(backup / name, folder, Path(scratch))) - set(kept)
            if differing:
                raise Refused(
                    f"restored files differ when read back: {', '.join(sorted(differing))}"
                )
