"""The same code on real servers, each of them also taken away: nothing is doubled, lost or leaked.

One stack for all tests, which follow one another like the days of a platform.
"""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.stack import servers
from tip_assets.ingestion.feedback import TIP, land_tips
from tip_assets.ingestion.landing import landing_digests, landing_files, read_month
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.metric_store.tables import prediction_log
from tip_assets.settings import Settings
from tip_assets_tests.ingestion.test_feedback import NOW, predict, tell
from tip_assets_tests.support.aws_calls import Recorder, assert_recorded
from tip_assets_tests.support.dagster_queries import LAUNCH, RESOURCES, RUNS
from tip_assets_tests.support.exporter import samples, scraped, value
from tip_assets_tests.support.processes import call, environment_of
from tip_assets_tests.support.restore_rehearsal import rehearse, rehearse_embedded
from tip_assets_tests.support.stack import QUICK, StackPlace, land, land_first_days
from tip_assets_tests.support.visible_state import same, visible_state

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]
# A step is tried twice, and each try has its own time-outs.
AWAY_SECONDS = 150
AWAY = {"s3": "the S3 storage", "postgres": "Postgres", "mlflow": "MLflow"}
# The month whose run each of them leaves, one after the other.
DISTURBED = "2024-03"


@pytest.fixture(scope="module")
def stack(aws_calls: Recorder) -> Iterator[StackPlace]:
    with aws_calls.recording():
        made = StackPlace()
    try:
        printed = made.make("up")
        addresses = [f"127.0.0.1:{s.port}" for s in made.stack.servers if s.port]
        assert len(addresses) >= 5
        assert all(address in printed for address in addresses)
        assert made.make("status").count("ready") == len(made.stack.servers)
        made.stop("daemon")  # it would run what lands while a test does
        log_statements_about_users(made)
        aws = {k: v for k, v in made.stack.environment().items() if k.startswith("AWS_")}
        os.environ.update(aws)
        yield made
    finally:
        made.remove()
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]


def log_statements_about_users(stack: StackPlace) -> None:
    """From now on Postgres logs them: passwords that are set again must not be in the log."""
    engine = sa.create_engine(stack.stack.admin_url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("alter system set log_statement = ddl"))
        connection.execute(sa.text("select pg_reload_conf()"))
    engine.dispose()
    stack.tips("databases", TIPS_POSTGRES_ADMIN=stack.stack.admin_url())


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, stack: StackPlace) -> Settings:
    """Settings of an embedded platform that has lived the first days, without a fault."""
    storage = tmp_path_factory.mktemp("embedded") / "data"
    settings = Settings(storage=str(storage), mlflow_port=stack.stack.settings.mlflow_port)
    land_first_days(settings.storage_root)
    backfill(settings, "2024-01")
    return settings


