"""The rows of a month on which the model that served it was most wrong."""

import pandas as pd
import pyarrow.parquet as pq
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion.landing import SOURCE_FILE, SOURCE_ROW, feedback_rows
from tip_assets.serving.loaded_model import LoadedModel

PREDICTED, ERROR = "predicted", "error"
COLUMNS = [
    *(ERROR, PREDICTED, contract.LABEL.name),
    *contract.FEATURE_NAMES,
    *(SOURCE_FILE, SOURCE_ROW),
]
_PIECE_ROWS = 100_000


def largest_errors(storage: UPath, model: LoadedModel, month: str, most: int) -> pd.DataFrame:
    """Return the producers' rows with the largest absolute errors, in dollars; none if none."""
    worst = pd.DataFrame(columns=COLUMNS)
    path = storage / "assets" / "raw_tips" / f"{month}.parquet"
    if not path.exists():
        return worst
    with path.open("rb") as file:
        for batch in pq.ParquetFile(file).iter_batches(_PIECE_ROWS):
            piece = batch.to_pandas()
            rows = piece[~feedback_rows(piece)].reset_index(drop=True)
            rows[PREDICTED] = model.predict(rows[contract.FEATURE_NAMES])
            rows[ERROR] = rows[PREDICTED] - rows[contract.LABEL.name]
            both = rows[COLUMNS] if worst.empty else pd.concat([worst, rows[COLUMNS]])
            worst = both.sort_values(ERROR, key=abs, ascending=False).head(most)
    return worst
