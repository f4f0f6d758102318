"""Train a booster on the workers of a Dask cluster, each with a share of the rows.

Same parameters, labels, weights and margins as in one process. Bins differ a little: each worker
sketches the quantiles of its own rows, and xgboost merges the sketches. So trees depend on the
number of workers, and the test RMSE may differ by TOLERANCE.
"""

from collections.abc import Sequence
from typing import Any

import dask.array
import numpy as np
import pandas as pd
import xgboost as xgb
import xgboost.dask as dask_xgboost
from distributed import get_worker
from xgboost.collective import Config

from tip_assets.modelling.search import training_arrays

# Relative difference of the test RMSE from that of a booster trained in one process.
TOLERANCE = 0.01
# How long workers wait for one another. Without it, xgboost's tracker waits for ever for a worker
# that died before it had connected.
WAITS_SECONDS = 120
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
    arrays = {
        name: _spread(client, workers, values.astype("float32", copy=False))
        for name, values in training_arrays(rows, target).items()
    }
    matrix = dask_xgboost.DaskQuantileDMatrix(client, **arrays)
    own = {name: value for name, value in parameters.items() if name != "nthread"}
    trained = dask_xgboost.train(
        client,
        own,
        matrix,
        num_boost_round=rounds,
        callbacks=[_EndWhenCancelled()],
        coll_cfg=Config(timeout=WAITS_SECONDS, tracker_timeout=WAITS_SECONDS),
    )
    return trained["booster"]


class _EndWhenCancelled(xgb.callback.TrainingCallback):
    """Ends the training on a worker when nobody waits for it any more, as after Ctrl-C."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        worker = get_worker()
        task = worker.state.tasks.get(worker.get_current_task())
        return task is None or task.state == "cancelled"


def _spread(client: Any, workers: Sequence[str], values: np.ndarray) -> Any:
    """A dask.array of consecutive rows on each worker, sent to it directly."""
    chunks = []
    for worker, share in zip(workers, np.array_split(values, len(workers)), strict=True):
        for chunk in np.array_split(share, -(-len(share) // _ROWS_A_CHUNK) or 1):
            held = client.scatter(chunk, workers=[worker], hash=False)
            chunks.append(dask.array.from_delayed(held, chunk.shape, chunk.dtype))
    return dask.array.concatenate(chunks)
