"""Scoring a file by a loaded model: every row gets a prediction or the reason why not.

Belongs here: the pass over the file, and the answer as CSV and Parquet. Does not belong here: how
bytes become records (`ingestion/table_files.py`), what a valid record is (`contract.py`), or the
model (`loaded_model.py`).
"""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion import valid_records
from tip_assets.ingestion.feedback import PREDICTION_ID
from tip_assets.ingestion.landing import BROKEN_LINE
from tip_assets.ingestion.table_files import Piece, UnreadableFile, read_pieces
from tip_assets.metric_store.prediction_log import OF_FILE
from tip_assets.serving.loaded_model import LoadedModel

ROW, PREDICTED, LOW, HIGH = "row", "predicted_tip_usd", "tip_low_usd", "tip_high_usd"
NEVER_SEEN, REFUSED = "never_seen", "refused"
_ORDER = (ROW, *contract.FEATURE_NAMES, PREDICTED, LOW, HIGH, NEVER_SEEN, PREDICTION_ID, REFUSED)

_FORMULA = "=+-@|%"  # what a spreadsheet takes for its beginning (OWASP, "CSV Injection")


@dataclass(frozen=True)
class ScoredPiece:
    """Some rows of a file, scored. Every table is indexed by the row's number in the file.

    `accepted` has the contract's features as the model was asked, prediction and interval in
    dollars, and the prediction's id if asked for. A row that is unlike the training data has no
    interval and says in `never_seen` why. `refused` has the cells as they stand in the
    file, and the reason. `reasons` counts the refused rows by column and first reason.
    """

    accepted: pd.DataFrame
    refused: pd.DataFrame
    reasons: Counter[tuple[str, str]]

    @property
    def rows(self) -> int:
        return len(self.accepted) + len(self.refused)

    def without_ids(self) -> "ScoredPiece":
        """The same with predictions that have no id."""
        return replace(self, accepted=self.accepted.drop(columns=PREDICTION_ID, errors="ignore"))

    def head(self, rows: int) -> "ScoredPiece":
        """The first so many accepted and refused rows."""
        return replace(self, accepted=self.accepted.head(rows), refused=self.refused.head(rows))


def score_file(
    model: LoadedModel, path: UPath, coverage: float, id_prefix: str = ""
) -> Iterator[ScoredPiece]:
    """Score a CSV or Parquet file in one pass, piece by piece, so that memory is bounded.

    Ids are the prefix and the row's number; without a prefix there are none. Raises UnreadableFile
    when the bytes are no table or a column is missing, MlflowException when the model is made for
    another contract.
    """
    for piece in _in_turn(read_pieces(path, contract.FEATURE_NAMES)):
        missing = [name for name in contract.FEATURE_NAMES if name not in piece.columns]
        if missing:
            raise UnreadableFile(f"the file has no column {', '.join(missing)}")
        if len(piece) or piece.broken_lines:
            yield _score(model, piece, coverage, id_prefix)


