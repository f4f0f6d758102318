"""Read landing files and validate them against the contract.

Belongs here: which files a month has, and how their parts become its table. Does not belong here:
how a part is read (`file_parts.py`), what a valid record is (`contract.py`). Landing files are
never changed.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion.file_parts import QUARANTINE_COLUMNS, Each, parts_of, read_part
from tip_assets.ingestion.table_files import format_of

SOURCE_FILE, SOURCE_ROW = "source_file", "source_row"
# In metadata of Dagster: the digest of the landing files that something is of.
LANDED = "landing_digest"
# Files that the platform writes itself, of tips reported in the app: the name is reserved.
FEEDBACK_FILES = "feedback-*.csv"


@dataclass(frozen=True)
class MonthOfLanding:
    """The valid rows and the quarantine of a month's landing files.

    `rows` are valid records with their source file and row. `quarantine` has a row for every value,
    line or file that was refused. `ignored_columns` maps a file to its columns nobody asked for,
    `read_as` to what was assumed to read it, such as decimal commas.
    """

    rows: pd.DataFrame
    quarantine: pd.DataFrame
    files: list[str]
    ignored_columns: dict[str, list[str]]
    read_as: dict[str, list[str]]

    @property
    def rows_refused(self) -> int:
        """Number of refused rows; a file that cannot be read counts none."""
        return rows_in(self.quarantine)


def rows_in(quarantine: pd.DataFrame) -> int:
    """Number of rows in a quarantine table, which has an entry for each of their broken values."""
    rows = quarantine.dropna(subset="row")
    return len(rows.drop_duplicates(["file", "row"]))


def is_feedback(name: str) -> bool:
    """Return whether a landing file holds feedback from the app, by its name.

    A producer's file of that name only gets the smaller weight of feedback. A forged other name
    gains nothing: who can write landing files is a producer.
    """
    # Also when somebody has compressed or renamed the copy: it never becomes a producer's.
    return PurePosixPath(name).name.casefold().startswith(FEEDBACK_FILES.partition("*")[0])


def feedback_rows(rows: pd.DataFrame) -> pd.Series:
    """Return which rows of a table with `source_file` come from feedback."""
    return rows[SOURCE_FILE].isin(
        {name for name in rows[SOURCE_FILE].unique() if is_feedback(name)}
    )


def landing_folder(storage: UPath, month: str) -> UPath:
    return storage / "landing" / month


def landing_files(storage: UPath, month: str) -> list[UPath]:
    """The month's landing files in order of their names; none if the folder is not there.

    Files whose name starts with a dot are being written by somebody and not there yet.
    """
    folder = landing_folder(storage, month)
    return [folder / name for of_month, name, _ in _listing(storage, month) if of_month == month]


@dataclass(frozen=True)
class Landed:
    """A month's landing files: a digest that changes with any file, and the newest file's time.

    A file counts by its name and its ETag where the storage has one, else its time and size, so
    that one listing is enough and no file is read.
    """

    digest: str
    files: int
    at: datetime


def landed_months(storage: UPath) -> dict[str, Landed]:
    """What has landed, for each folder under `landing/` that has a file."""
    marks: dict[str, list[str]] = {}
    times: dict[str, list[datetime]] = {}
    for month, name, facts in _listing(storage):
        mark = facts.get("ETag") or f"{facts.get('mtime')} {facts['size']}"
        marks.setdefault(month, []).append(f"{name}\0{mark}")
        at = facts.get("LastModified") or facts["mtime"]
        at = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
        times.setdefault(month, []).append(at)
    return {
        month: Landed(
            hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()[:16],
            len(files),
            max(times[month]),
        )
        for month, files in sorted(marks.items())
    }


def landing_digests(storage: UPath) -> dict[str, str]:
    """For each folder under `landing/`, a digest that changes with any of its files."""
    return {month: landed.digest for month, landed in landed_months(storage).items()}


def newest_landing(storage: UPath) -> datetime | None:
    """When the newest landing file came; None if there is none."""
    return max((landed.at for landed in landed_months(storage).values()), default=None)


def _listing(storage: UPath, month: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Month folder, name within it and the storage's facts of each landing file, by name.

    One listing, of one month or of all: a bucket may hold thousands.
    """
    root = storage / "landing"
    listed = root / month if month else root
    if not listed.is_dir():
        return
    for path, facts in sorted(root.fs.find(listed.path, detail=True).items()):
        of_month, _, name = path.removeprefix(root.path).lstrip("/").partition("/")
        if format_of(name) and not PurePosixPath(name).name.startswith("."):
            yield of_month, name, facts


def read_month(storage: UPath, month: str, each: Each = map) -> MonthOfLanding:
    """Read every landing file of a month and sort its records by the contract.

    What was read of a file before it turned out to be damaged is kept; the damage is an entry.
    `each` calls a function with each of many arguments and returns the results in their order.
    """
    folder = landing_folder(storage, month)
    rows: list[pd.DataFrame] = []
    quarantine: list[dict[str, object]] = []
    ignored: dict[str, list[str]] = {}
    read_as: dict[str, list[str]] = {}
    paths = landing_files(storage, month)
    names = [path.path.removeprefix(folder.path).lstrip("/") for path in paths]
    parts = parts_of(paths, names, each)
    damaged: set[str] = set()
    for part, read in zip(parts, each(read_part, parts), strict=True):
        name = part.name
        if name in damaged:
            continue
        damaged |= {name} if read.damaged else set()
        rows += [_with_source(accepted, name, names) for accepted in read.accepted]
        quarantine += read.quarantine
        if read.extra_columns:
            ignored[name] = read.extra_columns
        if read.read_as:
            read_as[name] = read.read_as
    columns = [SOURCE_FILE, SOURCE_ROW, *contract.COLUMNS]
    kept = [frame for frame in rows if len(frame)]
    return MonthOfLanding(
        rows=pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=columns),
        quarantine=pd.DataFrame(quarantine, columns=QUARANTINE_COLUMNS).astype({"row": "Int64"}),
        files=names,
        ignored_columns=ignored,
        read_as=read_as,
    )


def _with_source(accepted: pd.DataFrame, name: str, names: list[str]) -> pd.DataFrame:
    place = np.full(len(accepted), names.index(name))
    accepted.insert(0, SOURCE_FILE, pd.Categorical.from_codes(place, names))
    accepted.insert(1, SOURCE_ROW, accepted.index.astype("int64"))
    return accepted
