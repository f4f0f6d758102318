"""Scoring a file by a loaded model: every row gets a prediction or the reason why not.

Belongs here: the pass over the file. Does not belong here: how bytes become records
(`ingestion/table_files.py`), what a valid record is (`contract.py`), the model (`loaded_model.py`),
or the answer as a file (`scored_files.py`).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion import valid_records
from tip_assets.ingestion.feedback import PREDICTION_ID
from tip_assets.ingestion.file_parts import BROKEN_LINE
from tip_assets.ingestion.table_files import Piece, UnreadableFile, read_pieces
from tip_assets.metric_store.prediction_log import OF_FILE
from tip_assets.serving.loaded_model import LoadedModel

ROW, PREDICTED, LOW, HIGH = "row", "predicted_tip_usd", "tip_low_usd", "tip_high_usd"
INTERVAL = (LOW, HIGH)
# What each feature adds to the prediction in dollars, and what it starts from.
START = "start_usd"
CONTRIBUTIONS = (START, *(f"{name}_adds_usd" for name in contract.FEATURE_NAMES))
NEVER_SEEN, REFUSED = "never_seen", "refused"
_AFTER = (PREDICTED, *INTERVAL, *CONTRIBUTIONS, NEVER_SEEN, PREDICTION_ID, REFUSED)
ORDER = (ROW, *contract.FEATURE_NAMES, *_AFTER)


@dataclass(frozen=True)
class ScoredPiece:
    """Some rows of a file, scored. Every table is indexed by the row's number in the file.

    `accepted` has the contract's features as the model was asked, the prediction in dollars, and
    where they were asked for its interval, contributions and id. A row that is unlike the training
    data has no interval and says in `never_seen` why. `refused` has the cells as they stand in the
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
    model: LoadedModel,
    path: UPath,
    coverage: float | None,
    id_prefix: str = "",
    with_contributions: bool = False,
) -> Iterator[ScoredPiece]:
    """Score a CSV or Parquet file in one pass, piece by piece, so that memory is bounded.

    Without a coverage there are no intervals. Ids are the prefix and the row's number; without a
    prefix there are none. Raises UnreadableFile
    when the bytes are no table or a column is missing, MlflowException when the model is made for
    another contract.
    """
    for piece in _in_turn(read_pieces(path, contract.FEATURE_NAMES)):
        missing = [name for name in contract.FEATURE_NAMES if name not in piece.columns]
        if missing:
            raise UnreadableFile(f"the file has no column {', '.join(missing)}")
        if len(piece) or piece.broken_lines:
            yield _score(model, piece, coverage, id_prefix, with_contributions)


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


def _score(
    model: LoadedModel,
    piece: Piece,
    coverage: float | None,
    id_prefix: str,
    with_contributions: bool,
) -> ScoredPiece:
    checked = valid_records.check(piece, with_label=False)
    accepted = checked.accepted[contract.FEATURE_NAMES]
    predicted = model.predict(accepted) if len(accepted) else np.empty(0)
    unknown, answers = model.never_seen(accepted), {PREDICTED: predicted}
    if coverage is not None:
        nothing = np.full(len(accepted), np.nan)
        ends = model.intervals(accepted, predicted, coverage) or (nothing, nothing)
        for name, end in zip(INTERVAL, ends, strict=True):
            answers[name] = np.where(unknown == "", end, np.nan)
    if with_contributions:
        contributions = model.contributions(accepted, predicted)
        answers |= dict(zip(CONTRIBUTIONS, contributions.T, strict=True))
    accepted = accepted.assign(**answers)
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
    names = [name for name in dict.fromkeys(piece.columns) if name not in ORDER]
    others = pd.DataFrame(index=piece.rows)
    for name in names:
        values = piece.batch.column(piece.columns.index(name))
        try:
            others[name] = values.cast(pa.string()).to_numpy(zero_copy_only=False)
        except pa.ArrowException:  # bytes that are no text, lists
            others[name] = [as_text(cell) for cell in values.to_pylist()]
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


def as_text(cell: Any) -> str | None:
    """A cell as text; None if it is missing. In Parquet a cell may be a list."""
    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return None
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
