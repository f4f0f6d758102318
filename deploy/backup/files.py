"""Copy the files of a folder or bucket, and restore them.

Producers' landing files are never replaced, and nothing is deleted.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from upath import UPath

from deploy.backup.databases import SQLITE_COMPANIONS, copy_sqlite, is_sqlite
from deploy.backup.manifest import digest

_LANDING = "landing/"
_UNFINISHED = ".being-restored"


def save_sqlite(folder: UPath, to: Path) -> None:
    """Copy the SQLite databases in a local folder; a bucket has none."""
    if _is_local(folder):
        for name in _names(folder):
            source = Path(folder.path) / name
            with suppress(FileNotFoundError):  # removed meanwhile
                if is_sqlite(source):
                    copy_sqlite(source, _made(to / name))


def save_files(folder: UPath, to: Path) -> None:
    """Copy every file that is not copied yet; skips files that are removed meanwhile.

    Local files keep their times, to the nanosecond: landing digests depend on them.
    """
    for name in _names(folder):
        target = _made(to / name)
        if target.exists():  # an SQLite database
            continue
        with suppress(FileNotFoundError):
            if _is_local(folder):
                shutil.copy2(Path(folder.path) / name, target)
            else:
                folder.fs.get_file(f"{folder.path}/{name}", str(target))


def restore_files(saved: Path, folder: UPath) -> list[str]:
    """Restore saved files to a folder or bucket; returns the landing files that were skipped.

    An existing landing file belongs to its producer, who may have changed it since.
    """
    kept = []
    for path in sorted(path for path in saved.rglob("*") if path.is_file()):
        name = path.relative_to(saved).as_posix()
        target = folder / name
        if name.startswith(_LANDING) and target.exists():
            kept.append(name)
        elif _is_local(folder):
            _place(path, Path(target.path))
        else:
            folder.fs.put_file(str(path), target.path)
    return kept


def differing_files(saved: Path, folder: UPath, scratch: Path) -> list[str]:
    """Return the saved files that differ from those in a folder or bucket."""
    found = []
    for path in sorted(path for path in saved.rglob("*") if path.is_file()):
        name = path.relative_to(saved).as_posix()
        copy = scratch / "copy"
        try:
            folder.fs.get_file(f"{folder.path}/{name}", str(copy))
        except FileNotFoundError:
            found.append(name)
            continue
        if digest(copy) != digest(path):
            found.append(name)
    return found


def holds_files(folder: UPath) -> bool:
    """Return whether a folder or bucket has any file."""
    return next(_names(folder), None) is not None


def _names(folder: UPath) -> Iterator[str]:
    """Yield every file's path in a folder or bucket, except locks and SQLite's own files."""
    folder.fs.invalidate_cache()
    for path in sorted(folder.fs.find(folder.path)):
        name = path.removeprefix(folder.path).lstrip("/")
        if name and not name.endswith((*SQLITE_COMPANIONS, ".lock", _UNFINISHED)):
            yield name


def _place(source: Path, target: Path) -> None:
    """Copy a local file atomically, with its time: landing digests depend on it."""
    for companion in SQLITE_COMPANIONS:
        target.with_name(target.name + companion).unlink(missing_ok=True)
    unfinished = _made(target.with_name(f".{target.name}{_UNFINISHED}"))
    shutil.copy2(source, unfinished)
    unfinished.replace(target)


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _is_local(folder: UPath) -> bool:
    return folder.protocol in ("", "file")
