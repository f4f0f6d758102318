"""New files are run once each; what is done, unknown or not there is told, not run."""

import json
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from tip_assets.assets.raw_tips import LANDED
from tip_assets.landing import landing_digests, landing_folder
from tip_assets.schedules import monthly_schedule
from tip_assets.sensors import landing_sensor
from tip_assets.settings import Settings
from tip_assets.storage import write_atomically


class Place:
    """A storage with a Dagster instance, and the landing sensor on it."""

    def __init__(self, folder: Path) -> None:
        self.storage = UPath(folder / "storage")
        self.settings = Settings(storage=str(folder / "storage"))
        self.instance = dg.DagsterInstance.local_temp(str(folder))
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
        """The jobs and months that a tick of the sensor asks for."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"settings": self.settings}
        )
        result = landing_sensor(context)
        if isinstance(result, dg.SkipReason):
            self.cursor = context.cursor
            return []
        self.cursor = result.cursor
        return [(request.job_name, request.partition_key) for request in result.run_requests]

    def scheduled(self, at: datetime) -> dg.RunRequest | dg.SkipReason:
        context = dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=at,
            resources={"settings": self.settings},
        )
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
    place.tick()
    place.land("2024-01", "late.csv")
    assert place.tick() == [(INGESTION, "2024-01"), (WHOLE, "2024-03")]


def test_unknown_and_future_months_are_told_and_stop_nothing(place):
    for folder in ("2024-13", "2999-01", "notes"):
        place.land(folder)
    place.land("2024-02")
    assert place.tick() == [(WHOLE, "2024-02")]
    assert json.loads(place.cursor).keys() == {"2024-02"}


def test_files_still_being_written_are_not_there_yet(place):
    place.land("2024-01", ".tips.csv.part")
    place.land("2024-01", ".hidden.csv")
    place.land("2024-01", "readme.txt")
    assert place.tick() == []


def test_the_schedule_runs_the_month_that_has_just_ended(place):
    first = datetime(2024, 3, 1, 6, tzinfo=UTC)
    assert "nothing has landed for 2024-02" in str(place.scheduled(first))
    place.land("2024-02")
    assert place.scheduled(first).partition_key == "2024-02"
    place.ingest("2024-02")
    assert "has been run on what has landed" in str(place.scheduled(first))
    place.land("2024-02", "late.csv")
    assert place.scheduled(first).partition_key == "2024-02"
    assert "not one of" in str(place.scheduled(datetime(2024, 1, 1, 6, tzinfo=UTC)))
