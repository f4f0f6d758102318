"""Grafana's files as they stand: they name what exists, and nothing twice, and no password."""

import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from app.app_metrics import AppMetrics
from deploy.stack import grafana as stack_grafana
from grafana.__main__ import main
from grafana.boards import texts
from grafana.dashboard import Addresses
from tip_assets.exporter import collector, data, limits, model, platform
from tip_assets.settings import Settings
from tip_assets_tests.monitoring.test_alerts import ALERTS
from tip_assets_tests.support.grafana_queries import DASHBOARDS, dashboards, panels

ROOT = DASHBOARDS.parents[1]
GRAFANA = DASHBOARDS.parent
BOARDS = dashboards()
SOURCES = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "tips.yml").read_text())
PROVIDERS = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "tips.yml").read_text())
INI = configparser.ConfigParser(interpolation=None)
INI.read(GRAFANA / "grafana.ini")
# What Grafana 11.6 and later bring along; any other plugin would have to be installed.
CORE_PANELS = {
    *("alertlist", "annolist", "barchart", "bargauge", "candlestick", "canvas", "dashlist"),
    *("datagrid", "flamegraph", "gauge", "geomap", "heatmap", "histogram", "logs", "news"),
    *("nodeGraph", "piechart", "row", "stat", "state-timeline", "status-history", "table", "text"),
    *("timeseries", "traces", "trend", "welcome", "xychart"),
}
CORE_SOURCES = {
    *("prometheus", "grafana-postgresql-datasource", "loki", "tempo", "mysql", "mssql", "grafana"),
    *("elasticsearch", "graphite", "influxdb", "opentsdb", "jaeger", "zipkin", "datasource"),
}
# Of Prometheus itself, and of every process with its client.
OF_PROMETHEUS = {"up", "ALERTS", "scrape_duration_seconds", "process_resident_memory_bytes"}


def everything(part: Any) -> Iterator[tuple[str, Any]]:
    """Every key and its value, however deep."""
    if isinstance(part, dict):
        yield from part.items()
    for inner in part.values() if isinstance(part, dict) else part:
        if isinstance(inner, dict | list):
            yield from everything(inner)


