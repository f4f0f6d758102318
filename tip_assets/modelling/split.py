"""Which part, train or test, a row belongs to: for ever, by its content.

Belongs here: hashing rows and the fingerprint of data. Does not belong here: what is done with the
parts.
"""

import hashlib

import numpy as np
import pandas as pd

from tip_assets import contract

# Left out: feedback that neither trains nor measures a model.
TRAIN, TEST, LEFT_OUT = "train", "test", "left_out"
PARTS = pd.CategoricalDtype([TRAIN, TEST, LEFT_OUT])
PART, MONTH = "part", "month"
# A column of tables that hold feedback; tables without it hold rows of producers only.
FROM_FEEDBACK = "from_feedback"
MOST_FEEDBACK = 0.2  # default share of training rows
TEST_SHARE = 0.2

# Constants of splitmix64 (Steele, Lea & Flood, 2014, "Fast splittable pseudorandom number
# generators"): a published mixer that no library release can change under us.
_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))

_BLOCK_ROWS = 50_000  # what a processor's cache holds: a third of the time of all rows at once


def content_hash(rows: pd.DataFrame) -> np.ndarray:
    """Hash each encoded row's features and tip to a uint64; equal rows have equal hashes.

    Money counts in whole cents, so that a float that went through another file format is still
    the same row.
    """
    hashes = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows.iloc[start : start + _BLOCK_ROWS]
        state = np.zeros(len(block), dtype=np.uint64)
        for name, column in contract.COLUMNS.items():
            values = block[name].to_numpy(dtype=float)
            money = isinstance(column, contract.NumberColumn) and not column.integer
            whole = np.rint(values * 100 if money else values).astype(np.int64).view(np.uint64)
            state = _mix(state + _GOLDEN_GAMMA + whole)
        hashes[start : start + len(block)] = state
    return hashes


def sample_by_content(rows: pd.DataFrame, most_rows: int) -> pd.DataFrame:
    """The rows with the lowest content hashes, in their order: the same each time; 0 means all."""
    if not 0 < most_rows < len(rows):
        return rows
    hashes = content_hash(rows)
    last = np.partition(hashes, most_rows - 1)[most_rows - 1]
    lower, equal = np.flatnonzero(hashes < last), np.flatnonzero(hashes == last)
    return rows.iloc[np.sort(np.concatenate([lower, equal[: most_rows - len(lower)]]))]


def from_feedback(rows: pd.DataFrame) -> np.ndarray:
    """Return which rows come from feedback, also of months joined into one table."""
    if FROM_FEEDBACK not in rows:
        return np.zeros(len(rows), dtype=bool)
    return rows[FROM_FEEDBACK].eq(True).to_numpy(bool)


def of_producers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that do not come from feedback; the table itself when there is none."""
    feedback = from_feedback(rows)
    return rows[~feedback] if feedback.any() else rows


def part_of(rows: pd.DataFrame, most_feedback: float = MOST_FEEDBACK) -> pd.Categorical:
    """Return `train`, `test` or `left_out` for each encoded row of a month.

    A fifth of all possible contents is `test`. Feedback is never `test`: producers' rows alone
    measure models. It is `train` up to the share `most_feedback` of the training rows, lowest
    hashes first, and only within the producers' range of bills, party sizes and tip shares.
    """
    hashes, feedback = content_hash(rows), from_feedback(rows)
    tests = hashes / np.float64(2**64) < TEST_SHARE
    codes = tests.astype("int8")  # places in PARTS
    if not feedback.any():
        return pd.Categorical.from_codes(codes, dtype=PARTS)
    producers = int((~feedback & ~tests).sum())
    most = int(most_feedback * producers / (1 - most_feedback))
    usable = np.flatnonzero(feedback & ~tests & _within_range(rows, ~feedback))
    chosen = usable[np.argsort(hashes[usable], kind="stable")][:most]
    unused = feedback.copy()
    unused[chosen] = False
    codes[unused] = 2
    return pd.Categorical.from_codes(codes, dtype=PARTS)


def _within_range(rows: pd.DataFrame, of: np.ndarray) -> np.ndarray:
    """Which rows lie in the range of the rows `of`: number features and tip / bill."""
    bill, tip = (rows[name].to_numpy(float) for name in (contract.BILL, contract.LABEL.name))
    within = np.full(len(rows), of.any())
    for values in (bill, rows[contract.PARTY].to_numpy(float), tip / bill):
        if of.any():
            within &= (values >= values[of].min()) & (values <= values[of].max())
    return within


def fingerprint(rows: pd.DataFrame) -> str:
    """A digest of encoded rows, their order and their parts (16 hexadecimal digits)."""
    digest = hashlib.sha256(content_hash(rows).tobytes())
    digest.update((rows[PART] == TEST).to_numpy().tobytes())
    feedback = from_feedback(rows)
    if feedback.any():
        digest.update(feedback.tobytes() + (rows[PART] == LEFT_OUT).to_numpy().tobytes())
    return digest.hexdigest()[:16]


def monthly_fingerprints(rows: pd.DataFrame) -> dict[str, str]:
    """The fingerprint of each month in a window of split rows."""
    return {
        str(month): fingerprint(group)
        for month, group in rows.groupby(MONTH, sort=True, observed=True)
        if len(group)
    }


def _mix(values: np.ndarray) -> np.ndarray:
    for shift, multiplier in _MIXERS:
        values = (values ^ (values >> np.uint64(shift))) * multiplier
    return values ^ (values >> np.uint64(31))
