"""Scoring a file by a loaded model: every row gets a prediction or the reason why not.

Belongs here: the pass over the file, and the answer as CSV and Parquet. Does not belong here: how
bytes become records (`ingestion/table_files.py`), what a valid record is (`contract.py`), or the
model (`loaded_model.py`).
"""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
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
    file, and the reason. `others` has the file's other columns of every row. `reasons` counts the
    refused rows by column and first reason.
    """

    accepted: pd.DataFrame
    refused: pd.DataFrame
    others: pd.DataFrame
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
    return ScoredPiece(accepted, _refused(piece, checked.refused), _others(piece), reasons)


def _others(piece: Piece) -> pd.DataFrame:
    """The columns of a piece that are not the contract's, as text; the first of equal names."""
    names = [name for name in dict.fromkeys(piece.columns) if name not in _ORDER]
    others = pd.DataFrame(index=piece.rows)
    for name in names:
        values = piece.batch.column(piece.columns.index(name))
        try:
            others[name] = values.cast(pa.string()).to_numpy(zero_copy_only=False)
        except pa.ArrowException:  # bytes that are no text, lists
            others[name] = [_text(cell) for cell in values.to_pylist()]
    return others


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

    The file's other columns stand after the contract's, as text. In CSV money is in cents, and
    cells that a spreadsheet would run as a formula begin with an apostrophe, but for those of valid
    features. In Parquet numbers are numbers: a cell that is none is null there.
    """

    def __init__(self, text: TextIO, parquet: Path | None = None, with_ids: bool = False) -> None:
        self._columns = [name for name in _ORDER if with_ids or name != PREDICTION_ID]
        self._text, self._path, self._parquet = text, parquet, None
        self._begun = False

    def _begin(self, others: list[str]) -> None:
        """Write the header; the first piece shows which other columns the file has."""
        self._begun = True
        place = 1 + len(contract.FEATURE_NAMES)
        self._columns[place:place] = others
        self._schema = pa.schema([_field(name) for name in self._columns])
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
        money = piece.accepted.round({PREDICTED: 2, LOW: 2, HIGH: 2}).join(others)
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
    places, different = pd.factorize(cells.map(_text))
    texts = np.array([*map(_harmless, different), None], dtype=object)
    return pd.Series(texts[places], cells.index)


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
    column = contract.COLUMNS[name] if name in contract.FEATURE_NAMES else None
    if name == ROW:
        return pa.field(name, pa.int64())
    number = name in (PREDICTED, LOW, HIGH) or isinstance(column, contract.NumberColumn)
    return pa.field(name, pa.float64() if number else pa.string())