def _in_turn(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Move broken lines to the pieces whose rows surround them: the reader reports them late."""
    ahead: dict[int, str] = {}
    piece = None
    for piece in pieces:
        ahead |= piece.broken_lines
        last = piece.rows[-1] if len(piece) else 0
        yield replace(piece, broken_lines={r: line for r, line in ahead.items() if r < last})
        ahead = {row: line for row, line in ahead.items() if row >= last}
    if piece is not None:
        yield replace(piece.head(), broken_lines=ahead)


def _score(model: LoadedModel, piece: Piece, coverage: float, id_prefix: str) -> ScoredPiece:
    checked = valid_records.check(piece, with_label=False)
    accepted = checked.accepted[contract.FEATURE_NAMES]
    predicted, low, high = (np.full(len(accepted), np.nan) for _ in range(3))
    unknown = np.full(len(accepted), "", dtype=object)
    if len(accepted):
        predicted = model.predict(accepted)
        low, high = model.intervals(accepted, predicted, coverage) or (low, high)
        unknown = model.never_seen(accepted)
        low, high = (np.where(unknown == "", ends, np.nan) for ends in (low, high))
    accepted = accepted.assign(**{PREDICTED: predicted, LOW: low, HIGH: high})
    accepted[NEVER_SEEN] = pd.Series(unknown, accepted.index).replace("", None)
    if id_prefix:
        accepted[PREDICTION_ID] = [f"{id_prefix}{OF_FILE}{row}" for row in accepted.index]
    first = checked.refused.drop_duplicates("position")
    reasons = Counter(zip(first["column"], first["reason"], strict=True))
    if piece.broken_lines:
        reasons["line", BROKEN_LINE] = len(piece.broken_lines)
    return ScoredPiece(accepted, _refused(piece, checked.refused), reasons)


def _refused(piece: Piece, refused: pd.DataFrame) -> pd.DataFrame:
    """The refused rows of a piece as they stand in the file, each with all its reasons."""
    words: dict[int, str] = {}
    for position, column, reason in zip(
        refused["position"], refused["column"], refused["reason"], strict=True
    ):
        row = int(position)
        words[row] = f"{words[row]}; {column} {reason}" if row in words else f"{column} {reason}"
    words |= dict.fromkeys(piece.broken_lines, BROKEN_LINE)
    rows = pd.Index(list(words), dtype=int)
    records = piece.records_where(np.isin(piece.rows, rows))
    table = records[contract.FEATURE_NAMES].astype(object).reindex(rows)
    table[REFUSED] = list(words.values())
    return table.sort_index()


class ScoredFileWriter:
    """Writes scored pieces as CSV and, if a path is given, as Parquet.

    In CSV money is in cents, and cells of refused rows that a spreadsheet would run as a formula
    begin with an apostrophe. In Parquet numbers are numbers: a cell that is none is null there.
    """

    def __init__(self, text: TextIO, parquet: Path | None = None, with_ids: bool = False) -> None:
        columns = [name for name in _ORDER if with_ids or name != PREDICTION_ID]
        self._text, self._schema = text, pa.schema([_field(name) for name in columns])
        self._text.write(",".join(columns) + "\n")
        self._parquet = pa.parquet.ParquetWriter(parquet, self._schema) if parquet else None

    def __enter__(self) -> "ScoredFileWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._parquet:
            self._parquet.close()

    def write(self, piece: ScoredPiece) -> None:
        """Append a piece to the files, its rows in the file's order."""
        money = piece.accepted.round({PREDICTED: 2, LOW: 2, HIGH: 2})
        lines = _lines(_table(money, self._schema))
        if len(piece.refused):
            lines = self._with_refused(lines, piece)
        self._text.write(lines)
        if self._parquet:
            table = _table(piece.accepted, self._schema)
            if len(piece.refused):
                refused = _table(_typed(piece.refused), self._schema)
                table = pa.concat_tables([table, refused]).sort_by(ROW)
            self._parquet.write_table(table)

    def _with_refused(self, accepted: str, piece: ScoredPiece) -> str:
        """The lines of accepted rows, and those of refused rows among them."""
        by_row = dict(zip(piece.accepted.index, accepted.splitlines(keepends=True), strict=True))
        cells = piece.refused.rename_axis(ROW).reset_index().reindex(columns=self._schema.names)
        for name in contract.FEATURE_NAMES:
            cells[name] = cells[name].map(_harmless)
        cells = cells.astype(object).where(cells.notna(), None)
        for line in cells.itertuples(index=False, name=None):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow(line)
            by_row[line[0]] = text.getvalue()
        return "".join(by_row[row] for row in sorted(by_row))


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


def _lines(table: pa.Table) -> str:
    """A table as lines of CSV without a header; no cell of accepted rows needs quotes."""
    sink = io.BytesIO()
    pa.csv.write_csv(table, sink, pa.csv.WriteOptions(include_header=False, quoting_style="none"))
    return sink.getvalue().decode()


def _harmless(cell: Any) -> str | None:
    """A cell as a spreadsheet may read it: text that would be run as a formula is made text."""
    text = _text(cell)
    if text is None:
        return None
    # Spaces and marks that do not show are passed over, wide forms of a sign count as the sign.
    first = next((char for char in text if char.isprintable() and not char.isspace()), " ")
    if unicodedata.normalize("NFKC", first) not in _FORMULA or _is_number(text):
        return text
    return f"'{text}"


def _text(cell: Any) -> str | None:
    """A cell as text; None if it is missing. In Parquet a cell may be a list."""
    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return None
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


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
            typed[column.name] = cells.map(_text)
    return typed


def _field(name: str) -> pa.Field:
    column = contract.COLUMNS.get(name)
    if name == ROW:
        return pa.field(name, pa.int64())
    number = name in (PREDICTED, LOW, HIGH) or isinstance(column, contract.NumberColumn)
    return pa.field(name, pa.float64() if number else pa.string())
