"""The form of a bill, as the contract describes it: labels, choices, ranges.

Belongs here: what a person sees of the contract. Does not belong here: Streamlit's widgets
(`views/`) or what is valid (`tip_assets/contract.py`).
"""

import calendar
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tip_assets.contract import COLUMNS, FEATURES, CategoryColumn, NumberColumn, check

_FEW = 2  # categories that are shown side by side
_PEOPLE = 2  # at the commonest table
# Three digits after a comma may be thousands: they are left to the contract, which refuses them.
_MONEY = re.compile(r"\$?\s*(\d+)(?:[.,](\d{0,2}))?", re.ASCII)


def choices(column: CategoryColumn) -> list[str]:
    """The categories of a column in the order of a form: days of the week from Monday."""
    weekdays = list(calendar.day_name)
    names = {category: in_full(column, category) for category in column.categories}
    if set(names.values()) <= set(weekdays):
        return sorted(names, key=lambda category: weekdays.index(names[category]))
    return column.categories


def in_full(column: CategoryColumn, category: str) -> str:
    """The longest way to write a category, with a capital letter: `Thursday`."""
    spellings = [text for text, meant in column.spellings.items() if meant == category]
    longest = max(spellings, key=len)
    return longest.capitalize() if len(longest) > len(category) else category


def first_values(seen: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """What the form starts with: values that occur in the training rows, and no bill."""
    values: dict[str, Any] = {}
    for column in FEATURES:
        known = seen.get(column.name)
        if isinstance(column, CategoryColumn):
            values[column.name] = next(c for c in choices(column) if not known or c in known)
        elif column.integer:
            low, high = known or (column.minimum, column.maximum)
            values[column.name] = int(min(max(low, _PEOPLE), high))
    return values


def amount(text: str | None) -> float | str | None:
    """A typed amount of money, with a decimal point or comma; any other text as it stands."""
    found = _MONEY.fullmatch((text or "").strip())
    return float(f"{found[1]}.{found[2] or 0}") if found else (text or None)


def has_few_choices(column: CategoryColumn) -> bool:
    """Whether the choices are shown side by side."""
    return len(column.categories) <= _FEW


def label(column: NumberColumn | CategoryColumn) -> str:
    """What a field asks for, with its unit: `Total bill (USD)`."""
    if isinstance(column, NumberColumn) and column.unit.casefold() not in column.label.casefold():
        return f"{column.label} ({column.unit})"
    return column.label


def accepted_values(column: NumberColumn | CategoryColumn) -> str:
    """What a column of a file may hold, in words."""
    if isinstance(column, NumberColumn):
        kind = "whole number" if column.integer else "number"
        return f"{kind} from {column.minimum:g} to {column.maximum:g} {column.unit}"
    return ", ".join(choices(column))


def describe_value(name: str, value: Any) -> str:
    """A value of a record as a person writes it: `$24.50`, `Thursday`, `4`."""
    column = COLUMNS[name]
    if isinstance(column, CategoryColumn):
        return in_full(column, value)
    return f"${value:,.2f}" if is_money(column) else f"{value:g}"


def describe_record(record: Mapping[str, Any]) -> str:
    """A record in a line, in the contract's order: `$24.50, ..., Thursday, meal: Dinner, ...`."""
    return ", ".join(
        words if speaks_for_itself(column) else f"{column.label.lower()}: {words}"
        for column in FEATURES
        for words in [describe_value(column.name, record[column.name])]
    )


def speaks_for_itself(column: NumberColumn | CategoryColumn) -> bool:
    """Whether a value tells without its label what it is: money, and weekdays."""
    if isinstance(column, CategoryColumn):
        return not has_few_choices(column)
    return is_money(column)


def is_money(column: NumberColumn) -> bool:
    return column.unit == "USD"


def refusals(record: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Why a record breaks the contract: column, reason and value of each broken value."""
    refused = check(pd.DataFrame([dict(record)]), with_label=False).refused
    return [
        (row["column"], row["reason"], "" if row["value"] is None else str(row["value"]))
        for _, row in refused.iterrows()
    ]


def describe_refusals(reasons: Sequence[tuple[str, str, str]]) -> str:
    """Why a record is refused, in sentences."""
    words = [
        f"{COLUMNS[column].label} {reason}" + (f", not {value}." if value else ".")
        for column, reason, value in reasons
    ]
    return " ".join(words)
