"""What Prometheus reads of a platform is true of it, whatever happens to it.

The store is that of one real month; what happens is done by the functions that do it.
"""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from benchmarks.scrape import lengthen
from tip_assets import contract
from tip_assets.definitions import defs
from tip_assets.ingestion.landing import Landed, landing_digests
from tip_assets.ingestion.landing_log import LandingLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.metric_store.tables import metadata
from tip_assets.settings import Settings
from tip_assets_tests.support.exporter import copy_of, samples, value


@pytest.fixture
def settings(month_settings, tmp_path) -> Settings:
    """Settings of a platform with a metric store of its own."""
    return copy_of(month_settings, tmp_path)


@pytest.fixture
def store(settings) -> MetricStore:
    return MetricStore(url=settings.metric_store_url)


def test_the_month_shows_as_it_is_in_the_store(settings, store):
    found = samples(settings)
    assert value(found, "tips_kept_rows") == 244
    assert value(found, "tips_quarantined_rows") == 0
    assert value(found, "tips_month_info", stage="decided", month="2024-01") == 1
    end = datetime(2024, 2, 1, tzinfo=UTC).timestamp()
    assert value(found, "tips_month_end_timestamp_seconds", stage="ingested") == end
    assert value(found, "tips_champion_info", version="1", month="2024-01") == 1
    assert value(found, "tips_runs_total", outcome="success") == 1
    drift = metadata.tables["drift"]
    for row in store.select(sa.select(drift)):
        of_column = {"column": row["column"], "role": row["role"]}
        assert value(found, "tips_drift_score", **of_column, test=row["test"]) == row["score"]
    checks = store.checks("2024-01")
    assert len(checks) == len(defs().resolve_asset_graph().asset_check_keys)
    for check in checks:
        labels = {"asset": check["asset"], "check": check["check"]}
        blocking = str(check["blocking"]).lower()
        assert value(found, "tips_check_passed", **labels, blocking=blocking) == check["passed"]


def test_the_newest_months_control_charts_are_exported(settings, store):
    with store.engine.begin() as connection:
        charts = metadata.tables["drift_chart"]
        of_bill = charts.c.chart == contract.BILL
        connection.execute(sa.update(charts).where(of_bill).values(z=-4.2, alarm="one month"))
    found, (limit,) = samples(settings), {row["limit"] for row in store.select(sa.select(charts))}
    bill, tip = ({"chart": name, "column": name} for name in (contract.BILL, "tip"))
    assert value(found, "tips_drift_chart_effect", **bill) == -4.2
    assert value(found, "tips_drift_chart_alarm", **bill) == 1
    assert value(found, "tips_drift_chart_alarm", **tip) == 0
    assert value(found, "tips_drift_chart_limit") == limit


def test_a_held_promotion_waits_until_it_is_released_or_a_newer_month_is_decided(settings, store):
    def held() -> tuple[float | None, float | None]:
        found = samples(settings)
        since = value(found, "tips_promotion_held_since_timestamp_seconds")
        return value(found, "tips_promotions_held"), since

    assert held() == (0, None)
    store.hold("2024-02", 2, 1, "drifted")
    (first,) = [row["at"] for row in store.history() if row["month"] == "2024-02"]
    store.hold("2024-03", 3, 1, "drifted")
    assert held() == (2, first.replace(tzinfo=UTC).timestamp())
    decision = {"challenger": 3, "champion_before": 1, "reason": "fine", "person": "somebody"}
    now = datetime.now(UTC)
    store.record_decision(
        {"cause": "release", "month": "2024-03", "at": now, "action": "released"}
        | decision
        | {"champion_after": 3}
    )
    assert held() == (0, None)
    found = samples(settings)
    assert value(found, "tips_champion_info", version="3", month="2024-03") == 1
    assert value(found, "tips_champion_age_months") == 0


