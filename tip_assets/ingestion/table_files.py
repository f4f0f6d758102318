"""Reading CSV and Parquet files as they stand, piece by piece, without interpreting a value.

Belongs here: bytes, encodings, separators, broken lines. Does not belong here: what a valid record
is (`contract.py`) or which files a month has (`landing.py`).
"""

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import BinaryIO, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion.row_groups import RowGroups

CSV, GZIP, PARQUET = ".csv", ".csv.gz", ".parquet"
FORMATS = (CSV, GZIP, PARQUET)
ROWS_A_PIECE = 100_000
_BYTES_A_PIECE = 8 << 20
_SNIFFED_BYTES = 1 << 16
_SEPARATORS = {",": "','", ";": "';'", "\t": "tab"}
_NUMBERS = frozenset(column.name for column in contract.NUMBERS)
# Rows with the other decimal mark are refused one by one up to this share of a file's first piece;
# with more of them, nobody can say which mark the file uses.
_MOST_STRAY = 0.1
_WITH_COMMA, _WITH_POINT = r"[+-]?\d+,\d+", r"[+-]?\d*\.\d+"


class UnreadableFile(ValueError):
    """A file that cannot be read at all; the message says why."""


@dataclass(frozen=True)
class Piece:
    """Some records of a file as it holds them, and their row numbers, the first record being row 1.

    The first piece of a file has its columns and no records.
    `broken_lines` are lines among them that do not have the header's number of fields. `decimal` is
    the decimal mark of numbers that are text. `read_as` lists what was assumed to read the file.
    """

    batch: pa.RecordBatch
    rows: np.ndarray
    broken_lines: dict[int, str] = field(default_factory=dict)
    decimal: str = "."
    read_as: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        return list(self.batch.schema.names)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def records(self) -> pd.DataFrame:
        """All records, indexed by row number."""
        return self.records_where(np.ones(len(self), dtype=bool))

    def records_where(self, chosen: np.ndarray) -> pd.DataFrame:
        """The records that a mask chooses, each value as it is among all of the piece's records."""
        index = pd.Index(self.rows[chosen], dtype="int64")
        if not self.batch.num_columns:  # Arrow counts no rows then
            return pd.DataFrame(index=index)
        # Columns as they stand in the file: pandas' metadata would make some of them the index.
        records = self.batch.filter(pa.array(chosen)).to_pandas(ignore_metadata=True)
        records.index = index
        for place, column in enumerate(self.batch.columns):
            # Among nulls, pandas holds whole numbers as floats and truth values as objects.
            if column.null_count and pa.types.is_integer(column.type):
                records.isetitem(place, records.iloc[:, place].astype(float))
            elif column.null_count and pa.types.is_boolean(column.type):
                records.isetitem(place, records.iloc[:, place].astype(object))
        return records

    def head(self) -> "Piece":
        """The columns alone."""
        return replace(self, batch=self.batch.slice(0, 0), rows=self.rows[:0], broken_lines={})


def as_piece(records: pd.DataFrame) -> Piece:
    """A table in memory as a piece; its records are numbered from 1."""
    batch = pa.RecordBatch.from_pandas(records, preserve_index=False)
    return Piece(batch, np.arange(1, len(records) + 1))


def format_of(name: str) -> str:
    """Return the ending in FORMATS that a file name has, in any letter case; empty if none."""
    return next((ending for ending in FORMATS if name.lower().endswith(ending)), "")


def read_pieces(path: UPath, wanted: list[str], part: RowGroups | None = None) -> Iterator[Piece]:
    """Read a file in pieces of bounded size; values are text (CSV) or as stored (Parquet).

    With a `part`, only its records are read, and the columns come with the first part of a file.
    Accepts UTF-8 with or without a byte order mark and UTF-16 with one; commas, semicolons or tabs;
    decimal commas where commas do not separate; gzip; names of wanted columns in any letter case.
    Bytes that are no text become U+FFFD. Blank lines are passed over. Raises UnreadableFile when
    the bytes are not a table, when a wanted column occurs twice, or when separator or decimal mark
    are ambiguous.
    """
    try:
        parquet = format_of(path.name) == PARQUET
        pieces = _read_parquet(path, part) if parquet else _read_csv(path, wanted)
        for piece in pieces:
            batch, renamed = _named(piece.batch, wanted)
            read_as = (*piece.read_as, *(["column names in another letter case"] * renamed))
            yield replace(piece, batch=batch, read_as=read_as)
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        if _is_of_the_storage(error):
            raise
        raise UnreadableFile(f"the file cannot be read: {_describe_failure(error)}") from error


def _is_of_the_storage(error: Exception) -> bool:
    """Whether the storage failed, not the file: its rows must not be taken for refused.

    Arrow raises errors without a number for bytes that are no table.
    """
    away = (FileNotFoundError, PermissionError, ConnectionError, TimeoutError)
    return isinstance(error, away) or getattr(error, "errno", None) is not None


def _read_parquet(path: UPath, part: RowGroups | None) -> Iterator[Piece]:
    with path.open("rb") as file:
        table = pa.parquet.ParquetFile(file)
        rows = part.first_row - 1 if part else 0
        if not rows:
            yield Piece(_no_records(table.schema_arrow), np.arange(0))
        for batch in table.iter_batches(ROWS_A_PIECE, part.numbers if part else None):
            yield Piece(batch, np.arange(rows + 1, rows + 1 + batch.num_rows))
            rows += batch.num_rows


