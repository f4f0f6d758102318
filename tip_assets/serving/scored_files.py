"""A scored file as CSV and as Parquet.

Belongs here: columns, their order and types, and cells that are safe in a spreadsheet. Does not
belong here: how rows are scored (`scoring.py`).
"""

import csv
import io
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from tip_assets import contract
from tip_assets.ingestion.feedback import PREDICTION_ID
from tip_assets.serving.scoring import (
    CONTRIBUTIONS,
    HIGH,
    INTERVAL,
    LOW,
    ORDER,
    PREDICTED,
    ROW,
    ScoredPiece,
    as_text,
)

_FORMULA = "=+-@|%"  # what a spreadsheet takes for its beginning (OWASP, "CSV Injection")


class ScoredFileWriter:
    """Writes scored pieces as CSV and, if a path is given, as Parquet.

    The file's other columns stand after the contract's, as text. In CSV money is in cents, and
    cells that a spreadsheet would run as a formula begin with an apostrophe, but for those of valid
    features. In Parquet numbers are numbers: a cell that is none is null there. Ids, intervals and
    contributions have columns where they are asked for.
    """

    def __init__(
        self,
        text: TextIO | None,
        parquet: Path | None = None,
        *,
        with_ids: bool = False,
        with_intervals: bool = True,
        with_contributions: bool = False,
    ) -> None:
        left_out = {
            *(() if with_ids else (PREDICTION_ID,)),
            *(() if with_intervals else INTERVAL),
            *(() if with_contributions else CONTRIBUTIONS),
        }
        self._columns = [name for name in ORDER if name not in left_out]
        self._text, self._path, self._parquet = text, parquet, None
        self._begun = False

    def _begin(self, others: list[str]) -> None:
        """Write the header; the first piece shows which other columns the file has."""
        self._begun = True
        place = 1 + len(contract.FEATURE_NAMES)
        self._columns[place:place] = others
        self._schema = pa.schema([_field(name) for name in self._columns])
        if self._text:
            self._text.write(_line([_harmless(name) for name in self._columns]))
        if self._path:
            self._parquet = pa.parquet.ParquetWriter(self._path, self._schema)

    def __enter__(self) -> "ScoredFileWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if not self._begun:
            self._begin([])
        if self._parquet:
            self._parquet.close()

    def write(self, piece: ScoredPiece) -> None:
        """Append a piece to the files, its rows in the file's order."""
        if not self._begun:
            self._begin(list(piece.others))
        if self._text:
            self._text.write("".join(self._lines(piece)))
        if self._parquet:
            table = _table(piece.accepted.join(piece.others), self._schema)
            if len(piece.refused):
                refused = _table(_typed(piece.refused).join(piece.others), self._schema)
                table = pa.concat_tables([table, refused]).sort_by(ROW)
            self._parquet.write_table(table)

    def _lines(self, piece: ScoredPiece) -> list[str]:
        """The lines of a piece, in the file's order."""
        others = piece.others.apply(_harmless_cells)
        cents = dict.fromkeys((PREDICTED, LOW, HIGH, *CONTRIBUTIONS), 2)
        money = piece.accepted.round(cents).join(others)
        lines = _lines(_table(money, self._schema))
        if not len(piece.refused):
            return lines
        by_row = dict(zip(piece.accepted.index, lines, strict=True))
        cells = piece.refused.assign(
            **{name: _harmless_cells(piece.refused[name]) for name in contract.FEATURE_NAMES}
        ).join(others)
        cells = cells.rename_axis(ROW).reset_index().reindex(columns=self._columns)
        cells = cells.astype(object).where(cells.notna(), None)
        by_row |= {line[0]: _line(line) for line in cells.itertuples(index=False, name=None)}
        return [by_row[row] for row in sorted(by_row)]


def _table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """The columns of a frame and its index as Arrow's; a column that it lacks is null."""
    columns = {ROW: frame.index.to_series(), **{name: frame[name] for name in frame}}
    arrays = [
        pa.array(columns[field.name], from_pandas=True).cast(field.type)
        if field.name in columns
        else pa.nulls(len(frame), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _lines(table: pa.Table) -> list[str]:
    """The rows of a table as lines of CSV."""
    sink = io.BytesIO()
    options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
    try:
        pa.csv.write_csv(table, sink, options)
    except pa.ArrowInvalid:  # a cell needs quotes
        return [_line(list(row.values())) for row in table.to_pylist()]
    return [f"{line}\n" for line in sink.getvalue().decode().split("\n")[:-1]]


def _line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _harmless_cells(cells: pd.Series) -> pd.Series:
    """Each cell by `_harmless`, which looks at each different text once."""
    places, different = pd.factorize(cells.map(as_text))
    texts = np.array([*map(_harmless, different), None], dtype=object)
    return pd.Series(texts[places], cells.index)


def _harmless(cell: Any) -> str | None:
    """A cell as a spreadsheet may read it: text that would be run as a formula is made text."""
    text = as_text(cell)
    if text is None:
        return None
    # Spaces and marks that do not show are passed over, wide forms of a sign count as the sign.
    first = next((char for char in text if char.isprintable() and not char.isspace()), " ")
    if unicodedata.normalize("NFKC", first) not in _FORMULA or _is_number(text):
        return text
    return f"'{text}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _typed(refused: pd.DataFrame) -> pd.DataFrame:
    """Cells of refused rows by the types of the Parquet file."""
    typed = refused.copy()
    for column in contract.FEATURES:
        cells = refused[column.name]
        if isinstance(column, contract.NumberColumn):
            numbers = pd.to_numeric(cells.map(_harmless), errors="coerce").astype(float)
            typed[column.name] = numbers
        else:
            typed[column.name] = cells.map(as_text)
    return typed


def _field(name: str) -> pa.Field:
    column = contract.COLUMNS[name] if name in contract.FEATURE_NAMES else None
    if name == ROW:
        return pa.field(name, pa.int64())
    number = name in (PREDICTED, *INTERVAL, *CONTRIBUTIONS) or isinstance(
        column, contract.NumberColumn
    )
    return pa.field(name, pa.float64() if number else pa.string())
