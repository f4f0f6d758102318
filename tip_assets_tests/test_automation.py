"""New files are run once each; what is done, unknown or not there is told, not run."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from tip_assets.assets.raw_tips import LANDED
from tip_assets.instance import COMMAND_LINE_TAG, PROCESS_TAG, close_dead_runs, process_mark
from tip_assets.landing import landing_digests, landing_folder
from tip_assets.resources.metric_store import MetricStore
from tip_assets.run_facts import PARTITION_TAG, last_training
from tip_assets.schedules import monthly_schedule
from tip_assets.sensors import landing_sensor
from tip_assets.settings import Settings
from tip_assets.storage import write_atomically
from tip_assets.turns import TURNED_AWAY_TAG, months_ahead, wait_for_turn


class Place:
    """A storage with a Dagster instance, and the landing sensor on it."""

    def __init__(self, folder: Path) -> None:
        self.storage = UPath(folder / "storage")
        self.settings = Settings(storage=str(folder / "storage"))
        self.instance = dg.DagsterInstance.ephemeral()
        self.store = MetricStore(url=self.settings.metric_store_url)
        self.cursor: str | None = None

    def land(self, month: str, name: str = "tips.csv", content: bytes = b"x") -> None:
        write_atomically(landing_folder(self.storage, month) / name, content)

    def ingest(self, month: str) -> None:
        """What a run of the month leaves behind."""
        digest = landing_digests(self.storage)[month]
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization("raw_tips", partition=month, metadata={LANDED: digest})
        )

    def tick(self) -> list[tuple[str, str]]:
        """The jobs and months that the sensor asks for once it has seen the landing twice."""
        self.look()
        return self.look()

    def look(self) -> list[tuple[str, str]]:
        """The jobs and months that one tick of the sensor asks for."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"settings": self.settings, "metric_store": self.store},
        ) as context:
            result = landing_sensor(context)
        self.cursor = result.cursor
        self.events = [event.partition for event in result.asset_events]
        assert bool(result.run_requests) != bool(result.skip_reason)
        return [(request.job_name, request.partition_key) for request in result.run_requests]

    def run(
        self, month: str, status: dg.DagsterRunStatus, tags: dict | None = None
    ) -> dg.DagsterRun:
        """A run of the month that is where `status` says."""
        run = dg.DagsterRun(
            job_name=WHOLE, status=status, tags={PARTITION_TAG: month, **(tags or {})}
        )
        return self.instance.add_run(run)

    def decide(self, month: str) -> None:
        """What a decision on the month's model leaves behind."""
        self.store.record_decision(
            {
                "cause": f"decision {month}",
                "month": month,
                "at": datetime.now(UTC),
                "action": "kept",
                "challenger": 1,
                "champion_before": 1,
                "champion_after": 1,
                "reason": "not enough evidence",
                "person": None,
            }
        )
        write_atomically(self.storage / "assets" / "splits" / f"{month}.parquet", b"rows")

    def ahead(self, month: str) -> dict[str, str]:
        return months_ahead(self.instance, self.settings, self.store, month)

    def scheduled(self, at: datetime) -> dg.RunRequest | dg.SkipReason:
        with dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=at,
            resources={"settings": self.settings, "metric_store": self.store},
        ) as context:
            return monthly_schedule(context)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


WHOLE, INGESTION = "monthly_retraining_job", "ingestion_job"


def test_nothing_landed_asks_for_nothing(place):
    assert place.tick() == []


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


def test_unknown_and_future_months_are_told_and_stop_nothing(place):
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


SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
# Dagster wants to know where a queued run comes from; one that was not launched yet needs nothing.
STARTED, QUEUED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED


def test_what_has_landed_is_observed_once(place):
    place.land("2024-01")
    place.tick()
    assert place.events == ["2024-01"]
    place.look()
    assert place.events == []


def test_earlier_months_go_first_until_they_have_had_their_turn(place):
    for month in ("2024-01", "2024-02", "2024-03", "2024-05"):
        place.land(month)
    assert place.ahead("2024-01") == {}
    assert place.ahead("2024-03") == {"2024-01": "was never run", "2024-02": "was never run"}
    place.decide("2024-01")
    place.run("2024-02", QUEUED)
    assert place.ahead("2024-03") == {"2024-02": "is queued"}
    place.run("2024-02", STARTED)
    assert place.ahead("2024-03") == {"2024-02": "runs"}
    place.decide("2024-02")
    assert place.ahead("2024-03") == {}
    assert place.ahead("2024-05") == {"2024-03": "was never run"}


