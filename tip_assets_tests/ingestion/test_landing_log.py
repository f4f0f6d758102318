"""Which months wait follows from what their files are, not by the times that files bear."""

from datetime import UTC, datetime, timedelta

import pytest

from tip_assets.ingestion.landing import Landed
from tip_assets.ingestion.landing_log import LandingLog, unprocessed
from tip_assets.reporting.report_run import report_run
from tip_assets_tests.support.landing import SUCCESS

MONTH, HOUR = "2024-01", timedelta(hours=1)
NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)


class Landing:
    """A landing of one month whose files and runs are where a test says."""

    def __init__(self, store) -> None:
        self.log, self.store, self.runs = LandingLog(store), store, 0

    def look(self, digest: str, file: datetime, at: datetime) -> None:
        self.log.record_check({MONTH: Landed(digest, 1, file)}, at)

    def run(self, digest: str, at: datetime, failure: str | None = None) -> None:
        self.runs += 1
        status = "FAILURE" if failure else "SUCCESS"
        run = {"run_id": str(self.runs), "month": MONTH, "job": "monthly", "status": status}
        ended = {"ended_at": at, "failure": failure, "landing_digest": digest}
        self.store.record_run(run | ended, {})

    @property
    def waits_since(self) -> datetime | None:
        return unprocessed(self.store.select).get(MONTH)


@pytest.fixture
def landing(place) -> Landing:
    return Landing(place.store)


@pytest.mark.parametrize(
    "file", [NOON + 2 * HOUR, NOON + 48 * HOUR], ids=["uploaded again", "a clock ahead"]
)
def test_the_same_files_with_later_times_are_not_waiting(landing, file):
    landing.look("a", NOON, NOON)
    landing.run("a", NOON + HOUR)
    landing.look("a", file, NOON + 3 * HOUR)
    assert landing.waits_since is None


def test_files_copied_with_old_times_wait_from_when_they_were_seen(landing):
    years_ago = NOON - 20_000 * HOUR
    landing.look("a", years_ago, NOON)
    assert landing.waits_since == NOON
    landing.run("a", NOON + HOUR)
    landing.look("b", years_ago, NOON + 2 * HOUR)
    assert landing.waits_since == NOON + 2 * HOUR, "a late file, older than the run"


def test_files_that_keep_coming_do_not_put_off_that_no_run_has_finished(landing):
    landing.look("a", NOON, NOON)
    for hour, digest in enumerate("bcd", 1):
        landing.run(digest, NOON + hour * HOUR, failure="the disk is full")
        landing.look(digest, NOON + hour * HOUR, NOON + hour * HOUR)
    assert landing.waits_since == NOON
    landing.run("c", NOON + 4 * HOUR)
    assert landing.waits_since == NOON + 4 * HOUR, "the last file came while it ran"
    landing.run("d", NOON + 5 * HOUR)
    assert landing.waits_since is None


def test_files_that_are_put_back_wait_for_a_run_of_them(landing):
    for hours, digest in ((0, "a"), (2, "b")):
        landing.look(digest, NOON, NOON + hours * HOUR)
        landing.run(digest, NOON + (hours + 1) * HOUR)
    landing.look("a", NOON, NOON + 4 * HOUR)
    assert landing.waits_since == NOON + 4 * HOUR


def test_files_that_were_taken_away_wait_for_nothing(landing):
    landing.look("a", NOON, NOON)
    landing.log.record_check({}, NOON + HOUR)
    assert landing.waits_since is None
    landing.look("a", NOON, NOON + 2 * HOUR)
    assert landing.waits_since == NOON + 2 * HOUR


def test_a_month_that_was_turned_away_waits_though_its_files_were_read(landing):
    landing.look("a", NOON, NOON)
    landing.run("a", NOON + HOUR)
    turn = {"check": "training_window_is_whole", "asset": "splits", "blocking": True}
    before = datetime.now(UTC)
    landing.store.record_checks(MONTH, [turn | {"passed": False, "words": "2023-12 goes first"}])
    assert landing.waits_since >= before, "not since the files came: they were run then"
    landing.store.record_checks(MONTH, [turn | {"passed": True, "words": ""}])
    assert landing.waits_since is None


def test_a_run_is_one_of_the_files_that_it_or_the_run_it_repeats_has_ingested(place):
    """Dagster's "re-execute from failure" goes on behind the ingestion."""
    place.land(MONTH)
    place.look()
    assert unprocessed(place.store.select)
    place.ingest(MONTH)
    report_run(place.instance, place.run(MONTH, SUCCESS).run_id, place.settings)
    assert unprocessed(place.store.select) == {}
    place.land(MONTH, content=b"more")
    place.look()
    assert unprocessed(place.store.select)
