"""New files are run once each; what is done, unknown or not there is reported, not run."""

import json
import os
from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from tip_assets.metric_store.store import in_utc
from tip_assets.metric_store.tables import last_look
from tip_assets_tests.support.landing import FAILURE, INGESTION, QUEUED, STARTED, WHOLE


def test_nothing_landed_asks_for_nothing(place):
    assert place.tick() == []


def test_every_tick_notes_that_it_has_looked_whatever_it_found(place):
    seen = []
    for _ in range(2):
        before = datetime.now(UTC)
        place.look()
        (look,) = place.store.select(sa.select(last_look))
        assert timedelta() <= in_utc(look["at"]) - before < timedelta(seconds=20)
        seen.append(look["at"])
    assert seen[0] < seen[1]


def test_a_new_file_runs_its_month_once(place):
    place.land("2024-01")
    assert place.tick() == [(WHOLE, "2024-01")]
    assert place.tick() == []


def test_a_thousand_files_are_one_run(place):
    for number in range(1000):
        place.land("2024-01", f"{number}.csv")
    assert place.tick() == [(WHOLE, "2024-01")]


def test_a_changed_file_runs_its_month_again_and_the_same_file_does_not(place):
    place.land("2024-01")
    place.tick()
    place.ingest("2024-01")
    place.land("2024-01", content=b"more")
    assert place.tick() == [(WHOLE, "2024-01")]
    place.ingest("2024-01")
    assert place.tick() == []


def test_files_that_are_put_back_are_run_again(place):
    """Dagster makes no second run of a run key."""
    keys = []
    for content in (b"one", b"other", b"one", b"other"):
        place.land("2024-01", content=content)
        os.utime(place.storage / "landing" / "2024-01" / "tips.csv", (0, 0))
        assert place.tick() == [(WHOLE, "2024-01")]
        keys += place.keys
        place.cursor = None
        assert place.tick() == [(WHOLE, "2024-01")]
        assert place.keys == keys[-1:], "the same change, after a crash"
        place.ingest("2024-01")
    assert len(set(keys)) == 4


def test_a_lost_cursor_runs_nothing_that_was_ingested(place):
    for month in ("2024-01", "2024-02"):
        place.land(month)
        place.ingest(month)
    place.cursor = None
    assert place.tick() == []


def test_a_month_run_by_hand_is_not_run_again(place):
    place.land("2024-01")
    place.ingest("2024-01")
    assert place.tick() == []


def test_a_backlog_runs_oldest_first(place):
    for month in ("2024-03", "2024-01", "2024-02"):
        place.land(month)
    assert place.tick() == [(WHOLE, "2024-01"), (WHOLE, "2024-02"), (WHOLE, "2024-03")]


def test_a_late_file_reingests_its_month_and_retrains_the_newest(place):
    for month in ("2024-01", "2024-02", "2024-03"):
        place.land(month)
        place.ingest(month)
        place.decide(month)
    place.tick()
    place.land("2024-01", "late.csv")
    assert place.tick() == [(INGESTION, "2024-01"), (WHOLE, "2024-03")]


def test_the_first_file_of_an_old_month_runs_it_and_retrains_the_newest(place):
    for month in ("2024-01", "2024-03"):
        place.land(month)
        place.ingest(month)
        place.decide(month)
    place.tick()
    place.land("2024-02")
    assert place.tick() == [(WHOLE, "2024-02"), (WHOLE, "2024-03")]


def test_a_month_that_is_still_landing_is_not_run_yet(place):
    for number in range(3):
        place.land("2024-01", f"{number}.csv")
        assert place.look() == []
    assert place.look() == [(WHOLE, "2024-01")]
    assert place.look() == []


def test_unknown_and_future_months_are_logged_and_stop_nothing(place):
    for folder in ("2024-13", "2999-01", "notes"):
        place.land(folder)
    place.land("2024-02")
    assert place.tick() == [(WHOLE, "2024-02")]
    assert json.loads(place.cursor)["asked"].keys() == {"2024-02"}


def test_files_still_being_written_are_not_there_yet(place):
    place.land("2024-01", ".tips.csv.part")
    place.land("2024-01", ".hidden.csv")
    place.land("2024-01", "readme.txt")
    assert place.tick() == []


def test_the_schedule_runs_the_month_that_has_just_ended(place, tmp_path):
    place.instance = dg.DagsterInstance.local_temp(str(tmp_path))
    first = datetime(2024, 3, 1, 6, tzinfo=UTC)
    assert "nothing has landed for 2024-02" in str(place.scheduled(first))
    place.land("2024-02")
    assert place.scheduled(first).partition_key == "2024-02"
    place.ingest("2024-02")
    assert place.scheduled(first).partition_key == "2024-02", "its training has failed"
    place.run("2024-02", STARTED)
    assert "2024-02 is being run" in str(place.scheduled(first))
    place.run("2024-02", FAILURE)
    place.decide("2024-02")
    assert "has been run on what has landed" in str(place.scheduled(first))
    place.land("2024-02", "late.csv")
    assert place.scheduled(first).partition_key == "2024-02"
    assert "not one of" in str(place.scheduled(datetime(2024, 1, 1, 6, tzinfo=UTC)))


def test_what_has_landed_is_observed_once(place):
    place.land("2024-01")
    place.tick()
    assert place.events == ["2024-01"]
    place.look()
    assert place.events == []


def test_a_deferred_month_is_run_once_when_the_earlier_ones_are_done(place):
    for month in ("2024-01", "2024-02"):
        place.land(month)
    place.tick()
    place.ingest("2024-02")
    place.run("2024-01", QUEUED)
    early = place.defer("2024-02")
    assert place.tick() == []
    place.decide("2024-01")
    assert place.look() == [(WHOLE, "2024-02")]
    assert place.keys == [f"2024-02 after {early.run_id}"]
    assert place.look() == [(WHOLE, "2024-02")]
    assert place.keys == [f"2024-02 after {early.run_id}"], "Dagster makes no second run of it"
    assert place.pending("2024-03") == {"2024-02": "was deferred"}
    place.run("2024-02", STARTED)
    assert place.tick() == []
    place.decide("2024-02")
    assert place.tick() == []
