"""`splits`: assign each row to train or test."""

import dagster as dg
import numpy as np
import pandas as pd

from tip_assets.modelling.split import (
    LEFT_OUT,
    MONTH,
    MOST_FEEDBACK,
    PART,
    TEST,
    TRAIN,
    fingerprint,
    from_feedback,
    part_of,
)
from tip_assets.partitions import GROUP, OWNERS, months
from tip_assets.settings import Settings


@dg.asset(
    partitions_def=months,
    group_name=GROUP,
    kinds={"pandas", "parquet"},
    owners=OWNERS,
    io_manager_key="parquet_files",
    code_version="2",
)
def splits(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    transformed_tips: pd.DataFrame,
) -> dg.MaterializeResult[pd.DataFrame]:
    """The month's rows, each marked train or test by a hash of its content.

    A row and its exact duplicates always get the same part, so no earlier champion has learned from
    a row that measures a later challenger. Feedback is only used for training, up to a share of the
    training rows; the rest is left out.
    """
    rows = split(transformed_tips, context.partition_key, settings.max_feedback_share)
    train, test = (int((rows[PART] == part).sum()) for part in (TRAIN, TEST))
    summary, feedback = f"{train} train rows, {test} test rows", from_feedback(rows)
    if feedback.any():
        used = int((rows[PART][feedback] != LEFT_OUT).sum())
        summary += (
            f"; {used:,} of {int(feedback.sum()):,} feedback rows used: in the producers' range, "
            f"at most {settings.max_feedback_share:.0%} of training rows"
        )
    return dg.MaterializeResult(
        value=rows,
        metadata={
            "summary": summary,
            "dagster/row_count": len(rows),
            "test_rows": test,
            "test_share": test / max(1, int((~feedback).sum())),
            "feedback_rows": int(feedback.sum()),
            "feedback_rows_left_out": int((rows[PART] == LEFT_OUT).sum()),
            "fingerprint": fingerprint(rows),
        },
    )


def split(rows: pd.DataFrame, month: str, most_feedback: float = MOST_FEEDBACK) -> pd.DataFrame:
    """Add the columns with each row's month and part."""
    only_month = pd.Categorical.from_codes(np.zeros(len(rows), "int8"), [month])
    return rows.assign(**{MONTH: only_month, PART: part_of(rows, most_feedback)})
