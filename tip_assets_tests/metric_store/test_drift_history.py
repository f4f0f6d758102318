"""Charts remember the months that the same version served, and forget those of another."""

import pytest

from tip_assets.assets.drift_metrics import charted
from tip_assets.metric_store import tables
from tip_assets.metric_store.drift_history import alarming_since, measured_before
from tip_assets.metric_store.store import MetricStore


@pytest.fixture
def store(tmp_path):
    store = MetricStore(url=f"sqlite:///{tmp_path}/metrics.db")
    months = [
        ("2024-01", None, False),
        ("2024-02", 1, True),
        ("2024-03", 1, False),
        ("2024-05", 1, True),
        ("2024-06", 1, True),
        ("2024-07", 6, False),
    ]
    for number, (month, served_by, drifted) in enumerate(months):
        dataset = {"columns": 7, "drifted_columns": 1, "share": 1 / 7, "drifted": drifted}
        rows = {"reference_rows": 195, "current_rows": 49, "served_by": served_by}
        chart = {"chart": "tip", "column": "tip", "z": float(number), "limit": 3.6}
        store.replace_month(
            month, {tables.dataset_drift: [dataset | rows], tables.drift_chart: [chart]}
        )
    return store


@pytest.mark.parametrize(
    ("month", "served_by", "seen"),
    [
        ("2024-01", None, []),
        ("2024-02", 1, []),
        ("2024-06", 1, ["2024-02", "2024-03", "2024-05"]),
        ("2024-08", 6, ["2024-07"]),
        ("2024-08", 9, []),
        ("2024-08", 1, []),  # version 6 served in between
    ],
)
def test_only_earlier_months_against_the_same_reference_are_seen(store, month, served_by, seen):
    assert [measured.month for measured in measured_before(store, month, served_by)] == seen


def test_effects_are_kept_by_chart_and_a_rerun_replaces_them(store):
    chart = {"chart": "tip", "column": "tip", "z": -2.5, "limit": 3.6}
    store.replace_month("2024-05", {tables.drift_chart: [chart]})
    assert measured_before(store, "2024-06", 1)[-1].effects == {"tip": -2.5}


def test_drift_lasts_from_the_last_quiet_month_on(store):
    assert alarming_since(measured_before(store, "2024-07", 1)) == ["2024-05", "2024-06"]
    assert alarming_since(measured_before(store, "2024-04", 1)) == []


@pytest.mark.parametrize(
    ("month", "served_by", "words"),
    [
        ("2024-01", None, "no model served this month, so the charts use this month alone"),
        ("2024-08", 9, "the charts start with this month: none was charted against version 9 yet"),
        ("2024-03", 1, "the charts use 2024-02, 2024-03"),
        ("2024-06", 1, "the charts use 2024-03, 2024-05, 2024-06; not measured: 2024-04"),
    ],
)
def test_a_month_says_what_its_charts_look_at(store, month, served_by, words):
    assert charted(month, served_by, measured_before(store, month, served_by)) == words
