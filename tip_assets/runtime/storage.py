"""Atomic writes to the storage, and the paths of a month's files."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from upath import UPath


def write_atomically(path: UPath, data: bytes) -> None:
    """Replace an object atomically, creating its folder if needed.

    A local file is written under a temporary name and moved. An object store takes one request, or
    a multipart upload that becomes visible with its last part.
    """
    if path.protocol not in ("", "file"):
        path.fs.pipe_file(path.path, data)
        return
    with _replaced(Path(path.path)) as file:
        file.write(data)


def copy_atomically(source: Path, path: UPath) -> None:
    """Replace an object by a local file, as `write_atomically` does."""
    if path.protocol not in ("", "file"):
        path.fs.put_file(str(source), path.path)
        return
    with source.open("rb") as whole, _replaced(Path(path.path)) as file:
        shutil.copyfileobj(whole, file)


@contextmanager
def _replaced(target: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of the target when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def quarantine_file(storage: UPath, month: str) -> UPath:
    return storage / "quarantine" / f"{month}.parquet"


def artifact_paths(storage: UPath) -> dict[str, str]:
    """Return the paths of a storage by kind."""
    kinds = ("landing", "quarantine", "assets", "reports", "mlflow")
    return {kind: str(storage / kind) for kind in kinds}


def report_folder(storage: UPath, month: str) -> UPath:
    return storage / "reports" / month