def _read_csv(path: UPath, wanted: list[str]) -> Iterator[Piece]:
    zipped = format_of(path.name) == GZIP
    with path.open("rb") as stored, _unzipped(stored) if zipped else stored as file:
        encoding, separator = _sniff(file.read(_SNIFFED_BYTES), wanted)
        read_as = ("gzip",) * zipped
        if separator != ",":
            read_as += (f"separator {_SEPARATORS[separator]}",)
        decimal = "." if separator == "," else None
        file.seek(0)
        text = codecs.EncodedFile(file, "utf-8", encoding, errors="replace")
        broken: dict[int, str] = {}

        def keep_for_quarantine(line: pa.csv.InvalidRow) -> str:
            # pyarrow counts the header as line 1.
            broken[line.number - 1] = line.text
            return "skip"

        reader = pa.csv.open_csv(
            pa.PythonFile(text, "r"),
            # Only a single thread can tell the number of a broken line.
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=_BYTES_A_PIECE),
            parse_options=pa.csv.ParseOptions(
                delimiter=separator,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=keep_for_quarantine,
            ),
            convert_options=pa.csv.ConvertOptions(
                default_column_type=pa.string(), strings_can_be_null=True, null_values=[""]
            ),
        )
        following = 1
        described: set[int] = set()
        yield Piece(_no_records(reader.schema), np.arange(0), read_as=read_as)
        for batch in reader:
            numbers = np.arange(following, following + batch.num_rows + len(broken))
            numbers = numbers[~np.isin(numbers, list(broken))][: batch.num_rows]
            following = int(numbers[-1]) + 1 if len(numbers) else following
            new = {row: line for row, line in broken.items() if row not in described}
            described |= new.keys()
            filled = _filled(batch)
            piece = Piece(batch.filter(pa.array(filled)), numbers[filled], new)
            if decimal is None and len(piece):
                decimal = _decimal_mark(piece.records)
                read_as += ("decimal commas",) * (decimal == ",")
            yield replace(piece, decimal=decimal or ".", read_as=read_as)
        late = {row: line for row, line in broken.items() if row not in described}
        if late:
            yield Piece(_no_records(reader.schema), np.arange(0), late)


def _no_records(schema: pa.Schema) -> pa.RecordBatch:
    arrays = [pa.array([], column.type) for column in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _filled(batch: pa.RecordBatch) -> np.ndarray:
    """Which records have at least one value: the others are blank lines."""
    filled = np.zeros(batch.num_rows, dtype=bool)
    for column in batch.columns:
        if not column.null_count:
            return np.ones(batch.num_rows, dtype=bool)
        filled |= column.is_valid().to_numpy(zero_copy_only=False)
    return filled


def _unzipped(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file))


def _sniff(start: bytes, wanted: list[str]) -> tuple[str, str]:
    """Find the encoding and the separator of a CSV file from its first bytes."""
    if not start.strip():
        raise UnreadableFile("the file is empty")
    encoding = "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in start:
        raise UnreadableFile("the file cannot be read: it is binary, not text")
    header = re.split(r"\r\n|\r|\n", start.decode(encoding, errors="replace"), maxsplit=1)[0]
    return encoding, _separator(header, wanted)


def _separator(header: str, wanted: list[str]) -> str:
    """Choose the separator that gives the header the most wanted columns."""
    known = {name.casefold() for name in wanted}
    found = {separator: 0 for separator in _SEPARATORS if separator in header}
    for separator in found:
        for names in csv.reader([header], delimiter=separator):
            found[separator] = sum(name.strip().casefold() in known for name in names)
    most = max(found.values(), default=0)
    best = [separator for separator, names in found.items() if names == most]
    if most and len(best) > 1:
        words = " or by ".join(_SEPARATORS[separator] for separator in best)
        raise UnreadableFile(f"the columns may be separated by {words}")
    return best[0] if best else ","


def _decimal_mark(records: pd.DataFrame) -> str:
    """Decide from the first records whether numbers have decimal commas or points.

    A row whose numbers have both says nothing. Raises UnreadableFile when rows of both kinds occur
    and neither kind is rare.
    """
    columns = [name for name in records if str(name).strip().casefold() in _NUMBERS]
    text = records[columns].astype("string").apply(lambda column: column.str.strip())
    commas, points = (
        text.apply(lambda column, p=pattern: column.str.fullmatch(p, na=False)).any(axis="columns")
        for pattern in (_WITH_COMMA, _WITH_POINT)
    )
    commas, points = commas & ~points, points & ~commas
    few, many = sorted((commas.sum(), points.sum()))
    if few > _MOST_STRAY * many:
        raise UnreadableFile(
            f"numbers have decimal commas in row {commas.idxmax()} and decimal points in row "
            f"{points.idxmax()}"
        )
    return "," if commas.sum() > points.sum() else "."


def _named(batch: pa.RecordBatch, wanted: list[str]) -> tuple[pa.RecordBatch, bool]:
    """Strip column names, and spell wanted ones as wanted; also whether that changed one.

    Leaves out nameless columns and pandas' nameless index: spreadsheets write row numbers there.
    """
    spelling = {name.casefold(): name for name in wanted}
    given = [name.strip() for name in batch.schema.names]
    names = [spelling.get(name.casefold(), name) for name in given]
    twice = sorted({name for name in names if name in wanted and names.count(name) > 1})
    if twice:
        stand = [old for old, new in zip(given, names, strict=True) if new in twice]
        variants = f": {', '.join(stand)}" if set(stand) != set(twice) else ""
        raise UnreadableFile(
            f"the file has more than one column named {', '.join(twice)}{variants}"
        )
    nameless = ("Unnamed:", "__index_level_")
    kept = [i for i, name in enumerate(names) if name and not name.startswith(nameless)]
    columns = [batch.column(i) for i in kept]
    return pa.RecordBatch.from_arrays(columns, [names[i] for i in kept]), names != given


def _describe_failure(error: Exception) -> str:
    if "straddling object" in str(error):
        return f"it has a line of more than {_BYTES_A_PIECE >> 20} MB"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
