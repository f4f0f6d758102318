"""A column as its distinct values and their counts: exact, small, mergeable.

Belongs here: the sketch and the descriptive numbers read off it. Does not belong here: comparing
two columns (`statistics.py`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class ValueCounts:
    """Sorted distinct values of a column and how often each occurs, nulls apart.

    Ten million bills have a few thousand distinct cents, so statistics from counts cost
    milliseconds where the rows cost seconds, and equal them.
    """

    values: np.ndarray
    counts: np.ndarray
    missing: int = 0

    @staticmethod
    def of(column: pd.Series) -> "ValueCounts":
        """Count a column of numbers or category names; pandas' categories count as their names."""
        if isinstance(column.dtype, pd.CategoricalDtype):
            return ValueCounts._of_categories(column.cat)
        present = column.dropna()
        values, counts = np.unique(present.to_numpy(), return_counts=True)
        return ValueCounts(values, counts, len(column) - len(present))

    @staticmethod
    def _of_categories(column: Any) -> "ValueCounts":
        codes, names = column.codes.to_numpy(), column.categories.to_numpy(dtype=object)
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        occurring = np.flatnonzero(counts)
        order = occurring[np.argsort(names[occurring])]
        return ValueCounts(names[order], counts[order], int((codes < 0).sum()))

    def merge(self, other: "ValueCounts") -> "ValueCounts":
        """The counts of both columns taken together."""
        values, places = np.unique(np.concatenate([self.values, other.values]), return_inverse=True)
        counts = np.zeros(len(values), dtype=self.counts.dtype)
        np.add.at(counts, places, np.concatenate([self.counts, other.counts]))
        return ValueCounts(values, counts, self.missing + other.missing)

    def mix(self, other: "ValueCounts", share: float) -> "ValueCounts":
        """The counts when this share of the values is replaced by those of another column."""
        return ValueCounts(self.values, self.counts * (1 - share)).merge(
            ValueCounts(other.values, other.counts * share)
        )

    def share(self, value: Any) -> float:
        """The share of a value among all."""
        return self.count(value) / self.total

    def count(self, value: Any) -> int:
        """How often a value occurs."""
        return int(self.counts[self.values == value].sum())

    @property
    def total(self) -> int:
        """Number of values, nulls left out."""
        return round(self.counts.sum())

    def rows(self) -> np.ndarray:
        """The values again, one per row, sorted."""
        return np.repeat(self.values, self.counts)

    def mean(self) -> float:
        return float(np.average(self.values, weights=self.counts))

    def std(self, ddof: int = 0) -> float:
        """Standard deviation; 0 for fewer than two values."""
        freedom = self.total - ddof
        if freedom <= 0:
            return 0.0
        squares = self.counts * (self.values.astype(float) - self.mean()) ** 2
        return float(np.sqrt(squares.sum() / freedom))

    def quantile(self, share: float) -> float:
        """Quantile with linear interpolation, as numpy's default."""
        position = share * (self.total - 1)
        reach = np.cumsum(self.counts) - 1
        low, high = np.floor(position), np.ceil(position)
        below, above = (float(self.values[np.searchsorted(reach, p)]) for p in (low, high))
        return below + (above - below) * (position - low)

    def most_common(self) -> tuple[Any, float]:
        """The most frequent value (the smallest of equals) and its share of the values."""
        place = int(np.argmax(self.counts))
        return self.values[place], float(self.counts[place] / self.total)


def describe(counts: ValueCounts, other: ValueCounts) -> dict[str, float | str]:
    """Quality statistics of a column; for categories, `other` is the column it is held against.

    Percentages are 0 to 100. Categories get `new_values` (here, not in `other`) and `unused_values`
    (the other way round).
    """
    size = counts.total + counts.missing
    facts: dict[str, float | str] = {
        "count": counts.total,
        "missing_count": counts.missing,
        "missing_percentage": 100 * counts.missing / size if size else 0.0,
        "unique_count": len(counts.values),
        "unique_percentage": 100 * len(counts.values) / size if size else 0.0,
    }
    if not counts.total:
        return facts
    value, share = counts.most_common()
    facts["most_common_percentage"] = 100 * share
    if counts.values.dtype == object:
        facts["most_common_value"] = str(value)
        facts["new_values"] = len(np.setdiff1d(counts.values, other.values))
        facts["unused_values"] = len(np.setdiff1d(other.values, counts.values))
        return facts
    infinite = int(counts.counts[~np.isfinite(counts.values.astype(float))].sum())
    return facts | {
        "most_common_value": float(value),
        "infinite_count": infinite,
        "infinite_percentage": 100 * infinite / size,
        "minimum": float(counts.values[0]),
        "percentile_25": counts.quantile(0.25),
        "percentile_50": counts.quantile(0.5),
        "percentile_75": counts.quantile(0.75),
        "maximum": float(counts.values[-1]),
        "mean": counts.mean(),
        "std": counts.std(ddof=1),
    }
