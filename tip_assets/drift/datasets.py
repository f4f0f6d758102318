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
    of_producers,
)

# Of a larger reference so many rows are drawn: each needs a prediction by a model that has not seen
# it. Effects are then blurred by 1/450 of a standard deviation.
MOST_REFERENCE_ROWS = 200_000
_DRAWN_WITH = 0


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
    """Decoded records with tip and prediction; `note` describes what is compared."""

    reference: pd.DataFrame
    current: pd.DataFrame
    note: str

    def sample(self, most_rows: int, seed: int) -> "Datasets":
        """Draw at most `most_rows` rows of each, the same ones each time; the note says so."""
        frames = self.reference, self.current
        if max(map(len, frames)) <= most_rows:
            return self
        reference, current = (
            frame.sample(min(most_rows, len(frame)), random_state=seed).sort_index()
            for frame in frames
        )
        note = f"{self.note}; drawn from a sample of {most_rows:,} rows of each"
        return Datasets(reference, current, note)


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
    the day of training, `name` how the model is called. The note names months that late files have
    changed since.
    """
    rows = pd.concat(trained_on, ignore_index=True)
    reference, current = reference_of(rows, model), current_of(month, model)
    note = (
        f"reference: {_training_rows(reference, rows)} of {name}; current: all {len(current)} rows"
    )
    note += _left_out(month)
    today = monthly_fingerprints(rows)
    changed = [name for name in fingerprints if today.get(name) != fingerprints[name]]
    if changed:
        note += f"; late files have changed {', '.join(changed)} since the model was trained"
    return Datasets(reference, current, note)


def first_month_datasets(month: pd.DataFrame, model: ServingModel) -> Datasets:
    """With no earlier model: the month's train part against its test part."""
    train, test = reference_of(month, model), current_of(month[month[PART] == TEST], model)
    note = (
        f"no model served this month: its {_training_rows(train, month, 'train')} against its "
        f"{len(test)} test rows"
    )
    return Datasets(train, test, note + _left_out(month))


def reference_of(rows: pd.DataFrame, model: ServingModel) -> pd.DataFrame:
    """The producers' training rows among split rows, each predicted by a model without it.

    Of more than `MOST_REFERENCE_ROWS` so many are drawn, the same ones each time.
    """
    train = of_producers(rows[rows[PART] == TRAIN])
    if len(train) > MOST_REFERENCE_ROWS:
        train = train.sample(MOST_REFERENCE_ROWS, random_state=_DRAWN_WITH).sort_index()
    return _records(train).assign(**{PREDICTION: model.predict_held_out(train)})


def current_of(rows: pd.DataFrame, model: ServingModel) -> pd.DataFrame:
    """The producers' rows among split rows, with the model's predictions."""
    records = _records(of_producers(rows))
    return records.assign(**{PREDICTION: model.predict(records[contract.FEATURE_NAMES])})


def _training_rows(reference: pd.DataFrame, rows: pd.DataFrame, kind: str = "training") -> str:
    of = int((rows[PART].eq(TRAIN) & ~from_feedback(rows)).sum())
    drawn = f" drawn from {of:,}" if len(reference) < of else ""
    return f"{len(reference)} {kind} rows{drawn}"


def _left_out(month: pd.DataFrame) -> str:
    feedback = int(from_feedback(month).sum())
    return f"; {feedback} rows of feedback are not counted" if feedback else ""


def _records(rows: pd.DataFrame) -> pd.DataFrame:
    return contract.decode(rows[list(contract.COLUMNS)].reset_index(drop=True))
