"""Two versions side by side: what they learned from, their errors and parameters.

Belongs here: the lines of the comparison. Does not belong here: gathering facts (`model_facts.py`).
"""

from collections.abc import Iterable, Mapping

from app.labels import chart_label, column_label
from app.model_facts import Measured, Registered
from app.style import MISSING, count, dollars, month_name

# What a run logs beside the parameters of the booster: shown in lines of its own.
_NO_PARAMETERS = ("months", "rounds")


def lines(
    versions: tuple[Registered, Registered],
    measured: Measured | None,
    parameters: tuple[Mapping[str, str], Mapping[str, str]],
) -> dict[str, tuple[str, str]]:
    """By name, what each of the two versions has."""
    one, other = versions
    found = {
        "Trained for": (month_name(one.month), month_name(other.month)),
        "Months of training data": (str(len(one.months)), str(len(other.months))),
    }
    if measured:
        found |= _errors(measured, one.number, other.number)
        found["Drift of its month"] = _drift(measured, one.month), _drift(measured, other.month)
    mine, theirs = parameters
    names = [name for name in {**mine, **theirs} if name not in _NO_PARAMETERS]
    for name in ("rounds", *sorted(names)):
        found[name.replace("_", " ").capitalize()] = (_value(mine, name), _value(theirs, name))
    return found


def on_the_same_rows(measured: Measured, one: int, other: int) -> str:
    """The comparison of two versions on the same rows, in a sentence; empty if there was none."""
    for row in measured.comparisons:
        if {row["version"], row["champion"]} == {one, other}:
            return (
                f"On the same {count(row['rows'])} held-out rows of {month_name(row['month'])}, "
                f"version {row['version']} has an RMSE of {dollars(row['rmse'])} and version "
                f"{row['champion']} of {dollars(row['champion_rmse'])}; the difference is "
                f"{dollars(row['low'], signed=True)} to {dollars(row['high'], signed=True)}: "
                f"{row['verdict']}."
            )
    return ""


def _errors(measured: Measured, one: int, other: int) -> dict[str, tuple[str, str]]:
    tests = [measured.test.get(number) for number in (one, other)]
    groups = [
        {(row["column"], row["group"]): dollars(row["rmse"]) for row in measured.groups.get(n, [])}
        for n in (one, other)
    ]
    found = {
        "Held-out rows": _pair(count(test["rows"]) if test else MISSING for test in tests),
        "Test RMSE": _pair(dollars(test["rmse"]) if test else MISSING for test in tests),
    }
    for column, group in {**groups[0], **groups[1]}:
        name = f"RMSE, {chart_label(f'{column} {group}')}"
        found[name] = _pair(of.get((column, group), MISSING) for of in groups)
    return found


def _drift(measured: Measured, month: str) -> str:
    """The columns that drifted in the month for which a version was trained."""
    columns = measured.drift.get(month)
    if not columns:
        return MISSING
    return ", ".join(column_label(row["column"]) for row in columns if row["drifted"]) or "none"


def _pair(values: Iterable[str]) -> tuple[str, str]:
    one, other = values
    return one, other


def _value(parameters: Mapping[str, str], name: str) -> str:
    """A parameter with four digits, if it is a number."""
    try:
        return f"{float(parameters[name]):.4g}"
    except (KeyError, ValueError):
        return parameters.get(name, MISSING)
