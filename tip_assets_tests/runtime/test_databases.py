"""Databases, owners and users, made on a real Postgres: only `tips databases` changes tables."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import mlflow
import pytest
import sqlalchemy as sa
from alembic import command

from deploy.backup.databases import drop, dump, load
from deploy.stack.folder import Stack
from tip_assets.metric_store import schema
from tip_assets.metric_store.schema import OutdatedSchema
from tip_assets.metric_store.store import MetricStore
from tip_assets.metric_store.tables import last_look
from tip_assets.runtime.database_roles import create_databases, owner_url
from tip_assets.runtime.databases import prepare_databases
from tip_assets.runtime.instance import prepare_instance
from tip_assets.runtime.services import describe_error
from tip_assets.settings import Settings
from tip_assets_tests.metric_store.test_schema import alembic
from tip_assets_tests.support.postgres import only_postgres

pytestmark = pytest.mark.services
NOW = datetime.now(UTC)
TOOLS = ("dagster", "metrics", "mlflow")


def managed(stack: Stack) -> str:
    """The URL of an administrator who is no superuser, like that of a managed server."""
    password = secrets.token_hex(8)
    with sa.create_engine(stack.admin_url(), isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in (
            f"create role rds login createdb createrole password '{password}'",
            "alter database postgres owner to rds",
        ):
            connection.execute(sa.text(statement))
    url = sa.make_url(stack.admin_url()).set(username="rds", password=password)
    return url.render_as_string(hide_password=False)


def settings_of(stack: Stack, admin: str, state: Path) -> Settings:
    given = stack.environment()
    return Settings(
        state=str(state),
        storage=str(state / "storage"),
        dagster_home="",
        dagster_storage=given["TIPS_DAGSTER_STORAGE"],
        metric_store=given["TIPS_METRIC_STORE"],
        metric_reader=given["TIPS_METRIC_READER"],
        mlflow_backend=given["MLFLOW_BACKEND_STORE_URI"],
        postgres_admin=admin,
    )


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with only_postgres("log_statement=ddl") as made:
        yield made


@pytest.fixture(scope="module")
def settings(stack, tmp_path_factory) -> Settings:
    """Databases that were made and prepared again by an administrator who is no superuser."""
    made = settings_of(stack, managed(stack), tmp_path_factory.mktemp("state"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        for _ in range(2):
            prepare_databases(made)
    return made


def urls(settings: Settings) -> dict[str, str]:
    stores = (settings.dagster_storage, settings.metric_store, settings.mlflow_backend)
    return dict(zip(TOOLS, stores, strict=True))


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "forbidden",
    [
        "create table mine (x int)",
        "create temporary table mine (x int)",
        "create schema mine",
        "alter table {table} add column mine int",
        "create index mine on {table} ({column})",
        "drop table {table}",
        "truncate {table}",
        "set role {tool}_owner",
    ],
)
def test_a_tool_changes_no_table(settings, tool, forbidden):
    engine = sa.create_engine(urls(settings)[tool])
    (table, *_) = sorted(sa.inspect(engine).get_table_names())
    column = sa.inspect(engine).get_columns(table)[0]["name"]
    with engine.connect() as connection:
        statement = sa.text(forbidden.format(table=table, column=column, tool=tool))
        with pytest.raises(sa.exc.ProgrammingError, match=r"permission denied|must be owner"):
            connection.execute(statement)
    engine.dispose()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_reads_and_writes_every_table_and_sequence(settings, tool):
    engine = sa.create_engine(urls(settings)[tool])
    tables = sa.inspect(engine).get_table_names()
    query = sa.text("select has_table_privilege(:table, :right)")
    with engine.connect() as connection:
        missing = [
            (table, right)
            for table in tables
            for right in ("select", "insert", "update", "delete")
            if not connection.execute(query, {"table": table, "right": right}).scalar_one()
        ]
        ours = sa.text(
            "select current_user = pg_get_userbyid(datdba) from pg_database "
            "where datname = current_database()"
        )
        assert connection.execute(ours).scalar_one() is False
    assert tables
    assert missing == []
    engine.dispose()


def test_the_tools_work_as_their_users(settings, monkeypatch):
    monkeypatch.setenv("TIPS_DAGSTER_STORAGE", settings.dagster_storage)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    prepare_instance(settings)

    @dg.op
    def one() -> int:
        return 1

    @dg.job
    def job() -> None:
        one()

    with dg.DagsterInstance.get() as instance:
        done = job.execute_in_process(instance=instance)
        assert instance.all_logs(done.run_id)
        instance.delete_run(done.run_id)
    client = mlflow.MlflowClient(settings.mlflow_backend, settings.mlflow_backend)
    run = client.create_run(client.create_experiment("tips", artifact_location="/none"))
    client.log_metric(run.info.run_id, "rmse", 1.0)
    client.create_registered_model("tips")
    client.delete_registered_model("tips")
    assert client.get_run(run.info.run_id).data.metrics == {"rmse": 1.0}
    store = MetricStore(url=settings.metric_store)
    assert store.history() == []
    store.engine.dispose()


def test_a_tool_upgrades_no_schema_and_names_who_does(settings):
    url = sa.make_url(settings.metric_store).set(database="aged")
    aged = url.render_as_string(hide_password=False)
    create_databases(settings.postgres_admin, [aged])
    as_owner = owner_url(settings.postgres_admin, aged)
    with sa.create_engine(as_owner).begin() as connection:
        command.upgrade(alembic(connection), "0006")
    with pytest.raises(OutdatedSchema, match=r"has schema 0006, .* run `tips databases`"):
        MetricStore(url=aged).history()
    MetricStore(url=as_owner).engine.dispose()
    store = MetricStore(url=aged)
    store.upsert(last_look, [{"place": "landing", "at": NOW}])
    with store.engine.connect() as connection:
        assert schema.revision(connection) == schema.NEWEST
        assert connection.execute(sa.text("select count(*) from drift_chart")).scalar_one() == 0
    store.engine.dispose()


def test_databases_that_their_users_owned_pass_to_their_owners(stack, tmp_path, monkeypatch):
    """As releases without owners left them."""
    admin = sa.create_engine(stack.admin_url(), isolation_level="AUTOCOMMIT")
    url = sa.make_url(stack.environment()["TIPS_METRIC_STORE"])
    url = url.set(username="old_metrics", database="old")
    with admin.connect() as connection:
        connection.execute(sa.text(f"create role old_metrics login password '{url.password}'"))
        connection.execute(sa.text("create database old owner old_metrics"))
    text = url.render_as_string(hide_password=False)
    store = MetricStore(url=text)
    store.upsert(last_look, [{"place": "landing", "at": NOW}])
    create_databases(stack.admin_url(), [text])
    with store.engine.connect() as connection, pytest.raises(sa.exc.ProgrammingError):
        connection.execute(sa.text("drop table drift"))
    assert len(store.select(sa.select(last_look))) == 1
    store.upsert(last_look, [{"place": "elsewhere", "at": NOW}])
    store.engine.dispose()
    admin.dispose()


def test_a_dump_by_a_tools_user_is_restored_by_the_owner(settings, tmp_path):
    url = sa.make_url(settings.metric_store).set(database="kept")
    kept = url.render_as_string(hide_password=False)
    owner = owner_url(settings.postgres_admin, kept)
    create_databases(settings.postgres_admin, [kept])
    MetricStore(url=owner).engine.dispose()
    MetricStore(url=kept).upsert(last_look, [{"place": "landing", "at": NOW}])
    dump(url, tmp_path / "kept.dump")
    drop(sa.make_url(settings.postgres_admin), ["kept"])
    create_databases(settings.postgres_admin, [kept])
    load(tmp_path / "kept.dump", sa.make_url(owner))
    store = MetricStore(url=kept)
    assert [row["place"] for row in store.select(sa.select(last_look))] == ["landing"]
    store.upsert(last_look, [{"place": "elsewhere", "at": NOW}])
    with store.engine.connect() as connection, pytest.raises(sa.exc.ProgrammingError):
        connection.execute(sa.text("drop table drift"))
    store.engine.dispose()


def test_an_empty_database_of_dagster_is_named(stack, tmp_path, monkeypatch):
    url = sa.make_url(stack.environment()["TIPS_DAGSTER_STORAGE"])
    empty = url.set(username="empty", database="empty").render_as_string(hide_password=False)
    create_databases(stack.admin_url(), [empty])
    monkeypatch.setenv("TIPS_DAGSTER_STORAGE", empty)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(sa.exc.ProgrammingError) as refused:
        prepare_instance(Settings(state=str(tmp_path), dagster_home="", dagster_storage=empty))
    words = describe_error(refused.value)
    assert words is not None
    assert words.startswith("Postgres: ")
    assert "permission denied for schema public" in words
    assert "`tips databases`" in words


def test_passwords_let_users_in_and_are_not_in_the_log_of_postgres(stack):
    url = sa.make_url(stack.environment()["TIPS_METRIC_STORE"]).set(database="of_passwords")
    user = url.set(username="the_user", password="secret of user: 100%(s) '\\")
    reader = url.set(username="the_reader", password="secret of reader \N{SNOWMAN}")
    given = [each.render_as_string(hide_password=False) for each in (user, reader)]
    for _ in range(2):
        create_databases(stack.admin_url(), given[:1], given[1])
        for each in (user, reader):
            sa.create_engine(each).connect().close()
            with pytest.raises(sa.exc.OperationalError, match="authentication failed"):
                sa.create_engine(each.set(password="another")).connect()
    log = (stack.folder / "logs" / "postgres.log").read_text()
    assert "alter role the_user login" in log
    assert "secret of" not in log
