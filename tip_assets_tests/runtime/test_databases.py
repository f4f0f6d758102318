"""Databases and users, made on a Postgres that logs every statement about users."""

import pytest
import sqlalchemy as sa

from tip_assets.runtime.databases import create_databases
from tip_assets_tests.support.postgres import only_postgres

pytestmark = pytest.mark.services


def test_passwords_let_users_in_and_are_not_in_the_log_of_postgres():
    with only_postgres("log_statement=ddl") as stack:
        url = sa.make_url(stack.environment()["TIPS_METRIC_STORE"])
        owner = url.set(password="secret of owner: 100%(s) '\\")
        reader = url.set(username="tips_reader", password="secret of reader \N{SNOWMAN}")
        told = [user.render_as_string(hide_password=False) for user in (owner, reader)]
        for _ in range(2):
            create_databases(stack.admin_url(), told[:1], told[1])
            for user in (owner, reader):
                sa.create_engine(user).connect().close()
                with pytest.raises(sa.exc.OperationalError, match="authentication failed"):
                    sa.create_engine(user.set(password="another")).connect()
        log = (stack.folder / "logs" / "postgres.log").read_text()
    assert "alter role tips_metrics login" in log
    assert "secret of" not in log
