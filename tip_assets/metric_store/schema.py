"""Create or upgrade the metric store's schema to the revision that the code needs.

The tables are in `tables.py`, Alembic's revisions in `migrations/versions`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import sqlalchemy as sa

from tip_assets.metric_store.tables import metadata

NEWEST = "0007"
# Alembic's own table, which holds a database's revision.
_REVISION = sa.Table(
    "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True)
)
_LOCK = 0x7469_7073  # any number that nothing else locks


class NewerSchema(Exception):
    """The store was written by a newer version of this platform."""


class OutdatedSchema(Exception):
    """The store lacks tables or columns, and the user may not create them."""


def bring_up_to_date(engine: sa.Engine) -> None:
    """Create or upgrade the tables in one transaction; a current store is only queried.

    Processes that find an old store at the same time upgrade it one after the other. Raises
    NewerSchema when the store is newer than this code, OutdatedSchema when the user may not
    upgrade it.
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
        if found != NEWEST and not _may_create_tables(connection):
            raise OutdatedSchema(
                f"the metric store has {f'schema {found}' if found else 'no schema'}, this code "
                f"needs {NEWEST}, and this user may not change it: run `tips databases`"
            )
        if found is None and not sa.inspect(connection).get_table_names():
            _make(connection)
        elif found != NEWEST:
            _upgrade(connection)


def revision(connection: sa.Connection) -> str | None:
    """Return the revision of a store's tables; None if it has none."""
    if not sa.inspect(connection).has_table(_REVISION.name):
        return None
    return connection.execute(sa.select(_REVISION.c.version_num)).scalar_one_or_none()


def _may_create_tables(connection: sa.Connection) -> bool:
    if connection.dialect.name == "sqlite":
        return True
    query = sa.text("select has_schema_privilege(current_schema(), 'create')")
    return bool(connection.execute(query).scalar_one())


def _make(connection: sa.Connection) -> None:
    """Create the newest tables at once: importing Alembic would cost every first month 0.25 s."""
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
    """Begin a transaction that no other upgrading process shares."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection
