"""Feedback: check the actual tips of predictions and write them to the landing of their month.

The log itself is in `metric_store/prediction_log.py`. A tip is first submitted and may be
corrected; then the log assigns it to a landing file; then the file is written. The file has exactly
the tips assigned to it, so a killed process loses and repeats none: the next one writes the same
file with the same bytes.
"""

import secrets
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion.landing import FEEDBACK_FILES, landing_folder
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import Row
from tip_assets.runtime.storage import write_atomically

PREDICTION_ID, TIP = "prediction_id", contract.LABEL.name
_SAME_TIP_USD = 0.005


@dataclass(frozen=True)
class FeedbackResult:
    """Result of submitted feedback: the number of new tips, and of tips that were already known.

    `refused` has a row for each refused tip: `row` (its index), `id`, `value` and `reason`.
    `predictions` are the logged predictions of the new tips, with the tip as `actual`.
    """

    new: int
    known: int
    refused: pd.DataFrame
    predictions: Sequence[Row] = ()


def submit_feedback(
    log: PredictionLog,
    submitted: pd.DataFrame,
    at: datetime,
    decimal: str = ".",
    write: bool = True,
) -> FeedbackResult:
    """Check tips against the log and the contract, and write the valid ones.

    `submitted` has the columns `prediction_id` and the contract's label, and a unique index;
    `decimal` is the decimal mark of tips that are text. Submitting a tip twice changes nothing.
    Without `write` the tips are only checked. Raises ValueError when a column is missing.
    """
    for column in (PREDICTION_ID, TIP):
        if column not in submitted:
            raise ValueError(f"the column {column} is missing")
    ids = submitted[PREDICTION_ID].astype("string").str.strip().fillna("").astype(object)
    # Some databases refuse queries with unprintable text.
    logged = log.find(sorted(key for key in set(ids) if key and key.isprintable()))
    reasons = {row: _unknown(key) for row, key in ids.items() if key not in logged}
    tips, broken = _checked(submitted[TIP].drop(index=list(reasons)), ids, logged, decimal)
    reasons |= broken
    reasons |= _contradictions(tips, ids)
    new: dict[str, float] = {}
    for row, tip in tips.drop(index=[row for row in tips.index if row in reasons]).items():
        prediction = logged[ids[row]]
        if _is_same_tip(prediction, tip):
            continue
        if prediction["landing_file"]:
            reasons[row] = "another tip of this prediction has already landed and stays"
        else:
            new[ids[row]] = tip
    if write:
        log.record_tips(new, at)
    refuse = ids.index.isin(list(reasons))
    refused = pd.DataFrame(
        [(row, ids[row], str(submitted.at[row, TIP]), reasons[row]) for row in ids.index[refuse]],
        columns=["row", "id", "value", "reason"],
    )
    return FeedbackResult(
        new=len(new),
        known=len(submitted) - len(reasons) - len(new),
        refused=refused,
        predictions=[{**logged[key], "actual": tip} for key, tip in new.items()],
    )


def land_tips(log: PredictionLog, storage: UPath, submitted_before: datetime, now: datetime) -> int:
    """Land the tips of each month that has one submitted before a time; returns their number.

    Completes an earlier call that was interrupted. Each call writes at most one file for a month,
    with the contract's columns, in the month in which the prediction was made (UTC).
    """
    for month, (_, first, _) in log.waiting().items():
        if first <= submitted_before:
            stamp = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
            name = FEEDBACK_FILES.replace("*", stamp)
            log.name_for_landing(month, name)
    landed = 0
    for month, name in log.unwritten_files():
        rows, path = log.rows_of(name), landing_folder(storage, month) / name
        content = _landing_file(rows)
        # Writing it again would count as a change and run the month again.
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)
        log.mark_landed(name, now)
        landed += len(rows)
    return landed


def _landing_file(rows: Sequence[Row]) -> bytes:
    records = pd.DataFrame([{**row["inputs"], TIP: row["actual"]} for row in rows])
    return records[list(contract.COLUMNS)].to_csv(index=False, lineterminator="\n").encode()


def _checked(
    tips: pd.Series, ids: pd.Series, logged: Mapping[str, Row], decimal: str
) -> tuple[pd.Series, dict[Hashable, str]]:
    """Return the valid tips as numbers, and the reasons why others are refused, by row."""
    records = pd.DataFrame([logged[ids[row]]["inputs"] for row in tips.index], index=tips.index)
    checked = contract.check(records.assign(**{TIP: tips}), decimal=decimal)
    broken: dict[Hashable, str] = {}
    for row, column, reason in zip(
        checked.refused["position"],
        checked.refused["column"],
        checked.refused["reason"],
        strict=True,
    ):
        broken.setdefault(row, f"{column} {reason}")
    return checked.accepted[TIP].astype(float), broken


def _contradictions(tips: pd.Series, ids: pd.Series) -> dict[Hashable, str]:
    """Return the rows whose prediction has a different tip in another row."""
    different = tips.round(2).groupby(ids[tips.index]).transform("nunique")
    return dict.fromkeys(tips.index[different > 1], "the file has different tips for this id")


def _unknown(key: str) -> str:
    return "no prediction in the log has this id" if key else "the id is missing"


def _is_same_tip(prediction: Row, tip: float) -> bool:
    actual = prediction["actual"]
    return actual is not None and abs(actual - tip) < _SAME_TIP_USD
