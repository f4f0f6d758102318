"""`splits`: which rows a model may learn from, and which only measure it."""

import dagster as dg
import pandas as pd

from tip_assets.modelling.split import MONTH, PART, TEST, fingerprint, part_of
from tip_assets.partitions import OWNERS, months


@dg.asset(
    partitions_def=months,
    group_name="ingestion",
    kinds={"pandas", "parquet"},
    owners=OWNERS,
    io_manager_key="parquet_files",
    code_version="1",
)
def splits(
    context: dg.AssetExecutionContext, transformed_tips: pd.DataFrame
) -> dg.MaterializeResult[pd.DataFrame]:
    """The month's rows, each marked train or test by a hash of its content.

    A row and its exact duplicates are on the same side for ever, so no champion of an earlier month
    has learned from a row that a later challenger is measured on.
    """
    rows = split(transformed_tips, context.partition_key)
    test = int((rows[PART] == TEST).sum())
    return dg.MaterializeResult(
        value=rows,
        metadata={
            "summary": f"{len(rows) - test} train rows, {test} test rows",
            "dagster/row_count": len(rows),
            "test_rows": test,
            "test_share": test / len(rows),
            "fingerprint": fingerprint(rows),
        },
    )


def split(rows: pd.DataFrame, month: str) -> pd.DataFrame:
    """Add the month and the part of each row."""
    return rows.assign(**{MONTH: month, PART: part_of(rows)})
