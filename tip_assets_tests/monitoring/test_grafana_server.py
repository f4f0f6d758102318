"""The stack starts Grafana as it is configured here: tried with a stand-in, there is no other."""

import json
import os
import shlex
import stat
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack import grafana as grafana_of_stack
from deploy.stack.folder import Stack
from grafana.boards import texts
from grafana.dashboard import Addresses
from tip_assets.settings import Settings
from tip_assets_tests.monitoring.test_alert_messages import wait_for
from tip_assets_tests.support.grafana_stand_in import install
from tip_assets_tests.support.ports import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack that is ready to start, on a machine on which Grafana is installed."""
    monkeypatch.setenv("PATH", f"{install(tmp_path / 'grafana-11')}:{os.environ['PATH']}")
    # Postgres' data are there already: setting them up is another test's business.
    version = tmp_path / "stack" / "postgres" / "PG_VERSION"
    version.parent.mkdir(parents=True)
    version.touch()
    (tmp_path / "stack" / "secrets.json").write_text('{"admin": "known"}')
    settings = Settings(grafana_port=free_port(), app_port=18501, mlflow_port=15000)
    made = Stack(tmp_path / "stack", settings)
    monkeypatch.setattr(Stack, "_check_way_of_postgres", lambda _stack: None)
    made.prepare()
    return made


@pytest.fixture
def given(stack: Stack, tmp_path: Path) -> Iterator[dict]:
    """What the program in Grafana's place says that it was given, as Supervisor starts it."""
    (server,) = [server for server in stack.servers if server.name == "grafana"]
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            shlex.split(server.command),
            env=os.environ | stack.environment() | {"AWS_PROFILE": "somebody"},
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        wait_for("Grafana", server.answers, log)
        with urllib.request.urlopen(f"{server.address}/given") as answer:
            yield json.load(answer)
    finally:
        process.terminate()
        process.wait(20)


def test_it_is_given_the_same_files_and_what_they_leave_open(stack, given):
    known = json.loads((stack.folder / "secrets.json").read_text())
    read = given["configuration"]
    assert read["server"]["http_addr"] == "127.0.0.1"
    assert read["server"]["http_port"] == str(stack.settings.grafana_port)
    assert read["security"]["admin_password"] == known["grafana"]
    assert read["security"]["secret_key"] == known["grafana_key"]
    assert len({*known.values()}) == len(known)
    assert read["auth.anonymous"]["enabled"] == "false"
    assert read["paths"]["data"] == f"{stack.folder}/grafana/data"
    store, prometheus = given["datasources"]
    assert store["url"] == f"127.0.0.1:{stack.settings.postgres_port}"
    assert (store["user"], store["jsonData"]["database"]) == ("tips_reader", "metrics")
    assert store["secureJsonData"] == {"password": known["reader"]}
    assert prometheus["url"] == f"http://127.0.0.1:{stack.settings.prometheus_port}"
    there = Addresses(app="http://127.0.0.1:18501", mlflow="http://127.0.0.1:15000")
    assert given["dashboards"] == {name: json.loads(text) for name, text in texts(there).items()}
    # Nothing of the stack's other servers, nor of whoever starts it.
    ours = ("GRAFANA_", "GF_", "PATH", "HOME", "LANG", "LC_", "TZ", "TMPDIR")
    assert [name for name in given["environment"] if not name.startswith(ours)] == []


def test_its_passwords_are_in_files_of_its_owner_alone(stack):
    known = json.loads((stack.folder / "secrets.json").read_text())
    having = {
        path.relative_to(stack.folder).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in stack.folder.rglob("*")
        if path.is_file() and known["grafana"] in path.read_text()
    }
    assert having == {"secrets.json": 0o600, "grafana/grafana.env": 0o600}
    before = (stack.folder / "grafana" / "grafana.env").read_text()
    kept = stack.folder / "grafana" / "data" / "grafana.db"
    kept.parent.mkdir()
    kept.touch()
    stack.prepare()
    assert (stack.folder / "grafana" / "grafana.env").read_text() == before
    assert kept.exists()
    (stack.folder / "secrets.json").write_text('{"admin": "known"}')
    stack.prepare()
    assert known["grafana"] not in (stack.folder / "grafana" / "grafana.env").read_text()
    assert not kept.exists()  # it has the old password, and cannot be read by the new key


def test_older_packages_have_another_program_and_most_machines_none(tmp_path, monkeypatch):
    folder = install(tmp_path / "old", "grafana-server")
    monkeypatch.setenv("PATH", str(folder))
    words = grafana_of_stack.command()
    assert words[:2] == [str(folder / "grafana-server"), f"--homepath={tmp_path / 'old'}"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert grafana_of_stack.command() is None
    with pytest.raises(SystemExit, match="Grafana is not on the path"):
        grafana_of_stack.main(tmp_path / "grafana.env")


def test_without_it_the_stack_has_the_other_servers(tmp_path):
    names = [server.name for server in Stack(tmp_path, Settings()).servers]
    assert "prometheus" in names
    assert "grafana" not in names
