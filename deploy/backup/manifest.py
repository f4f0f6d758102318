"""What a backup holds: every file with its size and digest, and what it was made of.

Belongs here: writing that down, and telling whether a backup is whole. Does not belong here:
copying anything.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.backup import Refused

_NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """A backup's table of contents.

    `storage` is the place of the files that it was made of, by which MLflow names its artifacts;
    `schema` the revision of the metric store; `files` maps a path within the backup to its SHA-256.
    """

    made_at: str
    storage: str
    schema: str
    bytes: int
    files: dict[str, str]


def write_manifest(folder: Path, made_at: str, storage: str, schema: str) -> Manifest:
    """Describe everything that lies in a backup's folder; a backup is whole from then on."""
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
    """The manifest of a backup whose every file is as it was written. Raises Refused."""
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
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
