"""The data contract: columns, types, categories, ranges, codes and spellings of a valid record.

A registered model stores `document()` in its artifact and encodes records by it
(`modelling/served_model.py`), so it never depends on a later contract.
"""

import math
import re
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

# Major: records that were valid are refused, or codes change. Minor: more records are valid.
VERSION = "1.0"
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?", re.ASCII)
VERSION_TAG = "tips.contract"  # the tag of tables and registered models


@dataclass(frozen=True)
class NumberColumn:
    """A numeric column with inclusive bounds. `plural` names its records: `bills above 50`."""

    name: str
    label: str
    unit: str
    minimum: float
    maximum: float
    integer: bool = False
    plural: str = ""
    kind: str = "number"

    def reasons(self) -> list[pa.Check]:
        """The checks of this column; each error is the reason for refusing a value."""
        checks = [
            pa.Check.ge(self.minimum, error=f"must be at least {self.minimum:g} {self.unit}"),
            pa.Check.le(self.maximum, error=f"must be at most {self.maximum:g} {self.unit}"),
        ]
        if self.integer:
            whole = pa.Check(lambda values: values % 1 == 0, error="must be a whole number")
            checks.append(whole)
        return checks


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, with the code of each and other accepted spellings (any letter case).

    `sensitive`: an attribute of people, whose effect on predictions is measured. `plurals` name the
    records of a category: `Mondays`.
    """

    name: str
    label: str
    codes: dict[str, int]
    other_spellings: dict[str, str] = field(default_factory=dict)
    sensitive: bool = False
    plurals: dict[str, str] = field(default_factory=dict)
    kind: str = "category"

    @property
    def categories(self) -> list[str]:
        return list(self.codes)

    @property
    def spellings(self) -> dict[str, str]:
        """Map every accepted spelling, in lower case, to its category."""
        own = {category.casefold(): category for category in self.codes}
        return own | self.other_spellings

    def reasons(self) -> list[pa.Check]:
        """The check of this column; its error is the reason for refusing a value."""
        categories = ", ".join(self.codes)
        return [pa.Check.isin(self.categories, error=f"is not one of {categories}")]


Column = NumberColumn | CategoryColumn

LUNCH = "Lunch"

# The order is the feature order of the model. Codes are those of the original system, so that its
# transformed files keep their meaning. Upper bounds catch unit errors such as cents for dollars:
# the highest bill of the sample is 50.81 USD.
FEATURES: tuple[Column, ...] = (
    NumberColumn("total_bill", "Total bill", "USD", 0.01, 300, plural="bills"),
    CategoryColumn("sex", "Sex of the payer", {"Female": 0, "Male": 1}, sensitive=True),
    CategoryColumn("smoker", "Smoking table", {"No": 0, "Yes": 1}, sensitive=True),
    CategoryColumn(
        "day",
        "Day of the week",
        {"Thur": 0, "Fri": 1, "Sat": 2, "Sun": 3, "Mon": 4, "Tue": 5, "Wed": 6},
        {
            "thursday": "Thur",
            "thu": "Thur",
            "friday": "Fri",
            "saturday": "Sat",
            "sunday": "Sun",
            "monday": "Mon",
            "tuesday": "Tue",
            "wednesday": "Wed",
        },
        plurals={
            "Thur": "Thursdays",
            "Fri": "Fridays",
            "Sat": "Saturdays",
            "Sun": "Sundays",
            "Mon": "Mondays",
            "Tue": "Tuesdays",
            "Wed": "Wednesdays",
        },
    ),
    CategoryColumn(
        "time",
        "Meal",
        {LUNCH: 0, "Dinner": 1},
        plurals={LUNCH: "lunches", "Dinner": "dinners"},
    ),
    NumberColumn("size", "People at the table", "people", 1, 20, integer=True, plural="parties"),
)
LABEL = NumberColumn("tip", "Tip", "USD", 0, 100)
FEATURE_NAMES = [column.name for column in FEATURES]
BILL, SEX, SMOKER, DAY, MEAL, PARTY, *_ = FEATURE_NAMES  # those that code refers to
COLUMNS = {column.name: column for column in (*FEATURES, LABEL)}
NUMBERS = [column for column in COLUMNS.values() if isinstance(column, NumberColumn)]
CATEGORIES = [column for column in COLUMNS.values() if isinstance(column, CategoryColumn)]
# A category's position is its code.
CATEGORY_TYPES = {column.name: pd.CategoricalDtype(column.categories) for column in CATEGORIES}
SENSITIVE = [column for column in CATEGORIES if column.sensitive]


@dataclass(frozen=True)
class CheckedRecords:
    """Records after the contract's check.

    `accepted` keeps the index of the input and has the contract's columns, typed. `refused` has a
    row for every broken value: `position` (index of the record), `column`, `value`, `reason`.
    """

    accepted: pd.DataFrame
    refused: pd.DataFrame


@lru_cache(maxsize=2)
def schema(with_label: bool = True) -> pa.DataFrameSchema:
    """Return the Pandera schema of clean records, with or without the tip."""
    columns = [*FEATURES, LABEL] if with_label else FEATURES
    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                float if isinstance(column, NumberColumn) else object,
                checks=column.reasons(),
                nullable=False,
                title=column.label,
            )
            for column in columns
        },
        name=f"waiter tips {VERSION}",
    )


def check(records: pd.DataFrame, with_label: bool = True, decimal: str = ".") -> CheckedRecords:
    """Split records into those that satisfy the contract and those that do not.

    `records` may hold text or typed values, in any column order, with extra columns (dropped); its
    index must be unique. If a column is missing, every record is refused. `decimal` is the decimal
    mark of numbers that are text.
    """
    columns = [*FEATURES, LABEL] if with_label else list(FEATURES)
    missing = [column.name for column in columns if column.name not in records]
    if missing:
        positions = records.index.repeat(len(missing))
        names = missing * len(records)
        refused = _refusals(positions, names, [None] * len(names), "the column is missing")
        return CheckedRecords(pd.DataFrame(columns=[c.name for c in columns]), refused)

    given = records[[column.name for column in columns]]
    clean, refusals = given.copy(), []
    for column in columns:
        if isinstance(column, CategoryColumn):
            clean[column.name] = _canonical(given[column.name], column)
        else:
            clean[column.name], not_numbers = _numbers(given[column.name], decimal)
            refusals.append(_refusals(not_numbers, column.name, None, "is not a number"))

    broken = _broken_values(clean, with_label)
    # Text that is no number became null above: keep only the first reason.
    refused = pd.concat([*refusals, broken]).drop_duplicates(["position", "column"])
    refused = refused.sort_values("position", kind="stable", ignore_index=True)
    refused["value"] = [
        _as_text(given.at[position, column])
        for position, column in zip(refused["position"], refused["column"], strict=True)
    ]
    accepted = clean.drop(index=refused["position"].unique())
    whole = {c.name: "int64" for c in columns if isinstance(c, NumberColumn) and c.integer}
    return CheckedRecords(accepted.astype(whole), refused)


def decode(encoded: pd.DataFrame) -> pd.DataFrame:
    """Turn codes into pandas' categories; columns that are not categories stay as they are."""
    decoded = encoded.copy(deep=False)
    for column in CATEGORIES:
        if column.name in decoded:
            codes = decoded[column.name].to_numpy("int8")
            decoded[column.name] = pd.Categorical.from_codes(
                codes, dtype=CATEGORY_TYPES[column.name]
            )
    return decoded


