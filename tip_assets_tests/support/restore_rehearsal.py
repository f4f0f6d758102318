"""A platform is saved, destroyed and brought back: what the platform promised to keep is there.

Belongs here: the rehearsal, on the stack that `deploy/test_stack.py` has lived with, or on a fresh
one (`make rehearse-restore`), and on a folder. Does not belong here: what a backup refuses
(`deploy/test_backup.py`).
"""

import csv
import hashlib
import io
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deploy.backup import Refused
from deploy.backup.restore import restore
from deploy.backup.save import save
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.settings import Settings
from tip_assets.tracking.runs import example_records
from tip_assets_tests.ingestion.test_feedback import predict
from tip_assets_tests.support.stack import StackPlace, land, land_first_days
from tip_assets_tests.support.visible_state import same, visible_state

NEXT = "2024-08"
# What the daemon and the landing sensor write at every look: not kept, made anew.
LOOKS = {
    "dagster": ("job_ticks", "jobs", "instigators", "daemon_heartbeats", "kvs"),
    "metrics": ("landing", "last_look"),
    "mlflow": (),
}

COUNTER = "SELECT pg_catalog.setval('public."
# Four sensors, each of them several times.
LOOKS_ENOUGH = 16


@dataclass(frozen=True)
class Kept:
    """Everything that the platform promised to keep."""

    state: dict[str, Any]
    databases: dict[str, list[str]]
    objects: dict[str, str]
    history: str
    outbox: str


def rehearse(stack: StackPlace, backups: Path) -> None:
    """Save a stack, destroy its folder with databases, bucket and passwords, and bring it back.

    The month after the backup is played twice: before the destruction and after it.
    """
    _live(stack)
    log = PredictionLog(MetricStore(url=stack.settings.metric_store))
    predict(log, "asked", "asked again", at=datetime.now(UTC))
    before = _kept(stack)
    answers = _answers(stack, backups.parent)
    saving = _seconds(lambda: stack.make("backup", str(backups)))
    (backup,) = (path for path in backups.iterdir() if path.is_dir())

    land(stack.settings.storage_root, NEXT)
    stack.tips("run", "--month", NEXT)
    undestroyed = visible_state(stack.settings)

    old = json.loads((stack.folder / "secrets.json").read_text())
    stack.make("down")
    shutil.rmtree(stack.folder)
    restoring = _seconds(lambda: stack.make("restore", str(backup)))
    restored_at = datetime.now(UTC)
    new = json.loads((stack.folder / "secrets.json").read_text())
    assert not set(old.values()) & set(new.values())
    _use_keys(stack)
    _check_that_nothing_runs(stack, restored_at)

    after = _kept(stack)
    for name, lines in before.databases.items():
        assert Counter(after.databases[name]) - Counter(lines) == Counter(), name
        assert Counter(lines) - Counter(after.databases[name]) == Counter(), name
    assert after.objects == before.objects
    assert (after.history, after.outbox) == (before.history, before.outbox)
    same(after.state, before.state)
    assert _answers(stack, backups.parent) == answers

    with pytest.raises(Refused, match=r"the database dagster, .* mlflow, files in s3://"):
        restore(_administrator(stack), backup, replace=False)
    land(stack.settings.storage_root, NEXT)
    stack.tips("run", "--month", NEXT)
    same(visible_state(stack.settings), undestroyed)
    size = sum(path.stat().st_size for path in backup.rglob("*") if path.is_file())
    print(  # noqa: T201 - what `make rehearse-restore` is asked for
        f"\nsaved in {saving:.0f} s: {size / 1e6:.0f} MB, {len(before.objects)} objects; "
        f"a new stack was ready with all of it {restoring:.0f} s after the command"
    )


def rehearse_embedded(settings: Settings, backups: Path) -> None:
    """Save a platform in a folder, remove the folder, and bring it back."""
    before = visible_state(settings)
    backup, _ = save(settings, backups, 0)
    shutil.rmtree(settings.storage)
    restore(settings, backup, replace=False)
    # By another name: of the old one, MLflow keeps a connection to the file that was removed.
    copy = shutil.copy(settings.state_folder / "mlflow.db", backups / "mlflow.db")
    same(visible_state(settings, f"sqlite:///{copy}"), before)


