"""Train a booster on the workers of a Dask cluster, each with a share of the rows.

Same parameters, labels, weights and margins as in one process. Bins differ a little: each worker
sketches the quantiles of its own rows, and xgboost merges the sketches. So trees depend on the
number of workers, and the test RMSE may differ by TOLERANCE.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tip_assets.modelling.search import training_arrays

TOLERANCE = (
    0.01  # relative difference of the test RMSE from that of a booster trained in one process
)
_ROWS_A_CHUNK = 500_000


def learn_on(
    client: Any,
    workers: Sequence[str],
    parameters: dict[str, Any],
    rows: pd.DataFrame,
    target: str,
    rounds: int,
) -> Any:
    """Train an xgboost.Booster on these workers of a distributed.Client.

    Every worker uses its own number of threads.
    """
    import xgboost.dask as dask_xgboost

    arrays = {
        name: _spread(client, workers, values.astype("float32", copy=False))
        for name, values in training_arrays(rows, target).items()
    }
    matrix = dask_xgboost.DaskQuantileDMatrix(client, **arrays)
    own = {name: value for name, value in parameters.items() if name != "nthread"}
    return dask_xgboost.train(client, own, matrix, num_boost_round=rounds)["booster"]


def _spread(client: Any, workers: Sequence[str], values: np.ndarray) -> Any:
    """A dask.array of consecutive rows on each worker, sent to it directly."""
    import dask.array

    chunks = []
    for worker, share in zip(workers, np.array_split(values, len(workers)), strict=True):
        for chunk in np.array_split(share, -(-len(share) // _ROWS_A_CHUNK) or 1):
            held = client.scatter(chunk, workers=[worker], hash=False)
            chunks.append(dask.array.from_delayed(held, chunk.shape, chunk.dtype))
    return dask.array.concatenate(chunks)
