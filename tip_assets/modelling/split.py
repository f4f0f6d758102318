"""Which part, train or test, a row belongs to: for ever, by its content.

Belongs here: hashing rows and the fingerprint of data. Does not belong here: what is done with the
parts.
"""

import hashlib

import numpy as np
import pandas as pd

from tip_assets import contract

TRAIN, TEST = "train", "test"
PART, MONTH = "part", "month"
TEST_SHARE = 0.2

# Constants of splitmix64 (Steele, Lea & Flood, 2014, "Fast splittable pseudorandom number
# generators"): a published mixer that no library release can change under us.
_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))


def content_hash(rows: pd.DataFrame) -> np.ndarray:
    """Hash each encoded row's features and tip to a uint64; equal rows have equal hashes.

    Money counts in whole cents, so that a float that went through another file format is still
    the same row.
    """
    state = np.zeros(len(rows), dtype=np.uint64)
    for name, column in contract.COLUMNS.items():
        values = rows[name].to_numpy(dtype=float)
        money = isinstance(column, contract.NumberColumn) and not column.integer
        whole = np.rint(values * 100 if money else values).astype(np.int64).view(np.uint64)
        state = _mix(state + _GOLDEN_GAMMA + whole)
    return state


def part_of(rows: pd.DataFrame) -> np.ndarray:
    """`train` or `test` for each encoded row; a fifth of all possible contents is `test`."""
    share = content_hash(rows) / np.float64(2**64)
    return np.where(share < TEST_SHARE, TEST, TRAIN)


def fingerprint(rows: pd.DataFrame) -> str:
    """A digest of encoded rows, their order and their parts (16 hexadecimal digits)."""
    digest = hashlib.sha256(content_hash(rows).tobytes())
    digest.update((rows[PART] == TEST).to_numpy().tobytes())
    return digest.hexdigest()[:16]


def monthly_fingerprints(rows: pd.DataFrame) -> dict[str, str]:
    """The fingerprint of each month in a window of split rows."""
    return {
        str(month): fingerprint(group)
        for month, group in rows.groupby(MONTH, sort=True)
        if len(group)
    }


def _mix(values: np.ndarray) -> np.ndarray:
    for shift, multiplier in _MIXERS:
        values = (values ^ (values >> np.uint64(shift))) * multiplier
    return values ^ (values >> np.uint64(31))
