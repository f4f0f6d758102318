"""A metric store of any age becomes today's, once, and keeps its rows."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tip_assets.ingestion.landing import Landed
from tip_assets.ingestion.landing_log import LandingLog, unprocessed
from tip_assets.metric_store import schema
from tip_assets.metric_store.schema import NEWEST, NewerSchema, bring_up_to_date
from tip_assets.metric_store.store import MetricStore
from tip_assets.metric_store.tables import metadata

MIGRATIONS = Path(__file__).parents[2] / "tip_assets" / "metric_store" / "migrations"
REVISIONS = [f.name[:4] for f in sorted((MIGRATIONS / "versions").glob("0*.py"))]
DECISION = {
    "cause": "decision 2024-01 version 1",
    "month": "2024-01",
    "action": "promoted",
    "reason": "first",
}


def alembic(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def differences(engine: sa.Engine) -> list:
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), metadata)


@pytest.fixture
def engine(tmp_path):
    made = sa.create_engine(f"sqlite:///{tmp_path}/metrics.db")
    yield made
    made.dispose()


def test_the_code_knows_the_newest_revision():
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [NEWEST]
    assert REVISIONS[-1] == NEWEST


@pytest.mark.parametrize(
    ("revision", "stamped"), [*((r, True) for r in REVISIONS), (REVISIONS[0], False)]
)
def test_an_old_store_is_upgraded_and_keeps_its_rows(engine, revision, stamped):
    with engine.begin() as connection:
        command.upgrade(alembic(connection), revision)
        row = ", ".join(f"'{value}'" for value in DECISION.values())
        names = ", ".join(DECISION)
        connection.execute(
            sa.text(
                f"insert into champion_history ({names}, at) values ({row}, '2024-02-01 00:00:00')"
            )
        )
        if not stamped:  # from before there were revisions
            connection.execute(sa.text("drop table alembic_version"))
            connection.execute(sa.text("drop table group_quality"))  # the oldest had none
    bring_up_to_date(engine)
    assert differences(engine) == []
    (kept,) = MetricStore(url=str(engine.url)).history()
    assert DECISION.items() <= kept.items()


def test_months_that_were_run_before_there_were_digests_do_not_wait(engine):
    landed = datetime(2024, 2, 1, tzinfo=UTC)
    with engine.begin() as connection:
        command.upgrade(alembic(connection), "0004")
        for statement in (
            "insert into landing (month, files, at) values ('2024-01', 1, '2024-02-01'),"
            " ('2024-02', 1, '2024-02-01')",
            "insert into run_outcome (run_id, month, job, status, ended_at)"
            " values ('run', '2024-01', 'monthly', 'SUCCESS', '2024-02-02 00:00:00')",
        ):
            connection.execute(sa.text(statement.replace("-01')", "-01 00:00:00')")))
    store = MetricStore(url=str(engine.url))
    for _ in ("as upgraded", "as the sensor sees it"):
        assert unprocessed(store.select) == {"2024-02": landed}
        files = {month: Landed(month, 1, landed) for month in ("2024-01", "2024-02")}
        LandingLog(store).record_check(files)
    assert unprocessed(store.select) == {"2024-02": landed}


def test_a_new_store_is_that_of_all_revisions(engine):
    bring_up_to_date(engine)
    assert differences(engine) == []
    with engine.connect() as connection:
        version = connection.execute(sa.text("select version_num from alembic_version"))
        assert version.scalar_one() == NEWEST


NEXT_MAJOR = f"{int(NEWEST[:2]) + 1:02}00"


@pytest.mark.parametrize("newer", [NEXT_MAJOR, "9999"])
def test_a_store_of_a_newer_major_is_left_alone(engine, newer):
    bring_up_to_date(engine)
    with engine.begin() as connection:
        connection.execute(sa.text(f"update alembic_version set version_num = '{newer}'"))
    with pytest.raises(NewerSchema, match=rf"has schema {newer}.*update the code"):
        bring_up_to_date(engine)


@pytest.mark.parametrize("revision", [None, REVISIONS[0]], ids=["empty", "old"])
def test_many_who_start_at_once_make_it_once(engine, revision, tmp_path, monkeypatch):
    all_have_looked, seen, made = threading.Barrier(8), threading.local(), []
    look, work = schema.revision, "_upgrade" if revision else "_make"
    do = getattr(schema, work)

    def look_together(connection: sa.Connection) -> str | None:
        found = look(connection)
        if not hasattr(seen, "store"):
            seen.store = found
            all_have_looked.wait(20)
        return found

    def do_slowly(connection: sa.Connection) -> None:
        made.append(work)
        time.sleep(0.2)
        do(connection)

    monkeypatch.setattr(schema, "revision", look_together)
    monkeypatch.setattr(schema, work, do_slowly)
    if revision:
        with engine.begin() as connection:
            command.upgrade(alembic(connection), revision)
    # As processes do: Python lets one thread at a time make a cached property, of any object.
    opened = MetricStore.__dict__["engine"].func
    stores = [MetricStore(url=f"sqlite:///{tmp_path}/metrics.db") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for made_engine in pool.map(opened, stores):
            made_engine.dispose()
    monkeypatch.undo()
    assert stores[0].history() == []
    assert len(made) == 1
    assert differences(engine) == []
