"""Grafana's files as they stand: made by the code, naming what exists, without passwords."""

import configparser
import inspect
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.models import common

from deploy.stack import grafana as grafana_of_stack
from deploy.stack.folder import Stack
from grafana.__main__ import files
from grafana.addresses import ADDRESSES, write
from grafana.dashboard import PLATFORM_HEALTH
from tip_assets.settings import Settings
from tip_assets_tests.monitoring.test_alerts import ALERTS
from tip_assets_tests.support.grafana_queries import DASHBOARDS, dashboards, panels

ROOT = DASHBOARDS.parents[1]
GRAFANA = DASHBOARDS.parent
BOARDS = dashboards()
SOURCES = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "tips.yml").read_text())
INI = configparser.ConfigParser(interpolation=None)
INI.read(GRAFANA / "grafana.ini")


def values_of(key: str, part: Any) -> Iterator[Any]:
    """Every value of a key, however deep."""
    if isinstance(part, dict) and key in part:
        yield part[key]
    for inner in part.values() if isinstance(part, dict) else part:
        if isinstance(inner, dict | list):
            yield from values_of(key, inner)


def test_the_files_are_what_the_code_gives():
    given = dict(files())
    assert {*DASHBOARDS.iterdir()} == {*given}
    old = [path.name for path, text in given.items() if path.read_text("utf-8") != text]
    assert old == [], "make dashboards writes them anew"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_a_dashboard_can_be_read(board):
    shown = panels(board)
    assert all(panel["description"].endswith(".") for panel in shown)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({panel["title"] for panel in shown}) == len(shown)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells), "panels lie on one another"
    assert max(x for x, _ in cells) == 23


# Of a browser of 1080 pixels, 38 each, below Grafana's own bars.
SCREEN = 22


def test_what_on_call_needs_fits_one_screen():
    (board,) = [board for board in BOARDS if board["uid"] == PLATFORM_HEALTH]
    headings = [p["gridPos"]["y"] for p in board["panels"] if p["type"] == "row"]
    assert headings[0] == 0
    assert headings[1] <= SCREEN
    first = {p["title"] for p in panels(board) if p["gridPos"]["y"] < headings[1]}
    assert {"Pages firing", "Tickets firing", "Alerts that fire", "Targets"} <= first


def test_no_series_is_drawn_of_an_increase_over_the_whole_range():
    """Its points would each say what happened before the shown range."""
    drawn = [p for b in BOARDS for p in panels(b) if p["type"] in ("timeseries", "state-timeline")]
    assert drawn
    assert not [p["title"] for p in drawn if "$__range]" in json.dumps(p["targets"])]


def test_data_sources_are_provisioned():
    provisioned = {source["uid"]: source["type"] for source in SOURCES["datasources"]}
    used = {source["uid"]: source["type"] for source in values_of("datasource", BOARDS)}
    assert used == provisioned | {"-- Mixed --": "datasource"}


def test_an_override_sets_an_option_that_its_kind_of_panel_has():
    """The SDK has no type for the names of options in overrides; Grafana ignores a wrong one."""
    options = {"table": common.TableFieldOptions, "timeseries": common.GraphFieldConfig}
    shown = [panel for board in BOARDS for panel in panels(board) if panel["type"] in options]
    named = {(p["type"], i) for p in shown for i in values_of("id", p["fieldConfig"]["overrides"])}
    custom = [(kind, name[7:]) for kind, name in named if str(name).startswith("custom.")]
    assert len(custom) > 5
    for kind, name in custom:
        known = inspect.signature(options[kind]).parameters
        assert re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name) in known


def test_what_is_recorded_is_asked_for():
    rules = yaml.safe_load((ROOT / "prometheus" / "recording_rules.yml").read_text())
    recorded = [rule for group in rules["groups"] for rule in group["rules"]]
    asked = [*values_of("expr", [BOARDS, [*ALERTS.values()], recorded])]
    document = (ROOT / "docs" / "monitoring.md").read_text()
    for name in (rule["record"] for rule in recorded):
        assert re.search(rf"(?<![\w:]){name}(?![\w:])", " ".join(asked)), name
        assert f"`{name}`" in document


def test_no_limit_stands_here_a_second_time():
    """Thresholds are limits that the exporter tells, or where an answer ends being yes or no."""
    steps = {step["value"] for steps in values_of("steps", BOARDS) for step in steps}
    assert steps == {None, 1}


def test_links_between_dashboards_lead_to_what_there_is():
    ids = {board["uid"]: {str(panel["id"]) for panel in board["panels"]} for board in BOARDS}
    links = {url for url in values_of("url", BOARDS) if url.startswith("/")}
    assert {f"/d/{uid}" for uid in ids} <= links
    for url in links:
        uid, view = re.match(r"/d/([\w-]+)(?:\?viewPanel=panel-(\d+))?", url).groups()
        assert view is None or view in ids[uid], url


