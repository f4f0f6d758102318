"""Create databases, their owners and their users on a Postgres server.

Each database belongs to a role that nobody can log in as. The administrator takes it to change the
schema; a tool's user reads and writes rows of its own database, and cannot connect to the others.
Everything here can be repeated at any time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from psycopg2.extensions import encrypt_password

_DEFAULT_DATABASE = "postgres"


def owner_url(admin: str, url: str) -> str:
    """Return the URL by which the administrator works on a database as its owner."""
    database = sa.make_url(url).database
    as_owner = sa.make_url(admin).set(database=database)
    options = [*as_owner.normalized_query.get("options", ()), f"-crole={_owner(database)}"]
    as_owner = as_owner.update_query_dict({"options": " ".join(options)})
    return as_owner.render_as_string(hide_password=False)


def create_databases(admin: str, users: Sequence[str], reader: str = "") -> None:
    """Create the databases and users that URLs name, with the passwords of the URLs.

    `admin` is the URL of a user who may create roles and databases. `reader` is the URL of one of
    these databases with a read-only user. Databases that a user owned, from before there were
    owners, pass to theirs.
    """
    administrator = sa.make_url(admin)
    with _connected(administrator, _DEFAULT_DATABASE) as connection:
        for url in map(sa.make_url, users):
            _ensure_user(connection, url)
            _ensure_database(connection, url)
        connection.execute(sa.text(f"revoke connect on database {_DEFAULT_DATABASE} from public"))
        if reader:
            _ensure_user(connection, sa.make_url(reader))
    for url in map(sa.make_url, users):
        with _connected(administrator, str(url.database)) as connection:
            _let_write(connection, url)
    if reader:
        url = sa.make_url(reader)
        with _connected(administrator, str(url.database)) as connection:
            _let_read(connection, url)


def _owner(database: Any) -> str:
    return f"{database}_owner"


def _ensure_database(connection: sa.Connection, url: sa.URL) -> None:
    database, user = _quoted(connection, url.database), _quoted(connection, url.username)
    owner = _quoted(connection, _owner(url.database))
    if not _exists(
        connection, "select 1 from pg_roles where rolname = :name", _owner(url.database)
    ):
        connection.execute(sa.text(f"create role {owner} nologin"))
    # Only a member of a role may create a database for it or take its tables, and a managed
    # server's administrator is not a superuser.
    connection.execute(sa.text(f"grant {owner}, {user} to current_user"))
    if _exists(connection, "select 1 from pg_database where datname = :name", url.database):
        connection.execute(sa.text(f"alter database {database} owner to {owner}"))
    else:
        connection.execute(sa.text(f"create database {database} owner {owner}"))
    for statement in (
        f"revoke all on database {database} from public",
        f"revoke all on database {database} from {user}",
        f"grant connect on database {database} to {user}",
    ):
        connection.execute(sa.text(statement))


def _let_write(connection: sa.Connection, url: sa.URL) -> None:
    """Let the user write rows of every current and future table, and change no table."""
    user, owner = _quoted(connection, url.username), _quoted(connection, _owner(url.database))
    rows = "select, insert, update, delete"
    for statement in (
        f"reassign owned by {user} to {owner}",
        "revoke all on schema public from public",
        f"revoke all on schema public from {user}",
        f"grant all on schema public to {owner}",
        f"grant usage on schema public to {user}",
        f"grant {rows} on all tables in schema public to {user}",
        f"grant usage, select, update on all sequences in schema public to {user}",
        f"alter default privileges for role {owner} in schema public "
        f"grant {rows} on tables to {user}",
        f"alter default privileges for role {owner} in schema public "
        f"grant usage, select, update on sequences to {user}",
    ):
        connection.execute(sa.text(statement))


def _let_read(connection: sa.Connection, url: sa.URL) -> None:
    """Let the reader select from every current and future table of the database."""
    name, owner = _quoted(connection, url.username), _quoted(connection, _owner(url.database))
    for statement in (
        f"grant connect on database {_quoted(connection, url.database)} to {name}",
        f"alter role {name} set default_transaction_read_only = on",
        f"grant usage on schema public to {name}",
        f"grant select on all tables in schema public to {name}",
        f"alter default privileges for role {owner} in schema public "
        f"grant select on tables to {name}",
    ):
        connection.execute(sa.text(statement))


def _ensure_user(connection: sa.Connection, url: sa.URL) -> None:
    """Create or update a user who can log in with the URL's password and has no other right."""
    name = _quoted(connection, url.username)
    if not _exists(connection, "select 1 from pg_roles where rolname = :name", url.username):
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


def _exists(connection: sa.Connection, query: str, name: Any) -> bool:
    return connection.execute(sa.text(query), {"name": name}).first() is not None


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
