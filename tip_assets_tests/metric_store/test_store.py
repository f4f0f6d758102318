"""A rerun replaces a month's numbers; the champion's history keeps one row per cause."""

from datetime import UTC, datetime

import pytest

from tip_assets.metric_store import tables
from tip_assets.metric_store.store import MetricStore


@pytest.fixture
def store(tmp_path):
    return MetricStore(url=f"sqlite:///{tmp_path}/folder/metrics.db")


def decision(month: str, after: int, action: str = "promoted") -> dict:
    return {
        "cause": f"decision {month}",
        "month": month,
        "at": datetime(2024, 6, 1, tzinfo=UTC),
        "action": action,
        "challenger": after,
        "champion_before": None,
        "champion_after": after,
        "reason": "better",
        "person": None,
    }


def correlation(column: str, value: float) -> dict:
    return {"dataset": "current", "column": column, "with_column": "tip", "pearson": value}


def test_a_rerun_replaces_its_month_and_no_other(store):
    for month in ("2024-01", "2024-02"):
        rows = [correlation("size", 0.1), correlation("total_bill", 0.2)]
        store.replace_month(month, {tables.correlation: rows})
    store.replace_month("2024-02", {tables.correlation: [correlation("size", 0.5)]})
    with store.engine.connect() as connection:
        found = connection.execute(
            tables.correlation.select().order_by(
                tables.correlation.c.month, tables.correlation.c.column
            )
        )
        assert [(row.month, row.column, row.pearson) for row in found] == [
            ("2024-01", "size", 0.1),
            ("2024-01", "total_bill", 0.2),
            ("2024-02", "size", 0.5),
        ]


def test_a_write_that_fails_keeps_the_old_month(store):
    store.replace_month("2024-01", {tables.correlation: [correlation("size", 0.1)]})
    incomplete = {"dataset": "current", "column": "size", "with_column": "tip"}
    with pytest.raises(Exception, match="pearson"):
        store.replace_month("2024-01", {tables.correlation: [incomplete]})
    with store.engine.connect() as connection:
        assert len(connection.execute(tables.correlation.select()).all()) == 1


def test_the_same_cause_is_recorded_once(store):
    store.record_decision(decision("2024-01", 1, "held"))
    store.record_decision(decision("2024-01", 1, "released"))
    assert [row["action"] for row in store.history()] == ["released"]


def test_who_served_when_a_month_began(store):
    assert store.champion_before("2024-01") is None
    store.record_decision(decision("2024-02", 2))
    store.record_decision(decision("2024-01", 1))
    assert [store.champion_before(f"2024-0{n}") for n in (1, 2, 3)] == [None, 1, 2]


def test_a_late_decision_on_an_old_month_does_not_change_who_served(store):
    store.record_decision(decision("2024-01", 1))
    store.record_decision(decision("2024-03", 2) | {"champion_before": 1})
    late = {"challenger": 3, "champion_before": 2, "champion_after": 2}
    store.record_decision(decision("2024-02", 2, "kept") | late)
    assert store.champion_before("2024-03") == 1
    assert store.champion_before("2024-04") == 2


def test_a_held_version_stays_held_until_it_is_released(store):
    assert store.hold("2024-01", 1, None, "poor") is None
    assert store.hold("2024-01", 1, None, "poor again") is None
    assert [row["reason"] for row in store.history()] == ["poor"]
    later = {"cause": "release", "at": datetime.now(UTC)}
    store.record_decision(decision("2024-01", 1, "released") | later)
    assert store.hold("2024-01", 1, None, "poor") == "better"
