"""Writing to the storage so that a reader sees the old object or the new one, never a half.

Belongs here: atomic writes and where files of a month lie. Does not belong here: what is in them.
"""

import os
import tempfile
from pathlib import Path

from upath import UPath


def write_atomically(path: UPath, data: bytes) -> None:
    """Replace an object by new bytes in one step, making its folder where folders exist.

    A local file is written under a temporary name and moved; an object store takes one request,
    or parts that nobody sees before the last.
    """
    if path.protocol not in ("", "file"):
        path.fs.pipe_file(path.path, data)
        return
    target = Path(path.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
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
    """Where everything of a storage lies, by kind."""
    kinds = ("landing", "quarantine", "assets", "reports", "mlflow")
    return {kind: str(storage / kind) for kind in kinds}


def report_folder(storage: UPath, month: str) -> UPath:
    return storage / "reports" / month
