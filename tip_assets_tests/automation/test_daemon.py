"""The schedule's and the sensors' world for real: `dagster dev` with its daemon, on a folder.

A month lands, many files land at once, two months land together, everything is killed in the
middle and started again, an old month gets a late file. Nobody types a command.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from upath import UPath

from tip_assets.ingestion.landing import landing_folder
from tip_assets.ingestion.simulate import UNCHANGED, generate, land_generated, land_sample
from tip_assets.metric_store.store import MetricStore
from tip_assets.reporting.outbox import notifications
from tip_assets.reporting.run_facts import PARTITION_TAG
from tip_assets.runtime.instance import prepare_instance
from tip_assets.settings import Settings
from tip_assets_tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
WITHIN_SECONDS = 300


class Daemon:
    """`dagster dev` on a storage of its own, and what it has done."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(storage=str(folder / "storage"))
        self.storage = UPath(folder / "storage")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("TIPS_", "DAGSTER_"))}
        prepare_instance(self.settings)
        self.environment = clean | {
            "TIPS_STORAGE": str(folder / "storage"),
            "TIPS_TRIALS": "4",
            "TIPS_LANDING_CHECK_SECONDS": "3",
            "DAGSTER_HOME": str(self.settings.dagster_folder),
        }
        self.instance = dg.DagsterInstance.get()
        self.log = folder / "log"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [Path(sys.executable).parent / "dagster", "dev", "-w", "workspace.yaml"]
        with self.log.open("a") as output:
            self.process = subprocess.Popen(
                [*command, "-p", str(free_port()), "-h", "127.0.0.1"],
                env=self.environment,
                cwd=ROOT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def stop(self, with_signal: signal.Signals) -> None:
        """End it and everything that it has started."""
        if self.process is not None:
            os.killpg(self.process.pid, with_signal)
            self.process.wait(60)
            self.process = None

    def runs(self, month: str) -> list[dg.DagsterRun]:
        """The runs of a month, oldest first."""
        found = self.instance.get_runs(filters=dg.RunsFilter(tags={PARTITION_TAG: month}))
        return list(reversed(found))

    def endings(self, month: str) -> list[tuple[str, str]]:
        return [(run.job_name.removesuffix("_job"), run.status.value) for run in self.runs(month)]

    def tips(self, *words: str) -> int:
        """Run the command line on the same platform; returns its exit code."""
        command = [Path(sys.executable).parent / "tips", *words]
        with self.log.open("a") as output:
            done = subprocess.run(
                command, env=self.environment, stdout=output, stderr=output, check=False
            )
        return done.returncode

    def wait(self, what: str, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_SECONDS
        while not until():
            assert time.monotonic() < deadline, f"{what}\n{self.log.read_text()[-5000:]}"
            time.sleep(0.5)

    def wait_for(self, month: str, *endings: tuple[str, str]) -> None:
        self.wait(
            f"{month}: {endings}, not {self.endings(month)}",
            lambda: self.endings(month) == list(endings),
        )


WHOLE = ("monthly_retraining", "SUCCESS")


@pytest.fixture
def daemon(tmp_path):
    made = Daemon(tmp_path)
    yield made
    made.stop(signal.SIGKILL)
    made.instance.dispose()
    os.environ.pop("DAGSTER_HOME", None)


@pytest.mark.services
@pytest.mark.timeout(900)
def test_nobody_has_to_look_for_the_right_thing_to_happen(daemon):
    land_sample(daemon.storage, "2024-01")
    for folder in ("2024-13", "2999-01"):
        land_generated(daemon.storage, folder, 5, 1, UNCHANGED)
    daemon.start()
    daemon.wait_for("2024-01", WHOLE)

    # A thousand files at once, and the month after them: two runs, in order.
    rows = generate(1000, 2, UNCHANGED)
    elsewhere = daemon.storage / "elsewhere"
    Path(elsewhere).mkdir()
    for number in range(1000):
        one = rows.iloc[[number]].to_csv(index=False)
        Path(elsewhere / f"{number}.csv").write_text(one)
    Path(elsewhere).rename(Path(landing_folder(daemon.storage, "2024-02")))
    land_generated(daemon.storage, "2024-03", 244, 3, UNCHANGED)

    # Everything is killed while the first is being run and the second waits; then started again.
    daemon.wait(
        "2024-02 runs", lambda: ("monthly_retraining", "STARTED") in daemon.endings("2024-02")
    )
    daemon.wait("2024-03 waits", lambda: daemon.endings("2024-03") != [])
    daemon.stop(signal.SIGKILL)
    daemon.start()
    daemon.wait_for("2024-02", ("monthly_retraining", "FAILURE"), WHOLE)
    daemon.wait("2024-03 is done", lambda: WHOLE in daemon.endings("2024-03"))
    history = MetricStore(url=daemon.settings.metric_store_url).history()
    assert [row["month"] for row in history] == ["2024-01", "2024-02", "2024-03"]
    assert [row["at"] for row in history] == sorted(row["at"] for row in history)
    kept = pd.read_parquet(Path(daemon.storage / "assets" / "raw_tips" / "2024-02.parquet"))
    assert kept["source_file"].nunique() == 1000

    # A late file for an old month: its rows anew, the newest month again, no model of the old one.
    before = len(daemon.runs("2024-03"))
    land_generated(daemon.storage, "2024-01", 40, 9, UNCHANGED)
    daemon.wait_for("2024-01", WHOLE, ("ingestion", "SUCCESS"))
    daemon.wait("2024-03 again", lambda: len(daemon.runs("2024-03")) == before + 1)
    daemon.wait("2024-03 is done", lambda: daemon.endings("2024-03")[-1] == WHOLE)

    # The same bytes again change nothing; what is no month was reported and never run.
    landed = landing_folder(daemon.storage, "2024-01") / "generated-seed9.csv"
    kept_as = Path(landed).stat()
    shutil.copy2(landed, daemon.storage / "copy")
    Path(daemon.storage / "copy").rename(landed)
    os.utime(landed, ns=(kept_as.st_atime_ns, kept_as.st_mtime_ns))
    runs = daemon.instance.get_runs_count()
    time.sleep(8)
    assert daemon.instance.get_runs_count() == runs
    assert daemon.runs("2024-13") == daemon.runs("2999-01") == []

    # People were notified once; also of the run that was killed.
    daemon.wait("people are notified", lambda: len(kinds(daemon)) >= 9)
    sent = kinds(daemon)
    assert sent.count("training") == sent.count("drift") == 4
    assert sent.count("failure") == 1


@pytest.mark.services
@pytest.mark.timeout(900)
def test_a_drain_lets_the_running_month_end_and_holds_the_next(daemon):
    def sensors() -> dict[str, str]:
        states = daemon.instance.all_instigator_state()
        return {state.name: state.status.value for state in states}

    daemon.start()
    daemon.wait("sensors are on", lambda: "landing_sensor" in sensors())
    land_sample(daemon.storage, "2024-01")
    running = ("monthly_retraining", "STARTED")
    daemon.wait("2024-01 runs", lambda: running in daemon.endings("2024-01"))
    assert daemon.tips("drain", "--wait", "0") == 1  # the month runs still: nothing is held
    before = sensors()
    assert daemon.tips("drain", "--wait", "200") == 0
    assert daemon.endings("2024-01") == [WHOLE]

    land_generated(daemon.storage, "2024-02", 244, 2, UNCHANGED)
    held = [("monthly_retraining", "QUEUED")]
    daemon.wait("2024-02 is requested", lambda: daemon.endings("2024-02") == held)
    assert daemon.tips("run", "--month", "2024-02") == 1
    time.sleep(10)
    assert daemon.endings("2024-02") == held
    assert daemon.tips("resume") == 0
    daemon.wait_for("2024-02", WHOLE)
    assert sensors() == before


def kinds(daemon: Daemon) -> list[str]:
    sent = notifications(daemon.settings).sent()
    return [row["kind"] for row in sent if row["delivered_at"]]