def test_the_files_are_what_the_code_gives():
    """`python -m grafana` writes them, after a change of the code or of the runbook."""
    given = texts(Addresses())
    assert {path.name for path in DASHBOARDS.iterdir()} == set(given)
    old = [name for name, text in given.items() if (DASHBOARDS / name).read_text("utf-8") != text]
    assert old == [], "python -m grafana writes them anew"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_a_dashboard_can_be_read(board):
    shown = list(panels(board))
    assert all(panel["description"].endswith(".") for panel in shown)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({panel["title"] for panel in shown}) == len(shown)
    below = [*board["panels"][1:], {"type": "row"}]
    for panel, after in zip(board["panels"], below, strict=True):
        assert not (panel["type"] == after["type"] == "row"), f"nothing under {panel['title']}"
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells), "panels lie on one another"
    assert max(x for x, _ in cells) == 23
    for panel in shown:
        if panel["type"] in ("timeseries", "stat"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_data_sources_and_plugins_are_there():
    provisioned = {source["uid"]: source["type"] for source in SOURCES["datasources"]}
    used = {
        value["uid"]: value["type"]
        for board in BOARDS
        for key, value in everything(board)
        if key == "datasource"
    }
    assert used.pop("-- Mixed --") == "datasource"
    assert used == provisioned
    assert set(provisioned.values()) <= CORE_SOURCES
    assert {panel["type"] for board in BOARDS for panel in board["panels"]} <= CORE_PANELS
    assert len({board["uid"] for board in BOARDS}) == 3


def test_every_metric_is_one_that_somebody_exports():
    exported = {
        metric.name
        for module in (collector, data, limits, model, platform)
        for metric in module.METRICS
    }
    exported |= {
        sample.name for family in AppMetrics().registry.collect() for sample in family.samples
    }
    exported |= {"tips_app_refused_rows_total", "tips_app_model_info"}  # samples once there is one
    rules = yaml.safe_load((ROOT / "prometheus" / "recording_rules.yml").read_text())
    exported |= {rule["record"] for group in rules["groups"] for rule in group["rules"]}
    asked = {
        name
        for board in BOARDS
        for key, expression in everything(board)
        if key == "expr"
        for name in re.findall(r"[\w:]*tips_[\w:]+", expression)
    }
    assert asked - exported == set()
    assert len(asked) > 25


def test_what_is_recorded_is_asked_for():
    rules = yaml.safe_load((ROOT / "prometheus" / "recording_rules.yml").read_text())
    recorded = [rule for group in rules["groups"] for rule in group["rules"]]
    asked = " ".join(
        [value for board in BOARDS for key, value in everything(board) if key == "expr"]
        + [rule["expr"] for rule in [*ALERTS.values(), *recorded]]
    )
    document = (ROOT / "docs" / "monitoring.md").read_text()
    for name in (rule["record"] for rule in recorded):
        assert re.search(rf"(?<![\w:]){name}(?![\w:])", asked), name
        assert f"`{name}`" in document


def test_no_limit_stands_here_a_second_time():
    """Thresholds are limits that the exporter tells, or where an answer ends being yes or no."""
    steps = [
        step["value"]
        for board in BOARDS
        for key, value in everything(board)
        if key == "steps"
        for step in value
    ]
    assert set(steps) == {None, 1}
    limited = {
        target["expr"]
        for board in BOARDS
        for panel in panels(board)
        for target in panel.get("targets", [])
        if target["refId"] == "limit"
    }
    assert len(limited) >= 6
    assert limited <= {f"max({metric.name})" for metric in limits.METRICS}


def test_links_lead_to_what_there_is():
    ids = {board["uid"]: {str(panel["id"]) for panel in board["panels"]} for board in BOARDS}
    links = {value for board in BOARDS for key, value in everything(board) if key == "url"}
    assert len(links) > 8
    for url in links:
        uid, view = re.match(r"(?:/d/([\w-]+))?(?:\?viewPanel=panel-(\d+))?", url).groups()
        if uid is not None:
            assert uid in ids, url
            assert view is None or view in ids[uid], url
        else:
            assert re.match(
                r"\$\{app:raw\}/reports\?month=|\$\{mlflow:raw\}/#/runs/|\$\{dagster:raw\}/runs/",
                url,
            ), url
    assert (ROOT / "app" / "views" / "reports.py").exists()
    assert {uid for uid in ids if f"/d/{uid}" in links} == set(ids)


def test_the_runbook_says_what_to_do_about_every_alert():
    (runbook,) = [p for board in BOARDS for p in panels(board) if p["title"] == "Runbook"]
    sections = runbook["options"]["content"].split("### ")[1:]
    assert [section.split("\n")[0] for section in sections] == [*ALERTS]
    assert all("**What to do.**" in section for section in sections)
    assert "$" not in runbook["options"]["content"]  # it would be a variable


def test_people_log_in_and_no_file_has_a_password():
    passwords = {
        source["uid"]: source["secureJsonData"] for source in SOURCES["datasources"]
        if "secureJsonData" in source
    }  # fmt: skip
    assert passwords == {"tips-metric-store": {"password": "$GRAFANA_POSTGRES_PASSWORD"}}
    assert INI["security"]["admin_password"] == "$__env{GRAFANA_ADMIN_PASSWORD}"
    assert INI["security"]["secret_key"] == "$__env{GRAFANA_SECRET_KEY}"
    assert INI["auth.anonymous"]["enabled"] == "false"
    assert INI["users"]["allow_sign_up"] == "false"
    assert INI["server"]["http_addr"] == "127.0.0.1"
    told = {name for name, value in INI["analytics"].items() if value != "false"}
    assert told == set()


def test_every_variable_is_told_by_the_stack_and_by_the_docs():
    files = [GRAFANA / "grafana.ini", *(GRAFANA / "provisioning").rglob("*.yml")]
    asked = {
        name for f in files for name in re.findall(r"\$(?:__env\{)?(GRAFANA_\w+)", f.read_text())
    }
    reader = "postgresql+psycopg2://tips_reader:secret@127.0.0.1:5433/metrics"
    told = stack_grafana.environment(Path("/stack/grafana"), Settings(), reader, "password", "key")
    assert asked == {name for name in told if name.startswith("GRAFANA_")}
    docs = (ROOT / "docs" / "monitoring.md").read_text()
    assert [name for name in asked if f"`{name}`" not in docs] == []
    provider = PROVIDERS["providers"][0]
    assert provider["options"]["path"] == "$GRAFANA_DASHBOARDS"
    assert Path(told["GRAFANA_PROVISIONING"]) == GRAFANA / "provisioning"
    assert INI["paths"]["provisioning"] == "$__env{GRAFANA_PROVISIONING}"


def test_numbers_of_other_files_are_theirs():
    prometheus = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    (source,) = [s for s in SOURCES["datasources"] if s["type"] == "prometheus"]
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    assert INI.getint("server", "http_port") == Settings().grafana_port


def test_dashboards_for_other_addresses_differ_in_addresses_only(tmp_path):
    command = typer.Typer()
    command.command()(main)
    options = ["--app", "https://tips.example.org", "--mlflow", "https://mlflow.example.org"]
    done = CliRunner().invoke(command, [str(tmp_path), *options])
    assert done.exit_code == 0, done.output
    for path in DASHBOARDS.iterdir():
        changed = (tmp_path / path.name).read_text()
        assert "https://tips.example.org" in changed
        back = changed.replace("https://tips.example.org", Addresses.app)
        assert back.replace("https://mlflow.example.org", Addresses.mlflow) == path.read_text()