def codes(records: pd.DataFrame) -> pd.DataFrame:
    """Turn the categories of valid records into their codes; other columns stay as they are."""
    return records.assign(**{name: _category_codes(records[name]) for name in CATEGORY_TYPES})


def _category_codes(values: pd.Series) -> np.ndarray:
    kind = CATEGORY_TYPES[str(values.name)]
    if values.dtype == kind:
        return values.cat.codes.to_numpy()
    return kind.categories.get_indexer(values).astype("int8")


def document() -> dict[str, Any]:
    """Return the contract of the features as plain data, to store with a registered model."""
    features = []
    for column in FEATURES:
        facts = asdict(column)
        if isinstance(column, CategoryColumn):
            facts["spellings"] = column.spellings
        features.append(facts)
    return {"version": VERSION, "bill": BILL, "features": features}


def same_major(one: str, other: str) -> bool:
    """Return whether two contract versions have the same major, so that records of one fit both."""
    return one.partition(".")[0] == other.partition(".")[0]


def _canonical(values: pd.Series, column: CategoryColumn) -> pd.Series:
    """Replace accepted spellings by their category; other values stay and are refused later."""
    text = _decoded(values).astype("string")
    known = text.str.strip().str.casefold().map(column.spellings)
    return known.astype(object).where(known.notna(), text.astype(object).where(text.notna(), None))


