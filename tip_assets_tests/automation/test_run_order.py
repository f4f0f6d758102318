"""Months are trained in order; a killed run defers no later month."""

import os

import dagster as dg
import pytest

from tip_assets.assets.best_params import best_params
from tip_assets.checks.order import training_window_is_whole
from tip_assets.partitions import months
from tip_assets.reporting.run_facts import PARTITION_TAG, last_training
from tip_assets.runtime.instance import PROCESS_TAG, close_dead_runs, process_mark
from tip_assets.runtime.storage import write_atomically
from tip_assets.settings import Settings
from tip_assets_tests.support.landing import FAILURE, QUEUED, STARTED, SUCCESS, WHOLE


def test_a_month_without_rows_is_not_trained_by_a_backfill_of_assets(rows):
    """One from the lineage goes on to every month whose training window holds a chosen one."""
    context = dg.build_asset_context(partition_key="2024-02")
    unused = {"mlflow_tracking": None, "fresh_process": None}
    with pytest.raises(dg.Failure, match="There are no rows of 2024-02"):
        best_params(context, settings=Settings(), splits=rows, **unused)


def test_earlier_months_go_first_until_they_are_done(place):
    for month in ("2024-01", "2024-02", "2024-03", "2024-05"):
        place.land(month)
    assert place.pending("2024-01") == {}
    assert place.pending("2024-03") == {"2024-01": "was never run", "2024-02": "was never run"}
    place.decide("2024-01")
    place.run("2024-02", QUEUED)
    assert place.pending("2024-03") == {"2024-02": "is queued"}
    place.run("2024-02", STARTED)
    assert place.pending("2024-03") == {"2024-02": "runs"}
    place.decide("2024-02")
    assert place.pending("2024-03") == {}
    assert place.pending("2024-05") == {"2024-03": "was never run"}


def test_a_month_that_failed_stops_later_ones_only_while_its_rows_are_missing(place):
    place.land("2024-01")
    place.run("2024-01", FAILURE)
    assert place.pending("2024-02") == {"2024-01": "has failed"}
    assert place.pending("2025-01") == {}, "beyond the training window"
    write_atomically(place.storage / "assets" / "splits" / "2024-01.parquet", b"rows")
    assert place.pending("2024-02") == {}


def test_a_month_refused_by_its_own_checks_is_left_out(place):
    place.land("2024-01")
    place.run("2024-01", FAILURE)
    refused = {"check": "enough_rows", "asset": "raw_tips", "blocking": True, "passed": False}
    place.store.record_checks("2024-01", [{**refused, "words": "3 valid rows"}])
    assert place.pending("2024-02") == {}


def test_a_month_that_starts_too_early_is_deferred_by_its_check(place):
    @dg.asset(name="splits", partitions_def=months)
    def stand_in() -> None: ...

    job = dg.Definitions(
        assets=[stand_in],
        asset_checks=[training_window_is_whole],
        jobs=[dg.define_asset_job(WHOLE)],
        resources={"settings": place.settings, "metric_store": place.store},
    ).resolve_job_def(WHOLE)

    def succeeds(month: str) -> bool:
        return job.execute_in_process(
            partition_key=month,
            instance=place.instance,
            tags={PROCESS_TAG: process_mark()},
            raise_on_error=False,
        ).success

    for month in ("2024-01", "2024-02"):
        place.land(month)
    assert not succeeds("2024-02")
    assert place.pending("2024-03") == {"2024-01": "was never run", "2024-02": "was deferred"}
    place.decide("2024-01")
    assert succeeds("2024-02")


def test_runs_of_single_assets_do_not_change_where_a_month_stands(place):
    place.land("2024-01")
    early = place.defer("2024-01")
    one = dg.DagsterRun(
        job_name="__ASSET_JOB",
        status=SUCCESS,
        tags={PARTITION_TAG: "2024-01"},
        asset_selection=frozenset([dg.AssetKey("raw_tips")]),
        job_code_origin=early.job_code_origin,
    )
    place.instance.add_run(one)
    assert last_training(place.instance, "2024-01").run_id == early.run_id
    assert place.pending("2024-02") == {"2024-01": "was deferred"}


def test_a_killed_run_frees_its_place_and_is_closed(place):
    storage = place.instance.event_log_storage
    here = process_mark().rsplit(" ", 2)[0]
    gone = place.run("2024-01", STARTED, {PROCESS_TAG: f"{here} 999999999 1"})
    for mark in (f"elsewhere {here.split()[1]} 1 1", f"{here.split()[0]} pid:[1] 999999999 1"):
        place.run("2024-03", STARTED, {PROCESS_TAG: mark})
    waiting = place.run("2024-04", QUEUED, {PROCESS_TAG: f"{here} {os.getpid()} 1"})
    alive = place.run("2024-02", STARTED, {PROCESS_TAG: process_mark()})
    storage.set_concurrency_slots("model", 1)
    assert storage.claim_concurrency_slot("model", gone.run_id, "best_params").is_claimed
    assert not storage.claim_concurrency_slot("model", alive.run_id, "best_params").is_claimed
    assert sorted(close_dead_runs(place.instance)) == sorted([gone.run_id, waiting.run_id])
    assert place.instance.get_run_by_id(gone.run_id).status == FAILURE
    assert place.instance.get_run_by_id(alive.run_id).status == STARTED
    assert storage.claim_concurrency_slot("model", alive.run_id, "best_params").is_claimed


def test_a_retry_is_not_taken_for_the_killed_run_that_it_repeats(place):
    """It begins with that run's tags, the mark of a dead process among them."""
    mark = {PROCESS_TAG: f"{process_mark().rsplit(' ', 2)[0]} 999999999 1"}
    place.land("2024-01")
    killed = place.run("2024-01", FAILURE, mark)
    retry = dg.DagsterRun(
        job_name=killed.job_name,
        status=QUEUED,
        tags=killed.tags,
        job_code_origin=killed.job_code_origin,
        parent_run_id=killed.run_id,
        root_run_id=killed.run_id,
    )
    place.instance.add_run(retry)
    assert close_dead_runs(place.instance) == []
    assert place.pending("2024-02") == {"2024-01": "is queued"}
    place.instance.add_run_tags(retry.run_id, {PROCESS_TAG: f"{mark[PROCESS_TAG]}2"})
    assert close_dead_runs(place.instance) == [retry.run_id]
