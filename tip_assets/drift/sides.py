"""The two sides that are compared: the reference a model was trained on, and the month it served.

Belongs here: putting together rows and predictions. Does not belong here: judging them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from tip_assets import contract
from tip_assets.drift.rule import PREDICTION
from tip_assets.modelling.split import PART, TEST, TRAIN, monthly_fingerprints

Predict = Callable[[pd.DataFrame], object]


@dataclass(frozen=True)
class Sides:
    """Decoded records with tip and prediction; `note` says in words what is compared."""

    reference: pd.DataFrame
    current: pd.DataFrame
    note: str


def serving_sides(
    month: pd.DataFrame,
    trained_on: list[pd.DataFrame],
    fingerprints: dict[str, str],
    model: str,
    predict: Predict,
) -> Sides:
    """Training rows of the model that served the month, against all rows of the month.

    `trained_on` are the split rows of the model's months as they are today, `fingerprints` those of
    the day of training, `model` its name in words. A month that late files have changed since is
    named in the note.
    """
    rows = pd.concat(trained_on, ignore_index=True)
    reference = rows[rows[PART] == TRAIN]
    note = f"reference: {len(reference)} training rows of {model}; current: all {len(month)} rows"
    today = monthly_fingerprints(rows)
    changed = [name for name in fingerprints if today.get(name) != fingerprints[name]]
    if changed:
        note += f"; late files have changed {', '.join(changed)} since the model was trained"
    return Sides(_records(reference, predict), _records(month, predict), note)


def first_month_sides(month: pd.DataFrame, predict: Predict) -> Sides:
    """With no earlier model: the month's train part against its test part."""
    reference, current = (month[month[PART] == part] for part in (TRAIN, TEST))
    note = (
        "no model served this month: "
        f"its {len(reference)} train rows against its {len(current)} test rows"
    )
    return Sides(_records(reference, predict), _records(current, predict), note)


def _records(rows: pd.DataFrame, predict: Predict) -> pd.DataFrame:
    records = contract.decode(rows[list(contract.COLUMNS)].reset_index(drop=True))
    records[PREDICTION] = predict(records[contract.FEATURE_NAMES])
    return records
