"""The door of the platform: finding and reading the files that producers drop.

Belongs here: which files of a month there are, how a file becomes records, how refused values are
described. Does not belong here: what a valid record is (`contract.py`). Landing files are never
changed.
"""

import json
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from upath import UPath

from tip_assets import contract

FORMATS = (".csv", ".parquet")
SOURCE_FILE, SOURCE_ROW = "source_file", "source_row"
QUARANTINE_COLUMNS = ["file", "row", "column", "value", "reason", "record"]


class UnreadableFile(ValueError):
    """A landing file that cannot be read at all; the message says why."""


@dataclass(frozen=True)
class RawFile:
    """The records of one file as they stand in it.

    `records` is indexed by row number, the first record being row 1. `broken_lines` are lines that
    do not have the header's number of fields (`width`), by row number.
    """

    records: pd.DataFrame
    width: int
    broken_lines: dict[int, str]


@dataclass(frozen=True)
class MonthOfLanding:
    """What the landing files of a month gave.

    `rows` are valid records with their source file and row. `quarantine` has a row for every value,
    line or file that was refused. `ignored_columns` maps a file to its columns nobody asked for.
    """

    rows: pd.DataFrame
    quarantine: pd.DataFrame
    files: list[str]
    ignored_columns: dict[str, list[str]]

    @property
    def rows_refused(self) -> int:
        """Number of refused rows; a file that cannot be read counts no row."""
        rows = self.quarantine.dropna(subset="row")
        return len(rows.drop_duplicates(["file", "row"]))


def landing_folder(storage: UPath, month: str) -> UPath:
    return storage / "landing" / month


def landing_files(storage: UPath, month: str) -> list[UPath]:
    """The month's landing files in order of their names; none if the folder is not there."""
    folder = landing_folder(storage, month)
    if not folder.is_dir():
        return []
    files = [path for path in folder.rglob("*") if path.suffix.lower() in FORMATS]
    return sorted((path for path in files if path.is_file()), key=lambda path: path.path)


def read_month(storage: UPath, month: str) -> MonthOfLanding:
    """Read every landing file of a month and sort its records by the contract."""
    folder = landing_folder(storage, month)
    rows, quarantine, ignored = [], [], {}
    names = []
    for path in landing_files(storage, month):
        name = path.path.removeprefix(folder.path).lstrip("/")
        names.append(name)
        try:
            raw = read_file(path)
        except UnreadableFile as error:
            quarantine.append(_entry(name, None, None, None, str(error), None))
            continue
        checked = contract.check(raw.records)
        accepted = checked.accepted
        accepted.insert(0, SOURCE_FILE, name)
        accepted.insert(1, SOURCE_ROW, accepted.index.astype("int64"))
        rows.append(accepted)
        quarantine += _describe(name, raw, checked.refused)
        extra = [column for column in raw.records if column not in contract.COLUMNS]
        if extra:
            ignored[name] = extra
    columns = [SOURCE_FILE, SOURCE_ROW, *contract.COLUMNS]
    kept = [frame for frame in rows if len(frame)]
    return MonthOfLanding(
        rows=pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=columns),
        quarantine=pd.DataFrame(quarantine, columns=QUARANTINE_COLUMNS).astype({"row": "Int64"}),
        files=names,
        ignored_columns=ignored,
    )


def read_file(path: UPath) -> RawFile:
    """Read one CSV or Parquet file without interpreting a value.

    Raises UnreadableFile when the bytes are not a table or name a column of the contract twice.
    """
    try:
        data = path.read_bytes()
        table, broken = (
            _read_csv(data) if path.suffix.lower() == ".csv" else (_read_parquet(data), {})
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableFile(f"the file cannot be read: {_first_line(error)}") from error
    names = [name.strip() for name in table.column_names]
    twice = sorted({name for name in names if names.count(name) > 1 and name in contract.COLUMNS})
    if twice:
        raise UnreadableFile(f"the file has more than one column named {', '.join(twice)}")
    # Spreadsheets and pandas write a row index under an empty name.
    wanted = [i for i, name in enumerate(names) if name and not name.startswith("Unnamed:")]
    records = table.rename_columns(names).select(wanted).to_pandas()
    numbers = [i for i in range(1, len(records) + len(broken) + 1) if i not in broken]
    records.index = pd.Index(numbers, name="row")
    return RawFile(records, len(names), broken)


def _read_csv(data: bytes) -> tuple[pa.Table, dict[int, str]]:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"the file cannot be read: byte {error.start} is not UTF-8 text"
        ) from error
    broken: dict[int, str] = {}

    def keep_for_quarantine(line: pa.csv.InvalidRow) -> str:
        # pyarrow counts the header as line 1.
        broken[line.number - 1] = line.text
        return "skip"

    table = pa.csv.read_csv(
        pa.BufferReader(data),
        # Only a single thread can tell the number of a broken line.
        read_options=pa.csv.ReadOptions(use_threads=False),
        parse_options=pa.csv.ParseOptions(
            newlines_in_values=True, invalid_row_handler=keep_for_quarantine
        ),
        convert_options=pa.csv.ConvertOptions(
            default_column_type=pa.string(), strings_can_be_null=True, null_values=[""]
        ),
    )
    return table, broken


def _read_parquet(data: bytes) -> pa.Table:
    return pa.parquet.read_table(pa.BufferReader(data))


def _describe(name: str, raw: RawFile, refused: pd.DataFrame) -> list[dict[str, object]]:
    entries = []
    for row, line in raw.broken_lines.items():
        reason = f"the line does not have {raw.width} fields"
        entries.append(_entry(name, row, None, None, reason, line))
    for row, column, value, reason in refused.itertuples(index=False):
        record = json.dumps(raw.records.loc[row].to_dict(), default=str)
        entries.append(_entry(name, row, column, value, reason, record))
    return entries


def _entry(*facts: object) -> dict[str, object]:
    return dict(zip(QUARANTINE_COLUMNS, facts, strict=True))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