def test_the_runbook_says_what_to_do_about_every_alert():
    (runbook,) = [p for board in BOARDS for p in panels(board) if p["title"] == "Runbook"]
    sections = runbook["options"]["content"].split("### ")[1:]
    assert [section.split("\n")[0] for section in sections] == [*ALERTS]
    assert all("**Do.**" in section for section in sections)
    assert "$" not in runbook["options"]["content"]  # it would be a variable


def test_people_log_in_and_no_file_has_a_password():
    assert [*values_of("password", SOURCES)] == ["$GRAFANA_POSTGRES_PASSWORD"]
    assert INI["security"]["admin_password"] == "$__env{GRAFANA_ADMIN_PASSWORD}"
    assert INI["security"]["secret_key"] == "$__env{GRAFANA_SECRET_KEY}"
    assert INI["auth.anonymous"]["enabled"] == "false"
    assert INI["users"]["allow_sign_up"] == "false"
    assert INI["server"]["http_addr"] == "127.0.0.1"
    assert {*INI["analytics"].values()} == {"false"}


def test_every_variable_is_set_by_the_stack_and_documented():
    texts = [f.read_text() for f in (GRAFANA / "grafana.ini", *GRAFANA.glob("provisioning/*/*"))]
    asked = {*re.findall(r"\$(?:__env\{)?(GRAFANA_\w+)", " ".join(texts))}
    reader = "postgresql+psycopg2://tips_reader:secret@127.0.0.1:5433/metrics"
    environment = grafana_of_stack.environment(
        Path("/stack/grafana"), Settings(), reader, "word", "key"
    )
    assert asked == {name for name in environment if name.startswith("GRAFANA_")}
    store = [
        environment[f"GRAFANA_POSTGRES_{name}"]
        for name in ("USER", "PASSWORD", "ADDRESS", "DATABASE")
    ]
    assert store == ["tips_reader", "secret", "127.0.0.1:5433", "metrics"]
    docs = (ROOT / "docs" / "monitoring.md").read_text()
    assert [name for name in asked if f"`{name}`" not in docs] == []


def test_numbers_of_other_files_are_theirs():
    prometheus = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    assert [*values_of("timeInterval", SOURCES)] == [prometheus["global"]["scrape_interval"]]
    assert INI.getint("server", "http_port") == Settings().grafana_port


def test_dashboards_for_other_addresses_differ_in_addresses_only(tmp_path):
    write(tmp_path, app="https://tips.example.org", mlflow=ADDRESSES["app"])
    for path in DASHBOARDS.iterdir():
        changed = (tmp_path / path.name).read_text()
        assert "https://tips.example.org" in changed
        back = changed.replace(ADDRESSES["app"], ADDRESSES["mlflow"])
        assert back.replace("https://tips.example.org", ADDRESSES["app"]) == path.read_text()


def test_a_stack_starts_without_the_library_that_only_tests_install():
    code = "import sys; sys.modules['grafana_foundation_sdk'] = None; import deploy.stack.__main__"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.fixture
def stack(tmp_path, monkeypatch) -> Stack:
    """A stack that may be prepared, on a machine on which Grafana is installed."""
    program = tmp_path / "bin" / "grafana"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(Stack, "_check_way_of_postgres", lambda _stack: None)
    # Postgres' data are there already: setting them up is another test's business.
    postgres = tmp_path / "stack" / "postgres"
    postgres.mkdir(parents=True)
    (postgres / "PG_VERSION").touch()
    (tmp_path / "stack" / "secrets.json").write_text('{"admin": "known"}')
    return Stack(tmp_path / "stack", Settings(app_port=18501))


def test_a_stack_starts_grafana_if_it_is_installed(stack, tmp_path, monkeypatch):
    assert "grafana" in [server.name for server in stack.servers]
    assert grafana_of_stack.command()[:2] == [str(tmp_path / "bin" / "grafana"), "server"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert grafana_of_stack.command() is None
    with pytest.raises(SystemExit, match="Grafana is no longer on the path"):
        grafana_of_stack.main(tmp_path / "grafana.env")


def test_its_passwords_are_in_files_of_its_owner_alone(stack):
    stack.prepare()
    known = json.loads((stack.folder / "secrets.json").read_text())
    having = {
        path.relative_to(stack.folder).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in stack.folder.rglob("*")
        if path.is_file() and known["grafana"] in path.read_text()
    }
    assert having == {"secrets.json": 0o600, "grafana/grafana.env": 0o600}
    for path in (stack.folder / "grafana" / "dashboards").iterdir():
        assert '"http://127.0.0.1:18501"' in path.read_text()


def test_its_database_goes_when_it_cannot_be_read_by_a_new_key(stack):
    stack.prepare()
    database = stack.folder / "grafana" / "data" / "grafana.db"
    database.parent.mkdir()
    database.touch()
    stack.prepare()
    assert database.exists()
    (stack.folder / "secrets.json").write_text('{"admin": "known"}')
    stack.prepare()
    assert not database.exists()
