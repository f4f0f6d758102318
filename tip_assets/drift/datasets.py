"""The two datasets that are compared: what a model was trained on, and the month it served.

Belongs here: putting together rows and predictions. Does not belong here: judging them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from tip_assets import contract
from tip_assets.drift.rule import PREDICTION
from tip_assets.modelling.split import (
    PART,
    TEST,
    TRAIN,
    from_feedback,
    monthly_fingerprints,
)

Predict = Callable[[pd.DataFrame], object]


@dataclass(frozen=True)
class Datasets:
    """Decoded records with tip and prediction; `note` says in words what is compared."""

    reference: pd.DataFrame
    current: pd.DataFrame
    note: str


def serving_datasets(
    month: pd.DataFrame,
    trained_on: list[pd.DataFrame],
    fingerprints: dict[str, str],
    model: str,
    predict: Predict,
) -> Datasets:
    """Training rows of the model that served the month, against all rows of the month.

    Both are rows of producers: feedback must neither raise nor hide an alarm.
    `trained_on` are the split rows of the model's months as they are today, `fingerprints` those of
    the day of training, `model` its name in words. A month that late files have changed since is
    named in the note.
    """
    rows = pd.concat(trained_on, ignore_index=True)
    reference = _of_producers(rows[rows[PART] == TRAIN])
    current = _of_producers(month)
    note = f"reference: {len(reference)} training rows of {model}; current: all {len(current)} rows"
    note += _left_out(month)
    today = monthly_fingerprints(rows)
    changed = [name for name in fingerprints if today.get(name) != fingerprints[name]]
    if changed:
        note += f"; late files have changed {', '.join(changed)} since the model was trained"
    return Datasets(_records(reference, predict), _records(current, predict), note)


def first_month_datasets(month: pd.DataFrame, predict: Predict) -> Datasets:
    """With no earlier model: the month's train part against its test part."""
    reference, current = (_of_producers(month[month[PART] == part]) for part in (TRAIN, TEST))
    note = (
        "no model served this month: "
        f"its {len(reference)} train rows against its {len(current)} test rows"
    ) + _left_out(month)
    return Datasets(_records(reference, predict), _records(current, predict), note)


def _of_producers(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~from_feedback(rows)]


def _left_out(month: pd.DataFrame) -> str:
    feedback = int(from_feedback(month).sum())
    return f"; {feedback} rows of feedback are not counted" if feedback else ""


def _records(rows: pd.DataFrame, predict: Predict) -> pd.DataFrame:
    records = contract.decode(rows[list(contract.COLUMNS)].reset_index(drop=True))
    records[PREDICTION] = predict(records[contract.FEATURE_NAMES])
    return records
