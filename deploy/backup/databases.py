"""Copy a database while it is in use, and restore it.

Uses Postgres' own programs and SQLite's own backup.
"""

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from deploy.backup import Refused
from deploy.stack.postgres import postgres_binaries

_SQLITE_HEADER = b"SQLite format 3\0"
# Files that SQLite keeps beside an open database; a copy does not need them.
SQLITE_COMPANIONS = ("-wal", "-shm", "-journal")


def dump(url: sa.URL, file: Path) -> None:
    """Save a consistent dump of a Postgres database. Raises Refused."""
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={file}")


def load(file: Path, url: sa.URL) -> None:
    """Fill an empty Postgres database, all or nothing. Raises Refused."""
    everything = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    _run("pg_restore", url, *everything, str(file))


def existing(admin: sa.URL, urls: list[sa.URL]) -> list[str]:
    """Return the given databases that exist. Raises SQLAlchemy's errors."""
    engine = sa.create_engine(admin)
    with engine.connect() as connection:
        known = set(connection.execute(sa.text("select datname from pg_database")).scalars())
    engine.dispose()
    return [str(url.database) for url in urls if url.database in known]


def drop(admin: sa.URL, names: list[str]) -> None:
    """Drop databases, including their connections."""
    engine = sa.create_engine(admin, isolation_level="AUTOCOMMIT")
    quote = engine.dialect.identifier_preparer.quote
    with engine.connect() as connection:
        for name in names:
            connection.execute(sa.text(f"drop database {quote(name)} with (force)"))
    engine.dispose()


def is_sqlite(path: Path) -> bool:
    """Return whether a file is an SQLite database, by its header."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER


def copy_sqlite(source: Path, target: Path) -> None:
    """Save a consistent copy of an SQLite database, including its write-ahead log."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=60)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _run(program: str, url: sa.URL, *options: str) -> None:
    """Run a Postgres program on a database, without the password on its command line."""
    place = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    options = (f"--dbname={place.set(query=url.query)}", "--no-password", *options)
    # An administrator's URL may have none: it is in the environment then.
    password = {"PGPASSWORD": str(url.password)} if url.password is not None else {}
    environment = os.environ | password
    command = [str(postgres_binaries(program) / program), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"{program} of {url.database}: {done.stderr.strip()}")
