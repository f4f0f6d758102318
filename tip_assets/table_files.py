"""Reading CSV and Parquet files as they stand, piece by piece, without interpreting a value.

Belongs here: bytes, encodings, separators, broken lines. Does not belong here: what a valid record
is (`contract.py`) or which files a month has (`landing.py`).
"""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from upath import UPath

FORMATS = (".csv", ".parquet")
ROWS_A_PIECE = 100_000
_BYTES_A_PIECE = 8 << 20
_SNIFFED_BYTES = 1 << 16


class UnreadableFile(ValueError):
    """A file that cannot be read at all; the message says why."""


@dataclass(frozen=True)
class Piece:
    """Some records of a file, indexed by row number, the first record of the file being row 1.

    The first piece of a file has its columns and no records.
    `broken_lines` are lines among them that do not have the header's number of fields.
    """

    records: pd.DataFrame
    broken_lines: dict[int, str] = field(default_factory=dict)


def read_pieces(path: UPath, wanted: list[str]) -> Iterator[Piece]:
    """Read a file in pieces of bounded size; values are text (CSV) or as stored (Parquet).

    Accepts UTF-8 with or without a byte order mark, UTF-16 with one, commas or semicolons; bytes
    that are no text become U+FFFD. Blank lines are passed over. Raises UnreadableFile when the
    bytes are not a table, or when a wanted column occurs twice.
    """
    try:
        read = _read_csv if path.suffix.lower() == ".csv" else _read_parquet
        for piece in read(path):
            yield Piece(_named(piece.records, wanted), piece.broken_lines)
    except (pa.ArrowException, OSError) as error:
        if _is_of_the_storage(error):
            raise
        raise UnreadableFile(f"the file cannot be read: {_in_words(error)}") from error


def _is_of_the_storage(error: Exception) -> bool:
    """Whether the storage failed, not the file: its rows must not be taken for refused.

    Arrow raises errors without a number for bytes that are no table.
    """
    away = (FileNotFoundError, PermissionError, ConnectionError, TimeoutError)
    return isinstance(error, away) or getattr(error, "errno", None) is not None


def _read_parquet(path: UPath) -> Iterator[Piece]:
    with path.open("rb") as file:
        table = pa.parquet.ParquetFile(file)
        yield Piece(table.schema_arrow.empty_table().to_pandas())
        rows = 0
        for batch in table.iter_batches(ROWS_A_PIECE):
            records = batch.to_pandas()
            records.index = pd.RangeIndex(rows + 1, rows + 1 + len(records))
            rows += len(records)
            yield Piece(records)


def _read_csv(path: UPath) -> Iterator[Piece]:
    with path.open("rb") as file:
        encoding, separator = _sniff(file.read(_SNIFFED_BYTES))
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
        told: set[int] = set()
        yield Piece(reader.schema.empty_table().to_pandas())
        for batch in reader:
            numbers = np.arange(following, following + batch.num_rows + len(broken))
            numbers = numbers[~np.isin(numbers, list(broken))][: batch.num_rows]
            records = batch.to_pandas()
            records.index = pd.Index(numbers)
            following = int(numbers[-1]) + 1 if len(numbers) else following
            new = {row: line for row, line in broken.items() if row not in told}
            told |= new.keys()
            yield Piece(records.dropna(how="all"), new)
        late = {row: line for row, line in broken.items() if row not in told}
        if late:
            yield Piece(reader.schema.empty_table().to_pandas(), late)


def _sniff(start: bytes) -> tuple[str, str]:
    """The encoding and the separator of a CSV file, from its first bytes."""
    if not start.strip():
        raise UnreadableFile("the file is empty")
    encoding = "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in start:
        raise UnreadableFile("the file cannot be read: it is binary, not text")
    header = io.StringIO(start.decode(encoding, errors="replace")).readline()
    return encoding, ";" if ";" in header and "," not in header else ","


def _named(records: pd.DataFrame, wanted: list[str]) -> pd.DataFrame:
    """Strip column names, leave out nameless ones: spreadsheets write a row index there."""
    names = [str(name).strip() for name in records.columns]
    twice = sorted({name for name in names if name in wanted and names.count(name) > 1})
    if twice:
        raise UnreadableFile(f"the file has more than one column named {', '.join(twice)}")
    records = records.set_axis(names, axis="columns")
    kept = [i for i, name in enumerate(names) if name and not name.startswith("Unnamed:")]
    return records.iloc[:, kept]


def _in_words(error: Exception) -> str:
    if "straddling object" in str(error):
        return f"it has a line of more than {_BYTES_A_PIECE >> 20} MB"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
