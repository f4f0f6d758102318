"""Databases and users of a Postgres server, as the settings' URLs name them, and their schemas.

Belongs here: creating them with least privilege, and bringing every schema up to date. Does not
belong here: what is stored in them, or the server itself (`deploy/stack`).

Each tool owns one database and cannot connect to the others; the reader may select from the metric
store and nothing else. Everything here can be run again at any time.
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
    """Make the databases that are missing, and bring the schemas of all up to date.

    Without an administrator's URL the databases must be there already.
    """
    owners = [settings.dagster_storage, settings.mlflow_backend, settings.metric_store]
    if settings.postgres_admin:
        create_databases(
            settings.postgres_admin, [url for url in owners if url], settings.metric_reader
        )
    _ = MetricStore(url=settings.metric_store_url).engine  # brings its schema up to date
    _upgrade_dagster(settings)
    mlflow = settings.mlflow_backend or settings.tracking_uri
    if "://" in mlflow and not mlflow.startswith("http"):  # else it is its server's business
        prepare_tracking_database(mlflow)
        _upgrade_mlflow(mlflow)


def create_databases(admin: str, owners: Sequence[str], reader: str = "") -> None:
    """Create the databases that URLs name, each owned by the URL's user.

    `admin` is the URL of a user who may create roles and databases. `reader` names a database of
    the owners again, with a user who may only read. Passwords are set to those of the URLs.
    """
    administrator = sa.make_url(admin)
    with _connected(administrator, _DEFAULT_DATABASE) as connection:
        existing = set(connection.execute(sa.text("select datname from pg_database")).scalars())
        for url in map(sa.make_url, owners):
            _ensure_user(connection, url)
            database, owner = _quoted(connection, url.database), _quoted(connection, url.username)
            if url.database not in existing:
                # Only a member of a role may give it a database; a managed server's administrator
                # is no superuser.
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
        instance.upgrade(print_fn=lambda _words: None)


def _upgrade_mlflow(backend: str) -> None:
    # The command's own function: on a command line the password could be read by everybody.
    from mlflow.db import upgrade

    upgrade.main([backend], standalone_mode=False)


def _ensure_user(connection: sa.Connection, url: sa.URL) -> None:
    """A user who can log in with the URL's password and has no other right."""
    name = _quoted(connection, url.username)
    there = sa.text("select 1 from pg_roles where rolname = :name")
    if connection.execute(there, {"name": url.username}).first() is None:
        connection.execute(sa.text(f"create role {name} login"))
    # The server binds no parameters in this statement; the driver quotes the verifier itself.
    connection.exec_driver_sql(
        f"alter role {name} login nocreatedb nocreaterole password %s",
        (_verifier(connection, url),),
    )


def _verifier(connection: sa.Connection, url: sa.URL) -> str | None:
    """The SCRAM verifier of the URL's password; None without a password.

    Postgres logs statements about users when `log_statement` is `ddl` or `all`: the password itself
    would be in its log.
    """
    if url.password is None:
        return None
    driver: Any = connection.connection.driver_connection
    return str(encrypt_password(url.password, url.username, driver, "scram-sha-256"))


def _let_read(admin: sa.URL, reader: sa.URL) -> None:
    """Let the reader select from every table that the database has or will have."""
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
    """A connection on which each statement is a transaction: databases are made in none."""
    engine = sa.create_engine(admin.set(database=database), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _quoted(connection: sa.Connection, name: Any) -> str:
    return connection.dialect.identifier_preparer.quote(str(name))
