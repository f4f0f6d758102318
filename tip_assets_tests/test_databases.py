"""Databases and users, made on a Postgres that logs every statement about users."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.stack.folder import Stack
from tip_assets.databases import create_databases
from tip_assets.settings import Settings
from tip_assets_tests.grafana_place import postgres
from tip_assets_tests.ports import free_port


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A stack of which only Postgres runs, with `log_statement = ddl`."""
    # Not pytest's folder: Postgres, which refuses to be root, must get through to it.
    folder = Path(tempfile.mkdtemp(prefix="tips-databases-"))
    made = Stack(folder, Settings(postgres_port=free_port()))
    try:
        made.prepare()
        with postgres(made, "log_statement=ddl"):
            yield made
    finally:
        shutil.rmtree(folder)


def test_passwords_let_users_in_and_are_not_in_the_log_of_postgres(stack):
    url = sa.make_url(stack.environment()["TIPS_METRIC_STORE"])
    owner = url.set(password="secret of owner: 100%(s) '\\")
    reader = url.set(username="tips_reader", password="secret of reader \N{SNOWMAN}")
    told = [user.render_as_string(hide_password=False) for user in (owner, reader)]
    for _ in range(2):
        create_databases(stack.admin_url(), told[:1], told[1])
        for user in (owner, reader):
            sa.create_engine(user).connect().close()
            with pytest.raises(sa.exc.OperationalError, match="password authentication failed"):
                sa.create_engine(user.set(password="another")).connect()
    log = (stack.folder / "logs" / "postgres.log").read_text()
    assert "alter role tips_metrics login" in log
    assert "secret of" not in log
