"""Code of one release runs on the tables of a later one, within a major of the schema.

A deployment upgrades the tables while the code before it still runs, and a code that fails is
rolled back without them.
"""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from tip_assets.metric_store.schema import NEWEST, bring_up_to_date
from tip_assets.metric_store.store import MetricStore
from tip_assets.metric_store.tables import drift, metadata, run_outcome
from tip_assets.settings import Settings
from tip_assets_tests.metric_store.test_schema import alembic
from tip_assets_tests.support.processes import environment_of

ROOT = Path(__file__).parents[2]
# The newest commit with the schema before today's, or with today's while a major has one revision.
LAST_RELEASE = "a2431d72c9f35846bee5769cf31cb6637758a512"
# Revisions before this one did not keep the rule.
RULE_SINCE = "0007"
MONTH = "2024-01"


def engine_of(path: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{path}")


def breaking_changes(old: sa.Engine, new: sa.Engine) -> list[str]:
    """What code that is written for the old tables could not do with the new ones."""
    before, after = sa.inspect(old), sa.inspect(new)
    found = []
    for table in before.get_table_names():
        if not after.has_table(table):
            found.append(f"{table} is gone")
            continue
        known = {column["name"]: column for column in before.get_columns(table)}
        columns = {column["name"]: column for column in after.get_columns(table)}
        found += [f"{table}.{name} is gone" for name in known.keys() - columns.keys()]
        for name, column in columns.items():
            required = not column["nullable"] and column["default"] is None
            if name not in known:
                found += [f"{table}.{name} must be written"] if required else []
            elif str(column["type"]) != str(known[name]["type"]):
                found.append(f"{table}.{name} has another type")
            elif required and known[name]["nullable"]:
                found.append(f"{table}.{name} must be written")
        key = "constrained_columns"
        if before.get_pk_constraint(table)[key] != after.get_pk_constraint(table)[key]:
            found.append(f"{table} has another key")
    return found


def test_revisions_of_a_major_only_add(tmp_path):
    old, new = engine_of(tmp_path / "old.db"), engine_of(tmp_path / "new.db")
    with old.begin() as connection:
        command.upgrade(alembic(connection), max(RULE_SINCE, f"{NEWEST[:2]}00"))
    bring_up_to_date(new)
    assert breaking_changes(old, new) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("alter table drift add column more varchar(20)", []),
        ("alter table drift add column more int not null default 0", []),
        ("create table more (x int not null)", []),
        ("alter table drift rename column test to tests", ["drift.test is gone", "must be"]),
        ("alter table drift drop column score", ["drift.score is gone"]),
        ("drop table drift", ["drift is gone"]),
        (
            "drop table last_look; create table last_look"
            " (place varchar(20) primary key, at datetime not null, who int not null)",
            ["last_look.who must be written"],
        ),
        (
            "drop table last_look; create table last_look"
            " (place varchar(20), at datetime not null, primary key (place, at))",
            ["last_look has another key"],
        ),
        (
            "drop table last_look; create table last_look"
            " (place varchar(20) primary key, at int not null)",
            ["last_look.at has another type"],
        ),
    ],
)
def test_breaking_changes_are_found(tmp_path, statement, found):
    old, new = engine_of(tmp_path / "old.db"), engine_of(tmp_path / "new.db")
    for engine in (old, new):
        bring_up_to_date(engine)
    with new.begin() as connection:
        for part in statement.split(";"):
            connection.execute(sa.text(part))
    changes = breaking_changes(old, new)
    assert len(changes) == len(found)
    assert all(words in change for words, change in zip(found, changes, strict=True))


def later_schema(engine: sa.Engine) -> None:
    """Make tables as a later release of this major may make them."""
    bring_up_to_date(engine)
    with engine.begin() as connection:
        for table in metadata.tables:
            for column in ("later varchar(20)", "counted int not null default 0"):
                connection.execute(sa.text(f"alter table {table} add column {column}"))
        connection.execute(sa.text("create table later (x int not null)"))
        stamp = sa.text("update alembic_version set version_num = :number")
        connection.execute(stamp, {"number": f"{NEWEST[:2]}99"})


def last_release(folder: Path) -> Path:
    """Return a folder with the code of the last release, taken from git."""
    archive = ["git", "archive", "--format=zip", LAST_RELEASE, "tip_assets", "app"]
    done = subprocess.run(archive, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"git does not have the last release: {done.stderr.decode().strip()}")
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as files:
        files.extractall(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code_in", "prepare"),
    [(last_release, bring_up_to_date), (lambda _: ROOT, later_schema)],
    ids=["last release on these tables", "this release on later tables"],
)
def test_a_month_runs_on_tables_of_a_later_release(
    code_in: Callable[[Path], Path], prepare: Callable[[sa.Engine], None], tmp_path: Path
) -> None:
    code = code_in(tmp_path / "code")
    settings = Settings(storage=str(tmp_path / "data"))
    Path(settings.state_folder).mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(settings.metric_store_url)
    prepare(engine)
    with engine.connect() as connection:
        stamped = connection.execute(sa.text("select * from alembic_version")).all()
    program = "import tip_assets, sys; print(tip_assets.__file__); from tip_assets.cli import main"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; main()", "run", "--month", MONTH, "--sample"],
        env=environment_of(tmp_path / "data", TIPS_TRIALS="2", PYTHONPATH=str(code)),
        cwd=code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{code}/tip_assets/"), done.stdout
    with engine.connect() as connection:
        assert connection.execute(sa.text("select * from alembic_version")).all() == stamped
    store = MetricStore(url=settings.metric_store_url)
    (decision,) = store.history()
    assert (decision["month"], decision["action"]) == (MONTH, "promoted")
    (outcome,) = store.select(sa.select(run_outcome))
    assert (outcome["status"], outcome["failure"]) == ("SUCCESS", None)
    assert len(store.select(sa.select(drift))) > 0
    assert len(store.checks(MONTH)) > 0
    assert json.loads(settings.outbox.read_text().splitlines()[0])["month"] == MONTH