def backfill(embedded: Settings, first: str) -> None:
    """Run the months from this one on, in this process."""
    port = {"TIPS_MLFLOW_PORT": str(embedded.mlflow_port)}
    environment = environment_of(Path(embedded.storage), **QUICK, **port)
    done = call(["backfill", "--from", first], environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_months_leave_what_they_leave_in_the_embedded_mode(stack, embedded):
    land_first_days(stack.settings.storage_root)
    stack.tips("backfill")
    stack.tips("run", "--month", "2024-01")
    same(visible_state(stack.settings), visible_state(embedded))


def test_prometheus_reads_of_postgres_what_it_reads_of_the_embedded_mode(stack, embedded):
    found = scraped(f"{stack.server('exporter').address}/metrics")
    assert value(found, "tips_metric_store_up") == 1
    assert value(found, "tips_runs_total", outcome="success") == 3
    assert value(found, "tips_runs_total", outcome="failed") == 0
    history = json.loads(stack.tips("history", "--json"))
    serves = history[-1]["champion_after"]
    (month,) = {row["month"] for row in history if row["challenger"] == serves}
    assert value(found, "tips_champion_info", version=str(serves), month=month) == 1
    of_data = ("tips_kept_", "tips_quarantined_", "tips_column_", "tips_drift", "tips_dataset_")
    expected = {
        key: value for key, value in samples(embedded).items() if key[0].startswith(of_data)
    }
    assert expected["tips_kept_rows", frozenset()] > 0
    assert {key: found.get(key) for key in expected} == pytest.approx(expected)


@pytest.mark.parametrize("name", AWAY)
def test_a_server_that_goes_away_is_named(stack, name):
    land(stack.settings.storage_root, DISTURBED)
    with stack.run_until("[3/9] splits", "run", "--month", DISTURBED) as run:
        started = time.monotonic()
        with stack.away(name):
            printed, _ = run.communicate(timeout=AWAY_SECONDS)
            assert run.returncode == 1, printed
            assert f"{AWAY[name]} does not answer" in printed
            assert "Traceback" not in printed
            assert time.monotonic() - started < AWAY_SECONDS
            words = stack.make("status", code=1)
            assert f"{stack.server(name).title:<17} NOT READY" in words


def test_the_rerun_completes_the_month_and_nothing_is_doubled_or_lost(stack, embedded):
    assert "done" in stack.tips("run", "--month", DISTURBED)
    land(embedded.storage_root, DISTURBED)
    backfill(embedded, DISTURBED)
    same(visible_state(stack.settings), visible_state(embedded))


@pytest.mark.timeout(1500)
def test_months_launched_newest_first_end_as_if_run_one_after_the_other(stack, embedded):
    months = ["2024-06", "2024-07", "2024-08"]
    for month in months:
        land(stack.settings.storage_root, month)
        land(embedded.storage_root, month)
    asked = [stack.graphql(LAUNCH, {"month": month}) for month in reversed(months)]
    assert [a["launchRun"]["__typename"] for a in asked] == ["LaunchRunSuccess"] * 3, asked
    stack.start("daemon")

    def runs(month: str) -> list[dict]:
        """The runs of a month, newest first."""
        return stack.graphql(RUNS, {"month": month})["runsOrError"]["results"]

    stack.wait(
        "every month is done",
        lambda: all(
            runs(m)[0]["status"] == "SUCCESS" and all(run["endTime"] for run in runs(m))
            for m in months
        ),
        seconds=900,
    )
    # Dagster has no priority for runs that are launched like this: the newest month came first.
    assert [runs(month)[-1]["status"] for month in months] == ["SUCCESS", "FAILURE", "FAILURE"]
    every = sorted((run for m in months for run in runs(m)), key=lambda run: run["startTime"])
    assert all(a["endTime"] <= b["startTime"] for a, b in pairwise(every)), every
    outbox = stack.settings.outbox
    stack.wait(
        "people are notified", lambda: all(f"drift {m}" in outbox.read_text() for m in months)
    )
    stack.wait(
        "the runs' processes end", lambda: b"spawn_main" not in b"".join(stack.arguments().values())
    )
    stack.stop("daemon")
    history = json.loads(stack.tips("history", "--json"))
    assert [row["at"] for row in history] == sorted(row["at"] for row in history)
    backfill(embedded, months[0])
    same(visible_state(stack.settings), visible_state(embedded))


def test_a_server_that_is_killed_starts_again_without_what_it_left(stack):
    before = stack.processes_of("mlflow")
    assert len(before) >= 2  # its child has the port
    os.kill(stack.program("mlflow"), signal.SIGKILL)
    stack.wait("what it left ends", lambda: not before & stack.processes_of("mlflow"))
    stack.wait("it is back", stack.server("mlflow").answers)


def test_everything_killed_starts_again_with_its_state(stack):
    before, history = visible_state(stack.settings), stack.tips("history")
    os.kill(stack.stack.supervisor.pid(), signal.SIGKILL)
    stack.wait("all servers end", lambda: not any(s.port_is_taken() for s in stack.stack.servers))
    stack.make("up")
    stack.stop("daemon")
    assert stack.tips("history") == history
    same(visible_state(stack.settings), before)


def test_each_tool_reaches_its_own_database_only(stack):
    admin = sa.make_url(stack.stack.admin_url())
    # As on AWS, where the password is a secret of its own; it changes nothing.
    no_password = admin._replace(password=None).render_as_string()
    stack.tips("databases", TIPS_POSTGRES_ADMIN=no_password, PGPASSWORD=str(admin.password))
    urls = stack.stack.environment()
    reader = sa.create_engine(urls["TIPS_METRIC_READER"])
    with reader.connect() as connection:
        assert connection.execute(sa.text("select count(*) from drift")).scalar_one() > 0
        for forbidden in ("delete from drift", "create table mine (x int)"):
            with pytest.raises(sa.exc.DBAPIError, match=r"read-only|permission denied"):
                connection.execute(sa.text(forbidden))
            connection.rollback()
        connection.execute(sa.text("set default_transaction_read_only = off"))
        connection.commit()
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            connection.execute(sa.text("delete from drift"))
    owners = {
        "dagster": urls["TIPS_DAGSTER_STORAGE"],
        "mlflow": urls["MLFLOW_BACKEND_STORE_URI"],
        "metrics": urls["TIPS_METRIC_STORE"],
    }
    for name, url in owners.items():
        for other in {*owners, "postgres"} - {name}:
            with pytest.raises(sa.exc.OperationalError, match="permission denied for database"):
                sa.create_engine(sa.make_url(url).set(database=other)).connect()


def test_every_server_listens_on_loopback_only_and_mlflow_checks_the_host(stack):
    places = stack.listening()
    assert {s.port for s in stack.stack.servers if s.port} <= {port for _, port in places}
    assert {host for host, _ in places} == {"127.0.0.1"}
    strange = urllib.request.Request(
        f"{stack.server('mlflow').address}/api/2.0/mlflow/experiments/search",
        headers={"Host": "evil.example"},
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(strange)


def test_no_secret_is_anywhere_but_in_its_own_files(stack):
    secrets = json.loads((stack.folder / "secrets.json").read_text())
    own = {"secrets.json", "stack.env", "s3-keys.json", "grafana.env"}
    places = {
        str(path): path.read_bytes()
        for path in stack.folder.rglob("*")
        if path.is_file() and path.name not in own and "postgres" not in path.parts
    }
    assert any(name.endswith("daemon.log") for name in places)
    assert b"alter role tips_metrics" in places[f"{stack.folder}/logs/postgres.log"]
    places |= {f"arguments of {pid}": words for pid, words in stack.arguments().items()}
    for database in ("dagster", "mlflow", "metrics"):
        places[f"database {database}"] = stack.dump(database)
        assert b"2024-01" in places[f"database {database}"]
    places["Dagster's resources"] = json.dumps(stack.graphql(RESOURCES, {})).encode()
    assert b"TIPS_METRIC_STORE" in places["Dagster's resources"]
    root = stack.settings.storage_root
    places |= {name: root.fs.cat_file(name) for name in root.fs.find(root.path)}
    leaks = [
        (place, name)
        for place, data in places.items()
        for name, secret in secrets.items()
        if secret.encode() in data
    ]
    assert leaks == []


def test_a_busy_port_and_a_missing_program_are_named(stack, monkeypatch, tmp_path):
    other = StackPlace()
    words = other.make("up", code=1, TIPS_S3_PORT=str(stack.server("s3").port))
    assert f"port {stack.server('s3').port}, meant for S3, is taken" in words
    assert "set TIPS_S3_PORT" in words
    assert list(other.folder.iterdir()) == []
    other.folder.rmdir()
    monkeypatch.setattr(servers, "BINARIES", tmp_path)
    with pytest.raises(servers.Missing, match="weed is not installed: make setup-stack"):
        servers.check_programs()


def test_tips_submitted_in_the_app_land_in_the_bucket_once(stack):
    stack.stop("app")  # it would land them, and forget what is so old
    log = PredictionLog(MetricStore(url=stack.settings.metric_store))
    storage, at = stack.settings.storage_root, datetime(2019, 5, 2, tzinfo=UTC)
    predict(log, "a", "b", "none", at=at)
    assert tell(log, a=2, b=6).new == 2
    assert land_tips(log, storage, submitted_before=NOW, now=NOW) == 2
    (file,) = landing_files(storage, "2019-05")
    before = landing_digests(storage)["2019-05"]
    # As if the process had been killed before it noted that the file is written.
    with log.store.engine.begin() as connection:
        connection.execute(sa.update(prediction_log).values(landed_at=None))
    assert land_tips(log, storage, submitted_before=NOW, now=NOW) == 2
    assert landing_digests(storage)["2019-05"] == before
    assert sorted(read_month(storage, "2019-05").rows[TIP]) == [2, 6]
    (month,) = log.realised()
    assert (month.predictions, month.tips, month.covered) == (3, 2, 0.5)
    assert log.forget(NOW) == 3
    file.unlink()
    stack.start("app")


def test_each_server_asks_of_s3_what_it_did_before(stack, aws_calls):
    """Its rights on AWS are made of that: deploy/terraform/roles.tf."""
    artifact = "model-versions/get-artifact?name=waiter-tips&version=1&path=MLmodel"
    with urllib.request.urlopen(f"{stack.server('mlflow').address}/{artifact}") as answer:
        assert b"python_function" in answer.read()
    calls = aws_calls.rights("platform")
    assert calls.keys() & {"webserver", "exporter", "databases"} == set()
    servers = ("app", "code-location", "mlflow", "operator", "run")
    assert_recorded("test_stack", {role: calls[role] for role in servers})


def test_what_is_destroyed_comes_back_from_a_backup(stack, tmp_path):
    rehearse(stack, tmp_path / "backups")


def test_a_folder_that_is_destroyed_comes_back_too(embedded, tmp_path):
    rehearse_embedded(embedded, tmp_path / "backups")
