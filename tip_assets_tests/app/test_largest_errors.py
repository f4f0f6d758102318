"""From a red month to its rows: those that the model which served predicted worst."""

import numpy as np

from app.largest_errors import ERROR, PREDICTED, largest_errors
from tip_assets.ingestion.landing import SOURCE_FILE, SOURCE_ROW
from tip_assets.settings import Settings


class FifteenPercent:
    """Predicts a share of the bill."""

    @staticmethod
    def predict(records):
        return 0.15 * records["total_bill"].to_numpy()


def test_the_largest_errors_of_producers_rows_come_first(sample, tmp_path):
    storage = Settings(storage=str(tmp_path)).storage_root
    assert largest_errors(storage, FifteenPercent, "2024-02", 5).empty
    rows = sample.assign(**{SOURCE_FILE: "tips.csv", SOURCE_ROW: range(len(sample))})
    rows.loc[len(rows)] = {**rows.loc[0], "tip": 90.0, SOURCE_FILE: "feedback-1.csv"}
    folder = tmp_path / "assets" / "raw_tips"
    folder.mkdir(parents=True)
    rows.to_parquet(folder / "2024-02.parquet")
    worst = largest_errors(storage, FifteenPercent, "2024-02", 5)
    errors = np.abs(0.15 * sample["total_bill"] - sample["tip"])
    assert list(worst[SOURCE_ROW]) == list(errors.nlargest(5).index)
    assert (worst[ERROR] == worst[PREDICTED] - worst["tip"]).all()
    assert set(worst[SOURCE_FILE]) == {"tips.csv"}
