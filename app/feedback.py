"""Tips that people submit, one or a file of them, and those on their way to the landing.

Belongs here: recording them in the log, describing what became of them. Does not belong here:
checking or landing them (`tip_assets/ingestion/feedback.py`), or showing (`views/feedback.py`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from upath import UPath

from app.form import describe_record
from app.style import dollars
from tip_assets import contract
from tip_assets.ingestion.feedback import PREDICTION_ID, TIP, FeedbackResult, submit_feedback
from tip_assets.ingestion.file_parts import BROKEN_LINE
from tip_assets.ingestion.table_files import UnreadableFile, read_pieces
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import Row
from tip_assets.metric_store.tables import ingestion

MOST_REFUSALS_SHOWN = 1_000
MOST_OUTLIERS_SHOWN = 50
_OUTLIER = 3
_COLUMNS = ["row", "id", "value", "reason"]


@dataclass(frozen=True)
class Submission:
    """What became of submitted tips: how many were new, known just so, and refused.

    `first_refused` are the first of them, as `FeedbackResult` has them; `at` is when the new ones
    were written, by which they can be withdrawn.
    """

    new: int
    known: int
    refused: int
    first_refused: pd.DataFrame
    at: datetime


@dataclass(frozen=True)
class OnItsWay:
    """Tips of a month that will land, how many, and when at the latest; when one last changed.

    `share` is theirs of the month's rows, None while the month has none.
    """

    month: str
    tips: int
    share: float | None
    lands_at: datetime
    changed_at: datetime


@dataclass
class Preview:
    """What the tips of a month would bring, for a person to compare with what they expect.

    Shares are of the bill, as means: of the tips, and of what was predicted. Outliers are tips of
    more than three times or less than a third of the prediction; `first_outliers` are some of them.
    """

    month: str
    tips: int
    share: float
    predicted_share: float
    outliers: int
    first_outliers: list[Row]


def previews(rows: Iterable[Row]) -> list[Preview]:
    """Summarize logged predictions with their tips (`actual`), by month."""
    found: dict[str, Preview] = {}
    for row in rows:
        month = found.setdefault(row["month"], Preview(row["month"], 0, 0.0, 0.0, 0, []))
        bill, tip, predicted = row["inputs"][contract.BILL], row["actual"], row["predicted"]
        month.tips += 1
        month.share += (tip / bill - month.share) / month.tips
        month.predicted_share += (predicted / bill - month.predicted_share) / month.tips
        if not predicted / _OUTLIER <= tip <= predicted * _OUTLIER:
            month.outliers += 1
            if len(month.first_outliers) < MOST_OUTLIERS_SHOWN:
                month.first_outliers.append(row)
    return [found[month] for month in sorted(found)]


def preview_file(log: PredictionLog, file: Path) -> tuple[Submission, list[Preview]]:
    """Check a file of tips without noting any; raises what `submit_file` raises."""
    pieces: list[FeedbackResult] = []

    def rows() -> Iterator[Row]:
        for piece in _submitted_pieces(log, file, datetime.now(UTC), write=False):
            pieces.append(replace(piece, predictions=()))
            yield from piece.predictions

    found = previews(rows())
    return _together(pieces, datetime.now(UTC)), found


def describe_preview(preview: Preview) -> str:
    """Say what the tips of a month would bring."""
    words = (
        f"{tips(preview.tips)}, on average {preview.share:.1%} of the bill; "
        f"{preview.predicted_share:.1%} was predicted"
    )
    if preview.outliers:
        words += (
            f". {tips(preview.outliers)} of more than {_OUTLIER} times or less than 1/{_OUTLIER} "
            "of the prediction"
        )
    return f"{words}."


def describe_prediction(row: Row) -> str:
    """A logged prediction in a line, as a person remembers it."""
    predicted = dollars(row["predicted"])
    return f"{row['at']:%Y-%m-%d %H:%M}: {describe_record(row['inputs'])}; predicted {predicted}"


def submit_one(log: PredictionLog, key: str, tip: float | str) -> Submission:
    """Submit the tip of one prediction."""
    given, at = pd.DataFrame({PREDICTION_ID: [key], TIP: [tip]}, index=[1]), datetime.now(UTC)
    return _together([submit_feedback(log, given, at)], at)


def submit_file(log: PredictionLog, file: Path) -> Submission:
    """Submit the tips of a CSV or Parquet file; rows without a tip are skipped.

    So the answer to a scored file can be given back with the tips that are known. Raises
    UnreadableFile, also when one of the two columns is missing.
    """
    at = datetime.now(UTC)
    return _together(_submitted_pieces(log, file, at), at)


def on_its_way(log: PredictionLog, minutes: float) -> list[OnItsWay]:
    """Submitted tips that have not landed, by month."""
    months = log.store.select(sa.select(ingestion.c.month, ingestion.c.rows_kept))
    kept = {row["month"]: row["rows_kept"] for row in months}
    return [
        OnItsWay(
            month=month,
            tips=count,
            share=count / (count + kept[month]) if kept.get(month) else None,
            lands_at=first + timedelta(minutes=minutes),
            changed_at=last,
        )
        for month, (count, first, last) in log.waiting().items()
    ]


def tips(count: int) -> str:
    """So many tips, in words."""
    return f"{count:,} tip{'s' * (count != 1)}"


def describe(submission: Submission) -> str:
    """Describe what became of submitted tips."""
    words = [f"{tips(submission.new)} saved"]
    if submission.known:
        words.append(f"{submission.known:,} already known")
    if submission.refused:
        words.append(f"{submission.refused:,} refused")
    return ", ".join(words) + "."


def _submitted_pieces(
    log: PredictionLog, file: Path, at: datetime, write: bool = True
) -> Iterator[FeedbackResult]:
    for piece in read_pieces(UPath(file), [PREDICTION_ID, TIP]):
        missing = [name for name in (PREDICTION_ID, TIP) if name not in piece.columns]
        if missing:
            raise UnreadableFile(f"the file has no column {', '.join(missing)}")
        tips = piece.records[TIP]
        given = piece.records[tips.notna() & (tips.astype("string").str.strip() != "")]
        if len(given):
            yield submit_feedback(log, given, at, piece.decimal, write)
        if piece.broken_lines:
            lines = [(row, "", line, BROKEN_LINE) for row, line in piece.broken_lines.items()]
            yield FeedbackResult(0, 0, pd.DataFrame(lines, columns=_COLUMNS))


def _together(pieces: Iterable[FeedbackResult], at: datetime) -> Submission:
    """Of those that were refused only the first are kept: a session has them till it ends."""
    new = known = refused = 0
    first = pd.DataFrame(columns=_COLUMNS)
    for piece in pieces:
        new, known = new + piece.new, known + piece.known
        left = MOST_REFUSALS_SHOWN - len(first)
        if left and len(piece.refused):
            shown = piece.refused.head(left)
            first = pd.concat([first, shown], ignore_index=True) if len(first) else shown
        refused += len(piece.refused)
    return Submission(new, known, refused, first, at)
