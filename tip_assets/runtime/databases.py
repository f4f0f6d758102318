"""Create the databases and users of a Postgres server that the settings name; upgrade the schemas.

Each tool owns one database and cannot connect to the others. The reader may only select from the
metric store. Everything here can be repeated at any time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import sqlalchemy as sa
from psycopg2.extensions import encrypt_password

from tip_assets.metric_store.store import MetricStore
from tip_assets.runtime.instance import prepare_instance
from tip_assets.settings import Settings
from tip_assets.tracking.connection import prepare_tracking_database

_DEFAULT_DATABASE = "postgres"


def prepare_databases(settings: Settings) -> None:
    """Create missing databases and upgrade all schemas.

    Without an administrator's URL the databases must exist.
    """
    owners = [settings.dagster_storage, settings.mlflow_backend, settings.metric_store]
    if settings.postgres_admin:
        create_databases(
            settings.postgres_admin, [url for url in owners if url], settings.metric_reader
        )
    _ = MetricStore(url=settings.metric_store_url).engine  # upgrades its schema
    _upgrade_dagster(settings)
    mlflow = settings.mlflow_backend or settings.tracking_uri
    if "://" in mlflow and not mlflow.startswith("http"):  # else its server upgrades it
        prepare_tracking_database(mlflow)
        _upgrade_mlflow(mlflow)


def create_databases(admin: str, owners: Sequence[str], reader: str = "") -> None:
    """Create the databases that URLs name, each owned by the URL's user.

    `admin` is the URL of a user who may create roles and databases. `reader` is the URL of one of
    these databases with a read-only user. Passwords are set to those of the URLs.
    """
    administrator = sa.make_url(admin)
    with _connected(administrator, _DEFAULT_DATABASE) as connection:
        existing = set(connection.execute(sa.text("select datname from pg_database")).scalars())
        for url in map(sa.make_url, owners):
            _ensure_user(connection, url)
            database, owner = _quoted(connection, url.database), _quoted(connection, url.username)
            if url.database not in existing:
                # Only a member of a role may create a database for it, and a managed server's
                # administrator is not a superuser.
                connection.execute(sa.text(f"grant {owner} to current_user"))
                connection.execute(sa.text(f"create database {database} owner {owner}"))
            connection.execute(sa.text(f"revoke all on database {database} from public"))
        connection.execute(sa.text(f"revoke connect on database {_DEFAULT_DATABASE} from public"))
        if reader:
            _ensure_user(connection, sa.make_url(reader))
    for url in map(sa.make_url, owners):
        with _connected(administrator, str(url.database)) as connection:
            connection.execute(sa.text("revoke all on schema public from public"))
            owner = _quoted(connection, url.username)
            connection.execute(sa.text(f"grant all on schema public to {owner}"))
    if reader:
        _let_read(administrator, sa.make_url(reader))


def _upgrade_dagster(settings: Settings) -> None:
    prepare_instance(settings)
    with dg.DagsterInstance.get() as instance:
        instance.upgrade(print_fn=lambda _line: None)


def _upgrade_mlflow(backend: str) -> None:
    # Not the command itself: other users could read the password on its command line.
    from mlflow.db import upgrade

    upgrade.main([backend], standalone_mode=False)


def _ensure_user(connection: sa.Connection, url: sa.URL) -> None:
    """Create or update a user who can log in with the URL's password and has no other right."""
    name = _quoted(connection, url.username)
    there = sa.text("select 1 from pg_roles where rolname = :name")
    if connection.execute(there, {"name": url.username}).first() is None:
        connection.execute(sa.text(f"create role {name} login"))
    # This statement takes no bound parameters; the driver quotes the verifier itself.
    connection.exec_driver_sql(
        f"alter role {name} login nocreatedb nocreaterole password %s",
        (_verifier(connection, url),),
    )


def _verifier(connection: sa.Connection, url: sa.URL) -> str | None:
    """Return the SCRAM verifier of the URL's password; None without a password.

    Postgres logs statements about users when `log_statement` is `ddl` or `all`, and the password
    must not be in that log.
    """
    if url.password is None:
        return None
    driver: Any = connection.connection.driver_connection
    return str(encrypt_password(url.password, url.username, driver, "scram-sha-256"))


def _let_read(admin: sa.URL, reader: sa.URL) -> None:
    """Let the reader select from every current and future table of the database."""
    with _connected(admin, str(reader.database)) as connection:
        name = _quoted(connection, reader.username)
        database = _quoted(connection, reader.database)
        owner = _quoted(
            connection,
            connection.execute(
                sa.text("select pg_get_userbyid(datdba) from pg_database where datname = :name"),
                {"name": reader.database},
            ).scalar_one(),
        )
        for statement in (
            f"grant connect on database {database} to {name}",
            f"alter role {name} set default_transaction_read_only = on",
            f"grant usage on schema public to {name}",
            f"grant select on all tables in schema public to {name}",
            f"alter default privileges for role {owner} in schema public "
            f"grant select on tables to {name}",
        ):
            connection.execute(sa.text(statement))


@contextmanager
def _connected(admin: sa.URL, database: str) -> Iterator[sa.Connection]:
    """Yield an autocommit connection: databases cannot be created in a transaction."""
    engine = sa.create_engine(admin.set(database=database), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _quoted(connection: sa.Connection, name: Any) -> str:
    return connection.dialect.identifier_preparer.quote(str(name))
