"""`transformed_tips`: encode records as numbers."""

import dagster as dg
import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.assets.raw_tips import preview
from tip_assets.ingestion.landing import SOURCE_FILE, feedback_rows
from tip_assets.modelling.split import FROM_FEEDBACK
from tip_assets.partitions import GROUP, OWNERS, months


@dg.asset(
    partitions_def=months,
    group_name=GROUP,
    kinds={"pandas", "parquet"},
    owners=OWNERS,
    io_manager_key="parquet_files",
    code_version=contract.VERSION,
)
def transformed_tips(raw_tips: pd.DataFrame) -> dg.MaterializeResult[pd.DataFrame]:
    """Features and label of every row; categories are the contract's codes.

    Uses the served model's encoding function, so training and serving cannot disagree.
    """
    rows = transform(raw_tips)
    return dg.MaterializeResult(
        value=rows,
        metadata={
            "summary": f"{len(rows)} rows encoded",
            "dagster/row_count": len(rows),
            "mean_bill_usd": float(rows[contract.BILL].mean()),
            "mean_tip_usd": float(rows[contract.LABEL.name].mean()),
            "preview": dg.MetadataValue.md(preview(rows)),
        },
    )


def transform(records: pd.DataFrame) -> pd.DataFrame:
    """Encode valid records; money keeps its precision, codes and counts become small integers.

    Months with feedback get a column that marks its rows.
    """
    from tip_assets.modelling.served_model import encode

    encoded = encode(records, contract.document())
    for column in contract.FEATURES:
        if isinstance(column, contract.NumberColumn) and not column.integer:
            encoded[column.name] = records[column.name].astype("float64")
        else:
            encoded[column.name] = encoded[column.name].astype(_smallest_integer(column))
    encoded[contract.LABEL.name] = records[contract.LABEL.name].astype(float)
    if SOURCE_FILE in records and (feedback := feedback_rows(records)).any():
        encoded[FROM_FEEDBACK] = feedback
    return encoded


def _smallest_integer(column: contract.Column) -> np.dtype:
    """Return the smallest signed integer type that holds every code or count of a column."""
    if isinstance(column, contract.CategoryColumn):
        most = max(column.codes.values())
    else:
        most = int(column.maximum)
    return np.min_scalar_type(-most - 1)
