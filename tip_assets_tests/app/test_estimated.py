"""The Model page tells the error to expect of this month's bills, or why it does not."""

from datetime import UTC, datetime

import pytest

from app.sources import metric_store
from tip_assets import contract
from tip_assets.ingestion.simulate import UNCHANGED, Change, generate
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets_tests.support.prediction_pages import MONTH, page, until, words


@pytest.mark.parametrize(
    ("change", "words_shown"),
    [
        (UNCHANGED, "Expected mean absolute error: **"),
        (Change(prices=1.6), "bills are unlike any in the training data"),
    ],
)
def test_the_estimate_of_the_running_month(storage, rows, change, words_shown):
    folder = storage / "assets" / "splits"
    folder.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(folder / "2024-01.parquet")
    records = generate(200, 8, change)[contract.FEATURE_NAMES].to_dict("records")
    logged = {"at": datetime.now(UTC), "month": MONTH, "version": 1, "predicted": 3.0}
    logged["contract"] = contract.VERSION
    PredictionLog(metric_store()).record(
        [{"id": f"{change.prices}-{n}", "inputs": r, **logged} for n, r in enumerate(records)]
    )
    until(lambda: words_shown in words(page("model")))
