"""A run that is killed at any moment leaves what its rerun completes: nothing doubled or lost."""

import shutil
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from upath import UPath

from tip_assets.ingestion.simulate import UNCHANGED, land_generated
from tip_assets.settings import Settings
from tip_assets.tracking.registry import CHAMPION
from tip_assets_tests.support.processes import Point, finish, log_of, start
from tip_assets_tests.support.visible_state import visible_state

QUICK = {"TIPS_TRIALS": "4"}


REGISTRY = "tip_assets.tracking.registry:ModelRegistry"
STORE = "tip_assets.metric_store.store:MetricStore"
FILES = "tip_assets.runtime.io_managers"
LOGGING = "tip_assets.tracking.runs"
RAW = "tip_assets.assets.raw_tips"
# Kills that follow one another: each rerun mends what the kill before has left and is killed later.
# The last is early, so that what the latest has left is as it was when the month is run to its end.
KILLS = [
    [
        Point("search_done_and_not_stored", f"{FILES}:JsonFiles.dump_to_path"),
        Point("model_logged_run_not_ticked_off", f"{LOGGING}.log_model", after=True),
        Point("booster_logged_and_not_stored", f"{FILES}:BoosterFiles.dump_to_path"),
        Point("challenger_named_and_not_stored", f"{REGISTRY}.point", after=True),
        Point("numbers_stored_drift_not_logged", f"{STORE}.replace_month", after=True),
        Point("champion_moved_and_not_recorded", f"{STORE}.record_decision"),
        Point("told_and_run_not_recorded", f"{STORE}.record_run"),
        Point("quarantine_written_rows_not", f"{RAW}.write_atomically", after=True),
        Point("in_the_middle_of_a_file", "tip_assets.runtime.storage:os.fsync", nth=3),
    ],
    [
        Point("amid_the_logging_of_trials", "tip_assets.tracking.worker:TrialLog.finish"),
        Point("version_registered_alias_not_moved", f"{REGISTRY}.register", after=True),
        Point("amid_the_reports", f"{FILES}.write_atomically", given="target_drift.html"),
        Point("previous_moved_champion_not", f"{REGISTRY}.point", given=CHAMPION),
        Point("decision_recorded_and_not_stored", f"{STORE}.record_decision", after=True),
        Point("month_done_and_not_reported", "tip_assets.reporting.report_run.report_run"),
        Point("told_and_not_ticked_off", "tip_assets.reporting.outbox:Notifications._mark"),
        Point("before_anything_is_written", f"{RAW}.write_atomically"),
    ],
]


def run(month: str) -> list[str]:
    return ["run", "--month", month]


class Platform:
    """A storage with a champion of 2024-01 and landed files of 2024-02, to be put back and run."""

    def __init__(self, folder: Path) -> None:
        self.storage, self.kept = folder / "storage", folder / "kept"
        self.looks = count(1)
        storage = UPath(self.storage)
        # A champion of few rows: with more of the same a challenger is better, and nothing drifts.
        land_generated(storage, "2024-01", 45, 6, UNCHANGED)
        land_generated(storage, "2024-02", 500, 106, UNCHANGED)
        assert finish(start(self.storage, run("2024-01"), **QUICK)) == 0, self.log()
        shutil.copytree(self.storage, self.kept)
        self.undisturbed = self.run()
        assert self.undisturbed["aliases"] == {"challenger": 2, "champion": 2, "previous": 1}

    def log(self) -> str:
        return log_of(self.storage).read_text()

    def run(self, kills: Sequence[Point] = ()) -> dict:
        """From the first month on, run the second, killed at these; gives what is to see."""
        shutil.rmtree(self.storage)
        shutil.copytree(self.kept, self.storage)
        for killed_at in kills:
            killed = finish(start(self.storage, run("2024-02"), killed_at, **QUICK))
            assert killed == -signal.SIGKILL, f"{killed_at.name} was not reached\n{self.log()}"
        assert finish(start(self.storage, run("2024-02"), **QUICK)) == 0, self.log()
        return self.state()

    def state(self) -> dict:
        """What a reader can see, without times and ids."""
        # MLflow keeps its connection to a database: of one that was put back it would show the old.
        copy = self.storage.with_name(f"mlflow-{next(self.looks)}.db")
        with (
            closing(sqlite3.connect(self.storage / "mlflow.db")) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        return visible_state(Settings(storage=str(self.storage)), f"sqlite:///{copy}")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return Platform(tmp_path_factory.mktemp("platform"))


@pytest.mark.slow
@pytest.mark.timeout(1800)  # ten runs of a month, beside other tests
@pytest.mark.parametrize("kills", KILLS, ids=lambda kills: kills[0].name)
def test_the_rerun_of_a_killed_run_ends_like_an_undisturbed_one(platform, kills):
    after = platform.run(kills)
    for kind, seen in platform.undisturbed.items():
        assert after[kind] == seen, kind
