"""A backup of a platform on files and SQLite: whole or none, and put back only where it belongs.

That a whole platform on real servers is brought back is shown in `deploy/test_stack.py`.
"""

import json
import os
import shutil
import sqlite3
from contextlib import closing

import dagster as dg
import pytest
import sqlalchemy as sa

from deploy.backup import Refused
from deploy.backup.manifest import read_manifest
from deploy.backup.restore import restore
from deploy.backup.save import forget, save
from tip_assets.ingestion.landing import landing_digests
from tip_assets.ingestion.simulate import land_sample
from tip_assets.metric_store.store import MetricStore
from tip_assets.metric_store.tables import dataset_drift
from tip_assets.runtime.instance import prepare_instance
from tip_assets.settings import Settings
from tip_assets.tracking.connection import prepare_tracking_database

LATE = "landing/2024-01/late.csv"


@pytest.fixture
def settings(tmp_path) -> Settings:
    """A platform on which a month has landed."""
    made = Settings(storage=str(tmp_path / "data"))
    land_sample(made.storage_root, "2024-01")
    prepare_tracking_database(made.tracking_uri)
    prepare_instance(made)
    _ = MetricStore(url=made.metric_store_url).engine
    made.outbox.write_text("{}\n")
    return made


@pytest.fixture
def backups(tmp_path):
    return tmp_path / "backups"


def files_of(settings):
    """The bytes of each file; SQLite may write the same rows in other bytes."""
    return {
        str(path.relative_to(settings.storage)): path.read_bytes()
        for path in settings.storage_root.rglob("*")
        if path.is_file() and not path.name.endswith((".lock", ".db", "-wal", "-shm", ".log"))
    }


def test_rows_that_are_still_in_a_log_are_saved(settings, backups):
    with closing(sqlite3.connect(settings.state_folder / "metrics.db")) as writer:
        writer.execute("pragma journal_mode = wal")
        writer.execute("insert into dataset_drift values ('2024-01', 7, 0, 0, 0, 9, 9, null)")
        writer.commit()
        assert (settings.state_folder / "metrics.db-wal").stat().st_size > 0
        backup, manifest = save(settings, backups, 0)
    assert not [name for name in manifest.files if name.endswith(("-wal", "-shm", ".lock"))]
    before, landed = files_of(settings), landing_digests(settings.storage_root)
    shutil.rmtree(settings.storage)
    restore(settings, backup, replace=False)
    assert files_of(settings) == before
    assert landing_digests(settings.storage_root) == landed  # else every month would run again
    (row,) = MetricStore(url=settings.metric_store_url).select(sa.select(dataset_drift))
    assert (row["month"], row["columns"]) == ("2024-01", 7)


def test_a_damaged_backup_is_refused_before_anything_is_touched(settings, backups):
    backup, manifest = save(settings, backups, 0)
    before = files_of(settings)
    damaged = next(name for name in manifest.files if name.endswith(".csv"))
    (backup / damaged).write_bytes((backup / damaged).read_bytes()[:-1])
    with pytest.raises(Refused, match=f"{damaged} is not what was written"):
        restore(settings, backup, replace=True)
    (backup / damaged).unlink()
    with pytest.raises(Refused, match=f"{damaged} is missing"):
        restore(settings, backup, replace=True)
    (backup / "manifest.json").unlink()
    with pytest.raises(Refused, match="is no backup"):
        restore(settings, backup, replace=True)
    assert files_of(settings) == before


def test_landing_files_belong_to_their_producers(settings, backups):
    backup, _ = save(settings, backups, 0)
    own = settings.storage_root / "landing/2024-01"
    (changed,) = own.iterdir()
    changed.write_text("changed since")
    (settings.storage_root / LATE).write_text("landed since")
    with pytest.raises(Refused, match=r"files in .* already: use --replace"):
        restore(settings, backup, replace=False)
    _, kept = restore(settings, backup, replace=True)
    assert kept == [f"landing/2024-01/{changed.name}"]
    assert changed.read_text() == "changed since"
    assert (settings.storage_root / LATE).read_text() == "landed since"


def test_a_backup_goes_to_its_own_place_and_no_older_code(settings, backups, tmp_path):
    backup, _ = save(settings, backups, 0)
    elsewhere = Settings(storage=str(tmp_path / "elsewhere"))
    with pytest.raises(Refused, match="MLflow names its artifacts by that place"):
        restore(elsewhere, backup, replace=False)
    told = json.loads((backup / "manifest.json").read_text())
    (backup / "manifest.json").write_text(json.dumps(told | {"schema": "9999"}))
    with pytest.raises(Refused, match=r"schema 9999.*update the code"):
        restore(settings, backup, replace=True)
    assert not (tmp_path / "elsewhere").exists()


def test_databases_are_saved_between_runs(settings, backups):
    prepare_instance(settings)
    with dg.DagsterInstance.get() as instance:
        run = instance.create_run_for_job(
            dg.job(name="month")(lambda: None), status=dg.DagsterRunStatus.STARTED
        )
        with pytest.raises(Refused, match=f"run {run.run_id} has not ended within 0 s"):
            save(settings, backups, 0)
        assert not list(backups.glob("*/manifest.json"))
        instance.report_run_failed(run)
    backup, _ = save(settings, backups, 0)
    assert read_manifest(backup).storage == settings.storage


def test_what_a_backup_would_miss_is_named(settings, backups, tmp_path, monkeypatch):
    server = settings.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:5000"})
    with pytest.raises(Refused, match="set MLFLOW_BACKEND_STORE_URI"):
        save(server, backups, 0)
    outside = settings.model_copy(update={"metric_store": f"sqlite:///{tmp_path}/other.db"})
    with pytest.raises(Refused, match=r"metrics \(.*other.db\) is outside"):
        save(outside, backups, 0)
    monkeypatch.setitem(os.environ, "MLFLOW_DEFAULT_ARTIFACT_ROOT", "s3://another/bucket")
    with pytest.raises(Refused, match=r"MLflow's artifacts .* are outside"):
        save(settings, backups, 0)


def test_a_backup_does_not_go_into_what_it_saves(settings):
    with pytest.raises(Refused, match="is in a saved folder"):
        save(settings, settings.state_folder / "backups", 0)
    assert not (settings.state_folder / "backups").exists()


def test_only_the_newest_backups_are_kept(backups):
    for day in ("01", "02", "03"):
        (backups / f"202401{day}T000000Z").mkdir(parents=True)
        (backups / f"202401{day}T000000Z" / "manifest.json").touch()
    (backups / "mine").mkdir()
    forget(backups, keep=2)
    assert sorted(path.name for path in backups.iterdir()) == [
        "20240102T000000Z",
        "20240103T000000Z",
        "mine",
    ]
