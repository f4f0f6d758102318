"""`tips status` shows each state that lasts, and nothing else."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tip_assets.metric_store import tables
from tip_assets.metric_store.store import MetricStore
from tip_assets.reporting.status import states, states_line
from tip_assets.settings import Settings

NOW = datetime(2024, 9, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return MetricStore(url=f"sqlite:///{tmp_path}/metrics.db")


def decide(store: MetricStore, month: str, action: str, serving: int = 1) -> None:
    version = int(month[-2:])
    store.record_decision(
        {"cause": f"decision {month}", "month": month, "at": NOW, "action": action}
        | {"challenger": version, "champion_before": 1, "champion_after": serving}
        | {"reason": f"{action} for a reason", "person": None}
    )


def shown(store: MetricStore) -> list[tuple[str, str]]:
    return [(state.name, state.about) for state in states(store, Settings(), NOW)]


def test_an_empty_and_a_healthy_platform_need_nobody(store):
    assert shown(store) == []
    decide(store, "2024-01", "promoted")
    decide(store, "2024-02", "kept")
    assert shown(store) == []


def test_a_held_month_needs_a_person_until_a_newer_one_is_decided(store):
    decide(store, "2024-01", "promoted")
    decide(store, "2024-02", "held")
    assert shown(store) == [("held", "2024-02")]
    found = states(store, Settings(), NOW)
    assert "tips release --month 2024-02" in found[0].to_do
    assert json.loads(states_line(found)) == {"tips_states": 1, "names": ["held"]}
    decide(store, "2024-03", "kept")
    assert shown(store) == []


def test_a_stopped_month_is_shown_while_its_check_fails(store):
    check = {"check": "enough_rows", "asset": "raw_tips", "blocking": True, "words": "3 rows"}
    store.record_checks("2024-01", [check | {"passed": False}])
    assert shown(store) == [("stopped", "2024-01")]
    store.record_checks("2024-01", [check | {"passed": True}])
    assert shown(store) == []


def test_a_failed_run_is_shown_until_one_succeeds(store):
    run = {"month": "2024-01", "job": "monthly", "landing_digest": None}
    failed = {"run_id": "a", "status": "FAILURE", "ended_at": NOW, "failure": "disk full"}
    store.record_run(run | failed, {})
    assert shown(store) == [("failed", "2024-01")]
    later = NOW + timedelta(hours=1)
    done = {"run_id": "b", "status": "SUCCESS", "ended_at": later, "failure": None}
    store.record_run(run | done, {})
    assert shown(store) == []


def test_files_that_wait_and_a_silent_landing_are_shown(store):
    landed = {"month": "2024-06", "files": 1, "digest": "x", "at": NOW, "seen_at": NOW}
    store.upsert(tables.landing, [landed])
    assert shown(store) == []  # it may be running
    landed |= {"seen_at": NOW - timedelta(hours=25)}
    store.upsert(tables.landing, [landed])
    assert shown(store) == [("not processed", "2024-06")]
    store.upsert(tables.landing, [landed | {"at": NOW - timedelta(days=40)}])
    assert shown(store) == [("not processed", "2024-06"), ("silent", "landing")]


def test_a_champion_older_than_the_setting_is_shown(store):
    decide(store, "2024-01", "promoted")
    decide(store, "2024-07", "kept")
    assert shown(store) == []
    decide(store, "2024-08", "kept")
    assert shown(store) == [("old champion", "version 1")]
