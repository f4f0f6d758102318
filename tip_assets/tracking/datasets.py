"""A month's training data as MLflow datasets, one for each month of the window."""

import json
from typing import TYPE_CHECKING

import pandas as pd
from upath import UPath

from tip_assets import contract
from tip_assets.modelling.split import MONTH

if TYPE_CHECKING:
    from mlflow import MlflowClient


def log_datasets(
    client: "MlflowClient", run_id: str, window: pd.DataFrame, digests: dict[str, str], root: UPath
) -> None:
    """Log each month of the training window with its digest; logged ones stay as they are.

    `digests` are the recipe's fingerprints by month, so that nothing is hashed again; `root` is the
    storage.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    rows, source_type = window[MONTH].value_counts(), "s3" if root.protocol == "s3" else "local"
    columns = [
        {
            "name": column.name,
            "type": "long" if column.kind == "category" else "double",
            "required": True,
        }
        for column in contract.COLUMNS.values()
    ]
    inputs = [
        DatasetInput(
            Dataset(
                name=f"splits {month}",
                digest=digest,
                source_type=source_type,
                source=json.dumps({"uri": str(root / "assets" / "splits" / f"{month}.parquet")}),
                schema=json.dumps({"mlflow_colspec": columns}),
                profile=json.dumps({"num_rows": int(rows[month])}),
            ),
            [InputTag("mlflow.data.context", "training")],
        )
        for month, digest in digests.items()
    ]
    client.log_inputs(run_id, datasets=inputs)
