"""Read and check one part of a landing file: the unit of work of a month's ingestion.

A part needs nothing but its file, so any process can read it, and reading it again gives the same.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion import valid_records
from tip_assets.ingestion.row_groups import RowGroups, row_groups_of
from tip_assets.ingestion.table_files import (
    PARQUET,
    Piece,
    UnreadableFile,
    format_of,
    read_pieces,
)

QUARANTINE_COLUMNS = ["file", "row", "column", "value", "reason", "record"]
BROKEN_LINE = "the line does not have as many fields as the header"


class Each(Protocol):
    """Python's `map`, or another that calls a function of one argument in other processes."""

    def __call__(self, function: Any, arguments: Sequence[Any], /) -> Iterable[Any]: ...


@dataclass(frozen=True)
class FilePart:
    """Row groups of a Parquet file, or a whole file.

    `name` is the file's name within its month. `beside` names the file that this is a compressed
    copy of; it is not read then.
    """

    path: UPath
    name: str
    row_groups: RowGroups | None = None
    beside: str = ""


@dataclass
class ReadPart:
    """The valid records of a part, indexed by row number, and its entries in the quarantine.

    `damaged`: the rest of the file, from the end of these records on, cannot be read.
    """

    accepted: list[pd.DataFrame] = field(default_factory=list)
    quarantine: list[dict[str, object]] = field(default_factory=list)
    extra_columns: list[str] = field(default_factory=list)
    read_as: list[str] = field(default_factory=list)
    damaged: bool = False


def parts_of(paths: list[UPath], names: list[str], each: Each = map) -> list[FilePart]:
    """Return the parts of a month's files, in order: row groups of Parquet, else whole files.

    The lines of a CSV file are numbered from its start, so it is one part.
    """
    parquet = [path for path in paths if format_of(path.name) == PARQUET]
    cut = dict(zip(parquet, each(row_groups_of, parquet), strict=True))
    parts = []
    for path, name in zip(paths, names, strict=True):
        plain = name[:-3]
        if name.casefold().endswith(".gz") and plain in names:
            parts.append(FilePart(path, name, beside=plain))
        else:
            parts += [FilePart(path, name, groups) for groups in cut.get(path) or [None]]
    return parts


def read_part(part: FilePart) -> ReadPart:
    """Read a part and sort its records by the contract. Errors of the storage are raised."""
    read = ReadPart()
    try:
        if part.beside:
            raise UnreadableFile(f"{part.beside} is there, too: its rows would count twice")
        for piece in read_pieces(part.path, list(contract.COLUMNS), part.row_groups):
            refused = pd.DataFrame()
            if len(piece):  # the first piece of a file has its columns only
                checked = valid_records.check(piece)
                refused = checked.refused
                read.accepted.append(checked.accepted)
            read.quarantine += _describe(part.name, piece, refused)
            extra = [column for column in piece.columns if column not in contract.COLUMNS]
            read.extra_columns = extra or read.extra_columns
            read.read_as = list(piece.read_as) or read.read_as
    except UnreadableFile as error:
        read.quarantine.append(_entry(part.name, None, None, None, str(error), None))
        read.damaged = True
    return read


def _describe(name: str, piece: Piece, refused: pd.DataFrame) -> list[dict[str, object]]:
    entries = [
        _entry(name, row, None, None, BROKEN_LINE, line) for row, line in piece.broken_lines.items()
    ]
    if not len(refused):
        return entries
    records = piece.records_where(np.isin(piece.rows, refused["position"]))
    for row, column, value, reason in refused.itertuples(index=False):
        record = json.dumps(records.loc[row].to_dict(), default=str)
        entries.append(_entry(name, row, column, value, reason, record))
    return entries


def _entry(*facts: object) -> dict[str, object]:
    return dict(zip(QUARANTINE_COLUMNS, facts, strict=True))