def _numbers(values: pd.Series, decimal: str) -> tuple[pd.Series, pd.Index]:
    """Return values as floats, and the index of those that are not numbers."""
    if not (values.dtype == object or pd.api.types.is_numeric_dtype(values)) or _is_bool(values):
        # Dates and bools would become nanoseconds, ones and zeros.
        values = values.astype("string").astype(object)
    plain = _decoded(values)
    if decimal == ",":
        plain = plain.map(lambda v: _with_point(v) if isinstance(v, str) else v)
    numbers = pd.to_numeric(plain, errors="coerce").astype(float)
    nearest = [_nearest_float(*pair) for pair in zip(plain, numbers, strict=True)]
    numbers = pd.Series(nearest, index=values.index, dtype=float)
    others = values[numbers.isna() & values.notna()]
    return numbers, others.index[others.astype(str).str.strip() != ""]


def _nearest_float(value: Any, number: float) -> float:
    """Return the float nearest to a text; pandas, which read `number`, may miss its last bit."""
    if not isinstance(value, str) or math.isnan(number):
        return number
    try:
        return float(value)
    except ValueError:  # pandas passes over a NUL behind a number
        return math.nan


def _with_point(text: str) -> str | None:
    """Return a number with a decimal comma as one with a point; None for other text."""
    return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text.strip()) else None


def _broken_values(clean: pd.DataFrame, with_label: bool) -> pd.DataFrame:
    try:
        schema(with_label).validate(clean, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        outside = cases[cases["index"].isna()]
        if len(outside):  # an error in the schema, not in a record
            raise
        reasons = cases["check"].replace("not_nullable", "is missing")
        # Records are few and columns fewer: keep only the first reason for a value.
        return _refusals(cases["index"], cases["column"], None, reasons)
    return no_refusals()


def no_refusals() -> pd.DataFrame:
    """Return an empty table of refused values."""
    return _refusals([], [], [], [])


def _refusals(positions: Any, columns: Any, values: Any, reasons: Any) -> pd.DataFrame:
    """Return a table of refused values; scalars are repeated for every position."""
    table = pd.DataFrame({"position": list(positions)})
    for name, column in (("column", columns), ("value", values), ("reason", reasons)):
        table[name] = list(column) if isinstance(column, list | pd.Series) else column
    return table.astype({"column": object, "value": object, "reason": object})


def _decoded(values: pd.Series) -> pd.Series:
    """Decode bytes, which Parquet files of other systems hold, as text."""
    if values.dtype != object:
        return values
    return values.map(lambda v: v.decode("utf-8", "replace") if isinstance(v, bytes) else v)


def _is_bool(values: pd.Series) -> bool:
    return bool(pd.api.types.is_bool_dtype(values))


def _as_text(value: Any) -> str | None:
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)