def test_a_month_that_failed_stops_later_ones_only_while_its_rows_are_missing(place):
    place.land("2024-01")
    place.run("2024-01", FAILURE)
    assert place.ahead("2024-02") == {"2024-01": "has failed"}
    assert place.ahead("2025-01") == {}, "beyond the training window"
    write_atomically(place.storage / "assets" / "splits" / "2024-01.parquet", b"rows")
    assert place.ahead("2024-02") == {}


def test_a_month_refused_by_its_own_checks_is_left_out(place):
    place.land("2024-01")
    place.run("2024-01", FAILURE)
    refused = {"check": "enough_rows", "asset": "raw_tips", "blocking": True, "passed": False}
    place.store.record_checks("2024-01", [{**refused, "words": "3 valid rows"}])
    assert place.ahead("2024-02") == {}


def test_a_month_that_was_turned_away_is_run_when_its_turn_has_come(place):
    for month in ("2024-01", "2024-02"):
        place.land(month)
    place.tick()
    place.ingest("2024-02")
    place.run("2024-01", QUEUED)
    early = place.run("2024-02", FAILURE, {TURNED_AWAY_TAG: "2024-01"})
    assert place.tick() == []
    place.decide("2024-01")
    assert place.tick() == [(WHOLE, "2024-02")]
    assert place.ahead("2024-03") == {"2024-02": "was turned away"}
    assert early.run_id
    place.run("2024-02", STARTED)
    assert place.tick() == []
    place.decide("2024-02")
    assert place.tick() == []


class Looks:
    """What months are ahead at each look; sleeping moves on to the next."""

    def __init__(self, *looks: dict) -> None:
        self.looks, self.slept = list(looks), 0

    def __call__(self) -> dict:
        return self.looks[min(self.slept, len(self.looks) - 1)]

    def sleep(self, _seconds: float) -> None:
        self.slept += 1


def test_a_run_waits_for_months_that_are_being_run(place):
    looks = Looks({"2024-01": "runs"}, {"2024-01": "runs"}, {})
    of_daemon = place.run("2024-02", STARTED)
    assert wait_for_turn(of_daemon, looks, place.instance, 60, looks.sleep) == {}
    assert looks.slept == 2


def test_nobody_waits_for_queued_months_since_the_wait_may_hold_their_place(place, monkeypatch):
    queued = {"2024-01": "is queued"}
    of_daemon = place.run("2024-02", STARTED)
    looks = Looks(queued)
    assert wait_for_turn(of_daemon, looks, place.instance, 60, looks.sleep) == queued
    assert looks.slept == 0
    of_person = place.run("2024-02", STARTED, {COMMAND_LINE_TAG: "true"})
    monkeypatch.setattr("tip_assets.turns.STARTED_WITHIN_SECONDS", 0)
    assert wait_for_turn(of_person, looks, place.instance, 60, looks.sleep) == queued


def test_a_person_s_run_waits_for_processes_that_are_being_started(place):
    looks = Looks({"2024-01": "was never run"}, {"2024-01": "runs"}, {})
    of_person = place.run("2024-02", STARTED, {COMMAND_LINE_TAG: "true"})
    assert wait_for_turn(of_person, looks, place.instance, 60, looks.sleep) == {}


def test_waiting_has_an_end(place):
    looks = Looks({"2024-01": "runs"})
    run = place.run("2024-02", STARTED)
    assert wait_for_turn(run, looks, place.instance, 0, looks.sleep) == {"2024-01": "runs"}


def test_runs_of_single_assets_do_not_change_where_a_month_stands(place):
    place.land("2024-01")
    early = place.run("2024-01", FAILURE, {TURNED_AWAY_TAG: "2023-12 goes first"})
    one = dg.DagsterRun(
        job_name="__ASSET_JOB",
        status=SUCCESS,
        tags={PARTITION_TAG: "2024-01"},
        asset_selection=frozenset([dg.AssetKey("raw_tips")]),
    )
    place.instance.add_run(one)
    assert last_training(place.instance, "2024-01").run_id == early.run_id
    assert place.ahead("2024-02") == {"2024-01": "was turned away"}


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
