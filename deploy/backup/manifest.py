"""A backup's manifest: every file with its digest, and what the backup was made from."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.backup import Refused

_NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """A backup's table of contents.

    `storage` is the path of the saved files, which MLflow uses to name its artifacts; `schema` the
    revision of the metric store; `files` maps a path in the backup to its SHA-256.
    """

    made_at: str
    storage: str
    schema: str
    bytes: int
    files: dict[str, str]


def write_manifest(folder: Path, made_at: str, storage: str, schema: str) -> Manifest:
    """Write the manifest of a backup's folder, which marks the backup as complete."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = Manifest(
        made_at=made_at,
        storage=storage,
        schema=schema,
        bytes=sum(path.stat().st_size for path in paths),
        files={path.relative_to(folder).as_posix(): digest(path) for path in paths},
    )
    (folder / _NAME).write_text(json.dumps(asdict(manifest), indent=1), "utf-8")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup after verifying every file. Raises Refused."""
    try:
        manifest = Manifest(**json.loads((folder / _NAME).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise Refused(f"{folder} is no backup: {error}") from error
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise Refused(f"the backup {folder} is damaged: {name} is missing")
        if digest(path) != expected:
            raise Refused(f"the backup {folder} is damaged: {name} is not what was written")
    return manifest


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
