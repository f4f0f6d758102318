"""The error to expect of this month's predictions, before their tips are known.

Belongs here: gathering the champion's training records and the month's logged ones. Does not belong
here: the estimate (`tip_assets/drift/estimated_error.py`).
"""

import pandas as pd
import pyarrow.parquet as pq
from upath import UPath

from tip_assets import contract
from tip_assets.drift.estimated_error import EstimatedError, estimate_error
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.modelling.split import PART, TRAIN, of_producers, sample_by_content
from tip_assets.serving.loaded_model import LoadedModel

MOST_ROWS = 20_000  # of each side; more would not move the estimate
_PIECE_ROWS = 100_000


def training_records(storage: UPath, months: list[str]) -> pd.DataFrame:
    """Return the features of the producers' training rows of these months, at most `MOST_ROWS`.

    Months whose rows are gone are left out; read piece by piece, since a month may be large.
    """
    kept = pd.DataFrame(columns=list(contract.COLUMNS))
    for month in months:
        path = storage / "assets" / "splits" / f"{month}.parquet"
        if not path.exists():
            continue
        with path.open("rb") as file:
            for batch in pq.ParquetFile(file).iter_batches(_PIECE_ROWS):
                piece = batch.to_pandas()
                rows = of_producers(piece[piece[PART] == TRAIN])[list(contract.COLUMNS)]
                kept = rows if kept.empty else pd.concat([kept, rows], ignore_index=True)
                kept = sample_by_content(kept, MOST_ROWS)
    return contract.decode(kept[contract.FEATURE_NAMES].reset_index(drop=True))


def estimated_error(
    model: LoadedModel,
    log: PredictionLog,
    month: str,
    reference: pd.DataFrame,
    quiet_months_per_alarm: float,
) -> EstimatedError | str:
    """Estimate the error of the champion's logged predictions of a month; a text says why not."""
    if model.held_out is None:
        return "the champion has no held-out errors"
    inputs = log.inputs_of(month, model.version.number, model.version.contract, MOST_ROWS)
    current = pd.DataFrame(inputs, columns=contract.FEATURE_NAMES)
    unseen = list(model.never_seen(current)) if inputs else []
    return estimate_error(model.held_out, reference, current, unseen, quiet_months_per_alarm)
