"""Create or upgrade the metric store's schema to the revision that the code needs.

The tables are in `tables.py`, Alembic's revisions in `migrations/versions`. A revision's first two
digits are its major: within a major, revisions only add what older code need not write, so that the
code of an earlier release runs on the tables of a later one. A revision that removes or renames
something begins the next major.
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


class UnusableSchema(Exception):
    """This code cannot use the store's tables."""


class NewerSchema(UnusableSchema):
    """The store has a newer major than this code."""


class OutdatedSchema(UnusableSchema):
    """The store lacks tables or columns, and the user may not create them."""


def bring_up_to_date(engine: sa.Engine) -> None:
    """Create or upgrade the tables in one transaction; a store that needs neither is only queried.

    Processes that find an old store at the same time upgrade it one after the other. Raises
    NewerSchema when the store has a newer major than this code, OutdatedSchema when the user may
    not upgrade it.
    """
    with engine.connect() as connection:
        if _serves(revision(connection)):
            return
    with _alone(engine) as connection:
        found = revision(connection)
        if _serves(found):
            return
        if not _may_create_tables(connection):
            raise OutdatedSchema(
                f"the metric store has {f'schema {found}' if found else 'no schema'}, this code "
                f"needs {NEWEST}, and this user may not change it: run `tips databases`"
            )
        if found is None and not sa.inspect(connection).get_table_names():
            _make(connection)
        else:
            _upgrade(connection)


def is_too_new(found: str) -> bool:
    """Return whether a revision has a newer major than this code."""
    return found[:2] > NEWEST[:2]


def _serves(found: str | None) -> bool:
    """Return whether the code runs on a revision as it is. Raises NewerSchema."""
    if found is not None and is_too_new(found):
        raise NewerSchema(
            f"the metric store has schema {found}, this code knows {NEWEST}: update the code"
        )
    return found is not None and found >= NEWEST


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
