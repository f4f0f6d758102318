"""Tips that people tell reach the landing once, through the same door as every other file."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion import feedback
from tip_assets.ingestion.feedback import PREDICTION_ID, TIP, land_tips, submit_feedback
from tip_assets.ingestion.landing import landing_digests, landing_files, read_month
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.tracking.runs import example_records

NOW = datetime(2024, 5, 2, 20, 15, tzinfo=UTC)
RECORDS = [
    {name: value.item() if hasattr(value, "item") else value for name, value in record.items()}
    for record in example_records().to_dict("records")
]


@pytest.fixture
def log(tmp_path):
    return PredictionLog(MetricStore(url=f"sqlite:///{tmp_path}/metrics.db"))


@pytest.fixture
def storage(tmp_path):
    return UPath(tmp_path)


def predict(log, *ids, at=NOW, predicted=3.0, interval=(2.0, 5.0)):
    low, high = interval
    for place, key in enumerate(ids):
        row = {
            "id": key,
            "at": at,
            "month": f"{at:%Y-%m}",
            "version": 1,
            "inputs": RECORDS[place % len(RECORDS)],
            "contract": contract.VERSION,
            "predicted": predicted,
            "low": low,
            "high": high,
            "coverage": None if low is None else 0.9,
        }
        log.record([row])


def tell(log, **tips):
    given = pd.DataFrame({PREDICTION_ID: list(tips), TIP: list(tips.values())})
    return submit_feedback(log, given, NOW)


def test_tips_land_once_and_are_read_like_every_file(log, storage):
    predict(log, "a", "b", "c")
    assert tell(log, a=2.5, b="3").new == 2
    assert land_tips(log, storage, NOW, NOW) == 2
    landed = read_month(storage, "2024-05")
    assert sorted(landed.rows[TIP]) == [2.5, 3.0]
    assert landed.quarantine.empty
    assert landed.ignored_columns == {}
    before = landing_digests(storage)
    tell(log, a=2.5, b=3.0)
    assert land_tips(log, storage, NOW, NOW + timedelta(days=1)) == 0
    assert landing_digests(storage) == before
    tell(log, c=1)
    assert land_tips(log, storage, NOW, NOW + timedelta(days=2)) == 1
    assert len(landing_files(storage, "2024-05")) == 2
    assert len(read_month(storage, "2024-05").rows) == 3


@pytest.mark.parametrize("killed_in", ["write_atomically", "mark_landed"])
def test_a_process_that_is_killed_while_tips_land_loses_and_repeats_none(
    log, storage, monkeypatch, killed_in
):
    predict(log, "a", "b", "late")
    tell(log, a=2.5, b=3)

    def killed(*_):
        raise KeyboardInterrupt

    place = feedback if killed_in == "write_atomically" else PredictionLog
    with monkeypatch.context() as patched:
        patched.setattr(place, killed_in, killed)
        with pytest.raises(KeyboardInterrupt):
            land_tips(log, storage, NOW, NOW)
    tell(log, late=9)
    before = landing_digests(storage)
    assert land_tips(log, storage, NOW, NOW) == 3
    assert sorted(read_month(storage, "2024-05").rows[TIP]) == [2.5, 3.0, 9.0]
    files = {path.name: path.stat().st_mtime_ns for path in landing_files(storage, "2024-05")}
    assert len(files) == 2
    assert land_tips(log, storage, NOW, NOW) == 0
    assert files == {p.name: p.stat().st_mtime_ns for p in landing_files(storage, "2024-05")}
    assert (killed_in == "write_atomically") == (before == {})


def test_tips_are_collected_before_they_land_and_may_be_corrected_till_then(log, storage):
    predict(log, "a")
    tell(log, a=25)
    assert land_tips(log, storage, NOW - timedelta(hours=1), NOW) == 0
    assert tell(log, a=2.5).new == 1
    assert land_tips(log, storage, NOW, NOW) == 1
    refused = tell(log, a=4).refused
    assert refused["reason"].tolist() == [
        "another tip of this prediction has already landed and stays"
    ]
    assert read_month(storage, "2024-05").rows[TIP].tolist() == [2.5]


def test_each_tip_that_is_refused_is_refused_by_row_and_reason(log):
    predict(log, "a", "b", "c", "d")
    rows = [
        ("a", "2.50", None),
        ("nobody", 2, "no prediction in the log has this id"),
        (None, 2, "the id is missing"),
        ("b", -1, "tip must be at least 0 USD"),
        ("c", "two", "tip is not a number"),
        ("d", 2, "the file has different tips for this id"),
        ("d", 3, "the file has different tips for this id"),
        ("a\0", 3, "no prediction in the log has this id"),
    ]
    given = pd.DataFrame(
        [row[:2] for row in rows], columns=[PREDICTION_ID, TIP], index=range(1, len(rows) + 1)
    )
    result = submit_feedback(log, given, NOW)
    assert (result.new, result.known) == (1, 0)
    expected = {place: row[2] for place, row in enumerate(rows, 1) if row[2]}
    assert dict(zip(result.refused["row"], result.refused["reason"], strict=True)) == expected
    assert result.refused["row"].dtype == "int64"
    again = submit_feedback(log, given, NOW)
    assert (again.new, again.known) == (0, 1)
    with pytest.raises(ValueError, match="the column tip is missing"):
        submit_feedback(log, given.drop(columns=TIP), NOW)


def test_errors_and_coverage_are_realised_month_by_month(log):
    predict(log, "a", "b", "c", predicted=3, interval=(2, 5))
    predict(log, "none", at=NOW - timedelta(days=10))
    predict(log, "old", at=NOW - timedelta(days=40), interval=(None, None))
    tell(log, a=2, b=6, old=4)
    march, may = log.realised()
    assert (march.month, march.tips, march.covered, march.coverage) == ("2024-03", 1, None, None)
    assert (may.month, may.predictions, may.tips, may.intervals) == ("2024-05", 3, 2, 2)
    assert may.mean_error == pytest.approx(-1)
    assert may.mean_absolute_error == pytest.approx(2)
    assert may.rmse == pytest.approx(5**0.5)
    assert (may.covered, may.coverage) == (0.5, pytest.approx(0.9))
    assert may.low < 0.5 < may.high


def test_predictions_are_forgotten_when_they_are_old_but_no_tip_is_lost(log, storage):
    predict(log, "a", "b", at=NOW - timedelta(days=100))
    predict(log, "new")
    tell(log, a=2)
    assert log.forget(NOW - timedelta(days=30)) == 1
    assert set(log.find(["a", "b", "new"])) == {"a", "new"}
    land_tips(log, storage, NOW, NOW)
    assert log.forget(NOW - timedelta(days=30)) == 1
    assert [row["id"] for row in log.newest(10)] == ["new"]
    assert len(read_month(storage, f"{NOW - timedelta(days=100):%Y-%m}").rows) == 1
