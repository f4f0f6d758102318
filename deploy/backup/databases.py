"""Copying a database while others use it, and bringing it back.

Belongs here: Postgres by its own programs, SQLite by its own backup. Does not belong here: making
databases and users (`tip_assets/runtime/databases.py`), or which there are (`parts.py`).
"""

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from deploy.backup import Refused
from deploy.stack.servers import postgres_binaries

_SQLITE_HEADER = b"SQLite format 3\0"
# What SQLite keeps beside a database for those who use it; a copy does not need it.
SQLITE_COMPANIONS = ("-wal", "-shm", "-journal")


def dump(url: sa.URL, file: Path) -> None:
    """Save a Postgres database as it is at one moment. Raises Refused."""
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={file}")


def load(file: Path, url: sa.URL) -> None:
    """Fill an empty Postgres database, all or nothing. Raises Refused."""
    everything = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    _run("pg_restore", url, *everything, str(file))


def existing(admin: sa.URL, urls: list[sa.URL]) -> list[str]:
    """Those of some databases that the server has. Raises sqlalchemy's errors."""
    engine = sa.create_engine(admin)
    with engine.connect() as connection:
        known = set(connection.execute(sa.text("select datname from pg_database")).scalars())
    engine.dispose()
    return [str(url.database) for url in urls if url.database in known]


def drop(admin: sa.URL, names: list[str]) -> None:
    """Remove databases, whoever is connected to them."""
    engine = sa.create_engine(admin, isolation_level="AUTOCOMMIT")
    quote = engine.dialect.identifier_preparer.quote
    with engine.connect() as connection:
        for name in names:
            connection.execute(sa.text(f"drop database {quote(name)} with (force)"))
    engine.dispose()


def is_sqlite(path: Path) -> bool:
    """Whether a file is an SQLite database, whatever its name."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy an SQLite database as it is at one moment, with what is still in its log."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=60)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _run(program: str, url: sa.URL, *options: str) -> None:
    """Postgres's own program on a database; the password is not on its command line."""
    place = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    options = (f"--dbname={place.set(query=url.query)}", "--no-password", *options)
    environment = os.environ | {"PGPASSWORD": str(url.password or "")}
    command = [str(postgres_binaries() / program), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"{program} of {url.database}: {done.stderr.strip()}")
