"""What people call columns, charts and checks, in place of their codes.

Belongs here: names. Does not belong here: what a check found (`tip_assets/checks/`).
"""

import re

from app import form
from tip_assets import contract

# By check, what is wrong when it fails.
FAULTS = {
    "rows_satisfy_the_contract": "Stored rows break the contract",
    "enough_rows": "Too few rows",
    "few_rows_are_quarantined": "Too many rows are in quarantine",
    "no_row_is_on_both_sides": "Test rows were used for training",
    "training_window_is_whole": "Earlier months are not done",
    "least_squares_is_not_better": "Least squares is better",
    "predictions_are_plausible": "Predictions are not plausible",
    "fresh_process_predicts_the_same": "The registered model predicts something else",
    "model_is_sound": "A simple rule is as good",
    "no_group_is_worse": "A group is predicted worse",
    "dataset_has_not_drifted": "The data has drifted",
    "champion_is_not_too_old": "The champion is too old",
}
_CATEGORIES = {
    (column.name, category): (column.label, form.in_full(column, category))
    for column in contract.CATEGORIES
    for category in column.categories
}
_DRIFTED = re.compile(r"\b(\w+) \(((?:\w+ )+)(?=[+-]\d)")
_CATEGORY = re.compile(r"\b(\w+) (\w+)\b")


def check_title(check: str, passed: bool) -> str:
    """A check as a sentence: what it states when it holds, what is wrong when it fails."""
    states = check.replace("_", " ").capitalize()
    return (states if passed else FAULTS.get(check, states)) + "."


def column_label(column: str) -> str:
    """A column as the contract calls it."""
    known = contract.COLUMNS.get(column)
    return known.label if known else column.capitalize()


def chart_label(chart: str) -> str:
    """The name of a control chart with the labels of its columns."""
    column, _, category = chart.partition(" ")
    if (column, category) in _CATEGORIES:
        label, named = _CATEGORIES[column, category]
        return named if form.speaks_for_itself(contract.COLUMNS[column]) else f"{label}: {named}"
    words = [
        column_label(word).lower() if word in contract.COLUMNS else word for word in chart.split()
    ]
    label = " ".join(words)
    return label[0].upper() + label[1:]


def describe_change(change: str) -> str:
    """The smallest change that a chart shows, which begins with the code of a column."""
    column, _, rest = change.partition(" ")
    return f"{column_label(column)} {rest}" if column in contract.COLUMNS else change


def labelled(words: str) -> str:
    """Words of a check or a decision with labels in place of columns and their categories."""
    words = _DRIFTED.sub(_drifted, words)
    return _CATEGORY.sub(
        lambda found: " ".join(_CATEGORIES.get((found[1], found[2]), [found[0]])), words
    )


def _drifted(found: re.Match[str]) -> str:
    """`time (time Lunch +9.2` as `Meal (Lunch +9.2`, and `tip (tip +7.7` as `Tip (+7.7`."""
    column, chart = found[1], found[2].strip()
    if column not in contract.COLUMNS:
        return found[0]
    label = column_label(column)
    shown = chart_label(chart).removeprefix(label).removeprefix(":").strip()
    return f"{label} ({shown}{' ' * bool(shown)}"