def _live(stack: StackPlace) -> None:
    """A stack that has lived nothing yet lives its first days."""
    store, begun = MetricStore(url=stack.settings.metric_store), datetime.now(UTC)
    if not store.history():
        land_first_days(stack.settings.storage_root)
        stack.tips("backfill")
        stack.start("daemon")
        _check_that_nothing_runs(stack, begun, runs=2)


def _administrator(stack: StackPlace) -> Settings:
    """The settings of the stack with every database, and who may make them."""
    e = stack.environment
    return stack.settings.model_copy(
        update={
            "dagster_storage": e["TIPS_DAGSTER_STORAGE"],
            "dagster_home": e["DAGSTER_HOME"],
            "mlflow_backend": e["MLFLOW_BACKEND_STORE_URI"],
            "postgres_admin": stack.stack.admin_url(),
        }
    )


def _kept(stack: StackPlace) -> Kept:
    root = stack.settings.storage_root
    return Kept(
        state=visible_state(stack.settings),
        databases={name: _lines(stack, name) for name in LOOKS},
        objects={
            name: hashlib.sha256(root.fs.cat_file(name)).hexdigest()
            for name in root.fs.find(root.path)
        },
        history=stack.tips("history"),
        outbox=stack.settings.outbox.read_text(),
    )


def _lines(stack: StackPlace, database: str) -> list[str]:
    """A database as text: tables, keys, counters and rows, in any order."""
    without = LOOKS[database]
    options = [f"--exclude-table-data={table}" for table in without]
    text = stack.dump(database, "--no-owner", "--no-privileges", *options).decode()
    # Newer releases of pg_dump write a word by chance around what psql may not do.
    left_out = ("\\restrict ", "\\unrestrict ", *(f"{COUNTER}{table}_id_seq" for table in without))
    lines = [line for line in text.splitlines() if not line.startswith(left_out)]
    # Postgres words the same list of a check in another way once it has read its own words.
    return sorted(line for line in lines if " CHECK (" not in line)


def _answers(stack: StackPlace, folder: Path) -> list[dict[str, str]]:
    """What the champion predicts, in a process of its own."""
    file = folder / "bills.csv"
    example_records().to_csv(file, index=False)
    printed = stack.tips("predict", str(file))
    table = printed[printed.index("row,") :].split("\n\n")[0]
    answers = [row for row in csv.DictReader(io.StringIO(table)) if row["predicted_tip_usd"]]
    assert len(answers) == len(example_records())
    return answers


def _check_that_nothing_runs(stack: StackPlace, since: datetime, runs: int = 0) -> None:
    """The landing is as it was run, so the sensor that looks at it asks for no further run."""
    ticks = "select count(*) from job_ticks where type = 'SENSOR' and timestamp > :since"
    begun = "select count(*) from runs where create_timestamp > :since"
    engine = sa.create_engine(stack.stack.environment()["TIPS_DAGSTER_STORAGE"])

    def count(query: str) -> int:
        with engine.connect() as connection:
            moment = {"since": since.replace(tzinfo=None)}
            return int(connection.execute(sa.text(query), moment).scalar_one())

    enough = count(ticks) + LOOKS_ENOUGH
    stack.wait("the sensors look", lambda: count(ticks) >= enough)
    assert count(begun) == runs
    stack.stop("daemon")
    engine.dispose()


def _use_keys(stack: StackPlace) -> None:
    """This process, too, learns of the new stack's keys."""
    import boto3
    import s3fs

    os.environ.update({k: v for k, v in stack.environment.items() if k.startswith("AWS_")})
    boto3.DEFAULT_SESSION = None
    s3fs.S3FileSystem.clear_instance_cache()


def _seconds(what: Callable[[], object]) -> float:
    begun = time.monotonic()
    what()
    return time.monotonic() - begun
