"""Tests and effect sizes that compare a column between reference and current, for the reports.

They do not decide on drift (`charts.py`, `alarm.py`). Each test is chosen by name, never by a
library's default.
"""

import numpy as np

from tip_assets.drift.value_counts import ValueCounts

# Up to this many rows p-values are exact; above, asymptotic ones agree with them.
EXACT_ROWS = 10_000


def ks_p_value(reference: ValueCounts, current: ValueCounts) -> float:
    """Return the two-sided Kolmogorov-Smirnov p-value; exact up to `EXACT_ROWS` rows per dataset.

    With ties the exact p-value is conservative. Above that, it uses scipy's asymptotic formula with
    the statistic computed from the counts.
    """
    from scipy import stats

    if max(reference.total, current.total) <= EXACT_ROWS:
        return float(stats.ks_2samp(reference.rows(), current.rows()).pvalue)
    values = np.union1d(reference.values, current.values)
    gap = np.abs(_share_up_to(reference, values) - _share_up_to(current, values)).max()
    m, n = float(reference.total), float(current.total)
    return float(stats.kstwo.sf(gap, np.round(m * n / (m + n))))


def proportions_z_p_value(reference: ValueCounts, current: ValueCounts) -> float:
    """Return the two-sided p-value of the pooled z-test for two proportions; 1 for a single value.

    Raises ValueError for more than two values.
    """
    from scipy import stats

    table = contingency(reference, current)
    if table.shape[1] > 2:
        raise ValueError("the z-test of proportions compares at most two values")
    sizes = table.sum(axis=1)
    shares = table[:, 0] / sizes
    pooled = table[:, 0].sum() / sizes.sum()
    spread = np.sqrt(pooled * (1 - pooled) * (1 / sizes).sum())
    return float(2 * stats.norm.sf(abs(shares[0] - shares[1]) / spread)) if spread else 1.0


def one_sample_chi_square_p_value(reference: ValueCounts, current: ValueCounts) -> float:
    """Return the chi-square p-value of the current counts given the reference's shares.

    This is the test that Evidently calls `chisquare`. It ignores that the reference is a sample and
    that counts may be small: 10 % false alarms at a nominal 5 % on the sample's `day` (measured).
    It is only reported as a score. Returns 0 if a value is missing in the reference.
    """
    from scipy import stats

    expected_counts, observed = contingency(reference, current)
    if len(observed) < 2:
        return 1.0
    if (expected_counts == 0).any():
        return 0.0
    expected = expected_counts * (current.total / reference.total)
    return float(stats.chisquare(observed, expected).pvalue)


def normed_wasserstein(reference: ValueCounts, current: ValueCounts) -> float:
    """Return the Wasserstein distance in standard deviations of the reference (at least 0.001)."""
    from scipy import stats

    distance = stats.wasserstein_distance(
        reference.values, current.values, reference.counts, current.counts
    )
    return float(distance / max(reference.std(), 0.001))


def jensen_shannon(reference: ValueCounts, current: ValueCounts) -> float:
    """Return the Jensen-Shannon distance (natural logarithm) of category shares: 0 to 0.83."""
    from scipy.spatial import distance

    shares = contingency(reference, current).astype(float)
    return float(distance.jensenshannon(shares[0], shares[1]))


def contingency(reference: ValueCounts, current: ValueCounts) -> np.ndarray:
    """Return the counts of every value in either dataset: one row per dataset."""
    values = np.union1d(reference.values, current.values)
    table = np.zeros((2, len(values)), dtype=np.int64)
    for row, counts in zip(table, (reference, current), strict=True):
        row[np.searchsorted(values, counts.values)] = counts.counts
    return table


def _share_up_to(counts: ValueCounts, values: np.ndarray) -> np.ndarray:
    reach = np.concatenate([[0], np.cumsum(counts.counts)]) / counts.total
    return reach[np.searchsorted(counts.values, values, side="right")]
