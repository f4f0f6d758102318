"""A column as its distinct values and their counts: exact, small, mergeable."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class ValueCounts:
    """Sorted distinct values of a column and their counts, without nulls.

    Ten million bills have a few thousand distinct values in cents, so exact statistics from counts
    take milliseconds instead of seconds.
    """

    values: np.ndarray
    counts: np.ndarray
    missing: int = 0

    @staticmethod
    def of(column: pd.Series) -> "ValueCounts":
        """Count a column of numbers or category names; pandas' categories count as their names."""
        if isinstance(column.dtype, pd.CategoricalDtype):
            return ValueCounts._of_categories(column.array)
        present = column.dropna()
        values, counts = np.unique(present.to_numpy(), return_counts=True)
        return ValueCounts(values, counts, len(column) - len(present))

    @staticmethod
    def _of_categories(column: pd.Categorical) -> "ValueCounts":
        codes, names = np.asarray(column.codes), column.categories.to_numpy(dtype=object)
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        occurring = np.flatnonzero(counts)
        order = occurring[np.argsort(names[occurring])]
        return ValueCounts(names[order], counts[order], int((codes < 0).sum()))

    def merge(self, other: "ValueCounts") -> "ValueCounts":
        """Return the counts of both columns together."""
        values, places = np.unique(np.concatenate([self.values, other.values]), return_inverse=True)
        counts = np.zeros(len(values), dtype=self.counts.dtype)
        np.add.at(counts, places, np.concatenate([self.counts, other.counts]))
        return ValueCounts(values, counts, self.missing + other.missing)

    def mix(self, other: "ValueCounts", share: float) -> "ValueCounts":
        """Return the counts after replacing this share of the values by those of another column."""
        return ValueCounts(self.values, self.counts * (1 - share)).merge(
            ValueCounts(other.values, other.counts * share)
        )

    def share(self, value: Any) -> float:
        """Return the share of a value."""
        return self.count(value) / self.total

    def count(self, value: Any) -> int:
        """Return the count of a value."""
        return int(self.counts[self.values == value].sum())

    @property
    def total(self) -> int:
        """Number of values, without nulls."""
        return round(self.counts.sum())

    def rows(self) -> np.ndarray:
        """Return the sorted values, one per row."""
        return np.repeat(self.values, self.counts)

    def mean(self) -> float:
        return float(np.average(self.values, weights=self.counts))

    def std(self, ddof: int = 0) -> float:
        """Return the standard deviation; 0 for fewer than two values."""
        freedom = self.total - ddof
        if freedom <= 0:
            return 0.0
        squares = self.counts * (self.values.astype(float) - self.mean()) ** 2
        return float(np.sqrt(squares.sum() / freedom))

    def quantile(self, share: float) -> float:
        """Return a quantile with linear interpolation, numpy's default."""
        position = share * (self.total - 1)
        reach = np.cumsum(self.counts) - 1
        low, high = np.floor(position), np.ceil(position)
        below, above = (float(self.values[np.searchsorted(reach, p)]) for p in (low, high))
        return below + (above - below) * (position - low)

    def most_common(self) -> tuple[Any, float]:
        """Return the most frequent value (the smallest of equals) and its share."""
        place = int(np.argmax(self.counts))
        return self.values[place], float(self.counts[place] / self.total)


def describe(counts: ValueCounts, other: ValueCounts) -> dict[str, float | str]:
    """Return quality statistics of a column; `other` is the column it is compared with.

    Percentages are 0 to 100. Categories get `new_values` (only here) and `unused_values` (only in
    `other`).
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
