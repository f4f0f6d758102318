"""Cut a Parquet file by its row groups, so that parts can be read by several processes."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet
from upath import UPath

ROWS_A_PART = 500_000


@dataclass(frozen=True)
class RowGroups:
    """Consecutive row groups of a Parquet file, and the row number of their first record."""

    numbers: tuple[int, ...]
    first_row: int


def row_groups_of(path: UPath, rows: int = ROWS_A_PART) -> list[RowGroups]:
    """Cut a Parquet file into parts of at least so many rows; the last has the rest.

    Returns an empty list for a file that cannot be cut: reading it says why.
    """
    try:
        with path.open("rb") as file:
            facts = pa.parquet.ParquetFile(file).metadata
            sizes = [facts.row_group(number).num_rows for number in range(facts.num_row_groups)]
    except (pa.ArrowException, OSError):
        return []
    parts: list[RowGroups] = []
    group, first, following = 0, 0, 0
    for number, size in enumerate(sizes, start=1):
        following += size
        if following - first >= rows or number == len(sizes):
            parts.append(RowGroups(tuple(range(group, number)), first + 1))
            group, first = number, following
    return parts
