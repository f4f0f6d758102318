"""The metric store's schema: made when it is not there, brought up to date when it is old.

Belongs here: which revision the code needs, and getting there. Does not belong here: the tables
(`tables.py`) or what each revision changes (`migrations/versions`, Alembic's).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import sqlalchemy as sa

from tip_assets.metric_store.tables import metadata

NEWEST = "0007"
# Alembic's own table, in which a database says which revision it has.
_REVISION = sa.Table(
    "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True)
)
_LOCK = 0x7469_7073  # any number, as long as nobody else locks it


class NewerSchema(Exception):
    """The store was written by a newer version of this platform."""


def bring_up_to_date(engine: sa.Engine) -> None:
    """Make or upgrade the tables, in one transaction; a store that is up to date is only asked.

    Processes that find an old store at the same moment upgrade it one after the other. Raises
    NewerSchema when the store is newer than this code.
    """
    with engine.connect() as connection:
        if revision(connection) == NEWEST:
            return
    with _alone(engine) as connection:
        found = revision(connection)
        if found is not None and found > NEWEST:
            raise NewerSchema(
                f"the metric store has schema {found}, this code knows {NEWEST}: update the code"
            )
        if found is None and not sa.inspect(connection).get_table_names():
            _make(connection)
        elif found != NEWEST:
            _upgrade(connection)


def revision(connection: sa.Connection) -> str | None:
    """The revision of a store's tables; None when it has none."""
    if not sa.inspect(connection).has_table(_REVISION.name):
        return None
    return connection.execute(sa.select(_REVISION.c.version_num)).scalar_one_or_none()


def _make(connection: sa.Connection) -> None:
    """The newest tables at once: importing Alembic would cost every first month 0.25 s."""
    metadata.create_all(connection)
    _REVISION.create(connection)
    connection.execute(sa.insert(_REVISION).values(version_num=NEWEST))


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("tip_assets.metric_store") / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, NEWEST)


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that begins when no other process is in one of these."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection
