"""Months launched at once, in any order, end as if run one after the other."""

import random
import sqlite3
from pathlib import Path

import pytest
from upath import UPath

from tip_assets.ingestion.simulate import Change, land_generated, land_sample
from tip_assets.partitions import month_after
from tip_assets.settings import Settings
from tip_assets_tests.support.processes import call, environment_of, finish, log_of, start

MONTHS = [month_after("2024-01", place) for place in range(3)]
# Champions grow old soon, so that they change often.
QUICK = {"TIPS_TRIALS": "4", "TIPS_CHAMPION_MAX_AGE_MONTHS": "1"}
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


def files(storage: Path, asset: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((storage / "assets" / asset).glob("*.json"))]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_months_at_once_in_any_order_end_like_month_by_month(tmp_path):
    in_order, at_once = landed(tmp_path / "in order"), landed(tmp_path / "at once")
    done = call(["backfill"], environment_of(in_order, **QUICK))
    assert done.returncode in (0, 3), done.stdout + done.stderr

    shuffled = random.Random(5).sample(MONTHS, len(MONTHS))
    processes = [start(at_once, ["run", "--month", month], **QUICK) for month in shuffled]
    codes = [finish(process) for process in processes]
    assert set(codes) <= {0, 3}, log_of(at_once).read_text()

    assert [row[0] for row in history(at_once)] == MONTHS
    assert history(at_once) == history(in_order)
    assert len({row[4] for row in history(in_order)}) > 1, "the champion never changes"
    for asset in ("registered_model", "drift_metrics", "production_model"):
        assert files(at_once, asset) == files(in_order, asset)
