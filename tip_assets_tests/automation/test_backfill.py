"""Months launched by commands, at once or newest first, end as if run one after the other."""

import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from upath import UPath

from tip_assets.cli.run_month import in_order
from tip_assets.ingestion.simulate import Change, land_generated, land_sample
from tip_assets.partitions import month_after
from tip_assets.settings import Settings
from tip_assets_tests.support.processes import call, environment_of, finish, log_of, start
from tip_assets_tests.support.visible_state import same, visible_state

MONTHS = [month_after("2024-01", place) for place in range(3)]
# Champions grow old soon, so that they change often.
QUICK = {"TIPS_TRIALS": "4", "TIPS_MAX_CHAMPION_AGE_MONTHS": "1"}
# Many generous guests: some challengers win, others do not, and the order decides which.
GENEROSITY, ROWS = {"2024-02": 2.0}, {"2024-02": 500}


def landed(folder: Path) -> Path:
    """A storage in which months have landed and nothing was run: not even a database is there."""
    storage = folder / "storage"
    land_sample(UPath(storage), MONTHS[0])
    for seed, month in enumerate(MONTHS[1:], start=1):
        change = Change(generosity=GENEROSITY.get(month, 1.0))
        land_generated(UPath(storage), month, ROWS.get(month, 120), seed, change)
    return storage


def history(storage: Path) -> list[tuple]:
    """Who served after each month's decision, in the order they were made."""
    with sqlite3.connect(Settings(storage=str(storage)).state_folder / "metrics.db") as connection:
        return connection.execute(
            "select month, action, challenger, champion_before, champion_after, reason "
            "from champion_history order by at"
        ).fetchall()


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage whose months were run oldest first."""
    storage = landed(tmp_path_factory.mktemp("one by one"))
    done = call(["backfill"], environment_of(storage, **QUICK))
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert [row[0] for row in history(storage)] == MONTHS
    assert len({row[4] for row in history(storage)}) > 1, "the champion never changes"
    return storage


def assert_ends_like(storage: Path, expected: Path) -> None:
    """The champion's history in its order; the registry, aliases, files, rows and messages."""
    assert history(storage) == history(expected)
    states = (visible_state(Settings(storage=str(place))) for place in (storage, expected))
    same(*states)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_months_at_once_in_any_order_end_like_month_by_month(tmp_path, one_by_one):
    storage = landed(tmp_path)
    shuffled = random.Random(5).sample(MONTHS, len(MONTHS))
    processes = [start(storage, ["run", "--month", month], **QUICK) for month in shuffled]
    # One after the other, each with the months before it: up to six months.
    codes = [finish(process, seconds=1000) for process in processes]
    assert set(codes) <= {0, 3}, log_of(storage).read_text()
    assert_ends_like(storage, one_by_one)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_months_newest_first_end_like_month_by_month(tmp_path, one_by_one):
    storage = landed(tmp_path)
    for month in reversed(MONTHS):
        done = call(["run", "--month", month], environment_of(storage, **QUICK))
        assert done.returncode in (0, 3), done.stdout + done.stderr
        assert [row[0] for row in history(storage)] == MONTHS, "earlier months go first"
    assert_ends_like(storage, one_by_one)


HOLD = """import sys, time
from tip_assets.cli.run_month import in_order
from tip_assets.settings import Settings
with in_order(Settings(storage=sys.argv[1]), "2024-02") as months:
    print(*months, flush=True)
    time.sleep(300)
"""


def test_a_command_waits_for_another_until_that_one_ends_or_is_killed(tmp_path, capfd):
    storage = landed(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, storage],
        env=environment_of(storage),
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().split() == MONTHS[:2]
        threading.Timer(2, other.kill).start()
        with in_order(Settings(storage=str(storage)), MONTHS[2]) as months:
            assert other.poll() is not None
            assert months == MONTHS
    assert "Another command is running a month" in capfd.readouterr().err
