"""The two datasets that are compared: what a model was trained on, and the month it served.

Belongs here: putting together rows and predictions. Does not belong here: judging them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.drift.charts import PREDICTION
from tip_assets.modelling.split import (
    PART,
    TEST,
    TRAIN,
    from_feedback,
    monthly_fingerprints,
)


@dataclass(frozen=True)
class ServingModel:
    """How the model that served the month predicts, in dollars.

    `predict` takes raw records. `predict_held_out` takes the encoded rows that the model was
    trained on, and answers each by a model of the same recipe that has not seen it.
    """

    predict: Callable[[pd.DataFrame], np.ndarray]
    predict_held_out: Callable[[pd.DataFrame], np.ndarray]


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
    name: str,
    model: ServingModel,
) -> Datasets:
    """Training rows of the model that served the month, against all rows of the month.

    Both are rows of producers: feedback must neither raise nor hide an alarm. No prediction is of a
    model that has seen the row.
    `trained_on` are the split rows of the model's months as they are today, `fingerprints` those of
    the day of training, `name` the model's in words. A month that late files have changed since is
    named in the note.
    """
    rows = pd.concat(trained_on, ignore_index=True)
    reference = _of_producers(rows[rows[PART] == TRAIN])
    current = _of_producers(month)
    note = f"reference: {len(reference)} training rows of {name}; current: all {len(current)} rows"
    note += _left_out(month)
    today = monthly_fingerprints(rows)
    changed = [name for name in fingerprints if today.get(name) != fingerprints[name]]
    if changed:
        note += f"; late files have changed {', '.join(changed)} since the model was trained"
    return _datasets(reference, current, note, model)


def first_month_datasets(month: pd.DataFrame, model: ServingModel) -> Datasets:
    """With no earlier model: the month's train part against its test part."""
    reference, current = (_of_producers(month[month[PART] == part]) for part in (TRAIN, TEST))
    note = (
        "no model served this month: "
        f"its {len(reference)} train rows against its {len(current)} test rows"
    ) + _left_out(month)
    return _datasets(reference, current, note, model)


def _datasets(
    reference: pd.DataFrame, current: pd.DataFrame, note: str, model: ServingModel
) -> Datasets:
    decoded = _records(reference), _records(current)
    return Datasets(
        decoded[0].assign(**{PREDICTION: model.predict_held_out(reference)}),
        decoded[1].assign(**{PREDICTION: model.predict(decoded[1][contract.FEATURE_NAMES])}),
        note,
    )


def _of_producers(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~from_feedback(rows)]


def _left_out(month: pd.DataFrame) -> str:
    feedback = int(from_feedback(month).sum())
    return f"; {feedback} rows of feedback are not counted" if feedback else ""


def _records(rows: pd.DataFrame) -> pd.DataFrame:
    return contract.decode(rows[list(contract.COLUMNS)].reset_index(drop=True))