def test_a_rollback_shows_who_serves_and_how_old_it_is(settings, store):
    lengthen(store, 3)
    found = samples(settings)
    assert value(found, "tips_champion_info", version="3", month="2024-03") == 1
    later = max(row["at"] for row in store.history()).replace(tzinfo=UTC) + timedelta(days=1)
    store.record_decision(
        {
            **{"cause": "rollback", "month": "2024-03", "at": later, "action": "rolled back"},
            **{"challenger": None, "champion_before": 3, "champion_after": 1},
            **{"reason": "worse in the restaurant", "person": "somebody"},
        }
    )
    found = samples(settings)
    assert value(found, "tips_champion_info", version="1", month="2024-01") == 1
    assert value(found, "tips_champion_info", version="3", month="2024-03") is None
    assert value(found, "tips_champion_age_months") == 2
    assert value(found, "tips_champion_since_timestamp_seconds") == later.timestamp()
    assert value(found, "tips_decisions", action="rolled back") == 1


def test_a_run_is_recorded_with_the_files_that_it_was_of(month_settings, settings, store):
    (run,) = store.select(sa.select(metadata.tables["run_outcome"]))
    assert run["landing_digest"] == landing_digests(month_settings.storage_root)["2024-01"]
    assert value(samples(settings), "tips_unprocessed_months") == 0


def test_the_last_look_at_the_landing_is_exported(settings, store):
    name = "tips_landing_looked_timestamp_seconds"
    assert value(samples(settings), name) is None, "the command line does not watch"
    at = datetime(2024, 3, 1, tzinfo=UTC)
    LandingLog(store).record_check({}, at)
    assert value(samples(settings), name) == at.timestamp()
    rarely = settings.model_copy(update={"landing_check_seconds": 60})
    assert value(samples(rarely), "tips_landing_unwatched_seconds_limit") == 20 * 60


def test_a_month_whose_files_were_taken_away_is_not_the_newest_that_landed(settings, store):
    log, at = LandingLog(store), datetime(2024, 3, 1, tzinfo=UTC)
    right = {"2024-01": Landed("right", 1, at)}
    for landed in (right | {"2024-03": Landed("by mistake", 1, at)}, right):
        log.record_check(landed, at)
        month = {"stage": "landed", "month": max(landed)}
        assert value(samples(settings), "tips_month_info", **month) == 1


def test_a_check_that_stopped_a_month_before_the_newest_is_counted(settings, store):
    lengthen(store, 5)
    labels = {"asset": "raw_tips", "check": "enough_rows", "blocking": "true"}

    def failed(window_months: int) -> float | None:
        with_window = settings.model_copy(update={"window_months": window_months})
        return value(samples(with_window), "tips_check_failed_months", **labels)

    assert failed(12) == 0
    check = metadata.tables["check_result"]
    stopped = check.c.check == "enough_rows", check.c.month.in_(["2024-01", "2024-03"])
    with store.engine.begin() as connection:
        connection.execute(sa.update(check).where(*stopped).values(passed=False))
    assert value(samples(settings), "tips_check_passed", **labels) == 1, "of the newest month"
    assert [failed(months) for months in (2, 3, 4, 5)] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("status", "failure", "waits"),
    [
        ("SUCCESS", None, False),
        ("FAILURE", None, False),
        ("FAILURE", "raw_tips: the disk is full", True),
        ("CANCELED", "the run was canceled", True),
    ],
    ids=["done", "stopped by a check", "failed", "canceled"],
)
def test_a_month_waits_until_a_run_has_finished_on_its_files(
    settings, store, status, failure, waits
):
    landed = datetime.now(UTC).replace(microsecond=0)
    assert value(samples(settings), "tips_unprocessed_months") == 0
    log = LandingLog(store)
    log.record({"2024-02": Landed("first", 1, landed)}, at=landed)
    found = samples(settings)
    assert value(found, "tips_unprocessed_months") == 1
    assert value(found, "tips_unprocessed_since_timestamp_seconds") == landed.timestamp()
    assert value(found, "tips_landing_newest_file_timestamp_seconds") == landed.timestamp()
    outcome = {"run_id": "r", "month": "2024-02", "job": "monthly", "failure": failure}
    ended = {"status": status, "ended_at": landed + timedelta(minutes=1)}
    store.record_run(outcome | ended | {"landing_digest": "first"}, {})
    assert value(samples(settings), "tips_unprocessed_months") == waits
    log.record({"2024-02": Landed("late", 2, landed)}, at=landed + timedelta(hours=1))
    assert value(samples(settings), "tips_unprocessed_months") == 1, "a late file waits again"
