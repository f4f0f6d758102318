"""The rules of alerts and their runbook: each fires, is silent, and says what to do."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.stack import monitoring
from tip_assets.metric_store.holds import RELEASABLE, TRAINING_WINDOW_IS_WHOLE
from tip_assets.settings import Settings

CONFIGURATION = Path(__file__).parents[2] / "prometheus"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load((CONFIGURATION / "alert_rules.yml").read_text())["groups"]
    for rule in group["rules"]
}


@pytest.mark.parametrize(
    "command",
    [
        "promtool check config prometheus.yml",
        "promtool check rules --lint-fatal alert_rules.yml recording_rules.yml",
        "promtool test rules alert_rules_test.yml",
        "amtool check-config alertmanager.yml",
    ],
)
def test_the_configuration_and_every_rule_of_it_pass(command):
    done = subprocess.run(
        command.split(), cwd=CONFIGURATION, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_both_ways():
    fires, silent = set(), set()
    for test in yaml.safe_load((CONFIGURATION / "alert_rules_test.yml").read_text())["tests"]:
        for asked in test["alert_rule_test"]:
            (fires if asked["exp_alerts"] else silent).add(asked["alertname"])
    assert fires == set(ALERTS)
    assert silent == fires - {"Watchdog"}  # which always fires


def test_every_alert_links_to_its_section_of_the_runbook():
    headings = re.split(
        r"^### (\w+)\n", (CONFIGURATION.parent / "docs" / "monitoring.md").read_text(), flags=re.M
    )
    sections = dict(zip(headings[1::2], headings[2::2], strict=True))
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"] == f"docs/monitoring.md#{name.lower()}"
        for part in ("Meaning", "False alarms", "Look at", "Do"):
            assert f"**{part}.**" in sections[name], (name, part)
    assert [name for name in sections if name in ALERTS] == list(sections)[: len(ALERTS)]


def test_no_rule_has_a_number_that_a_setting_has():
    """Limits come from the exporter; 0 and 1 are answers, and 0.99 is a quantile."""
    for name, rule in ALERTS.items():
        bare = re.sub(r"\"[^\"]*\"|\[\w+\]|\b[a-z_:]\w*", "", rule["expr"])
        assert set(re.findall(r"\d[\d.]*", bare)) <= {"0", "1", "0.99"}, name


def test_a_stopped_month_alerts_unless_it_is_held_or_deferred():
    (told_otherwise,) = re.findall(r'check!~"([^"]*)"', ALERTS["MonthStopped"]["expr"])
    assert set(told_otherwise.split("|")) == {*RELEASABLE, TRAINING_WINDOW_IS_WHOLE}


def test_alerts_last_until_the_absence_of_the_exporter_alerts():
    """Then that hides it; an alert that ended before would be reported as over, and then anew."""
    asks = {name for name, rule in ALERTS.items() if "tips_" in rule["expr"]} - {"MetricStoreAway"}
    lasting = {name: rule for name, rule in ALERTS.items() if "keep_firing_for" in rule}
    assert set(lasting) == asks
    told_after = [
        int(ALERTS[name]["for"].rstrip("m")) for name in ("ExporterDown", "MetricStoreAway")
    ]
    for rule in lasting.values():
        assert int(rule["keep_firing_for"].rstrip("m")) > max(told_after)


def test_the_files_are_those_of_the_default_ports():
    as_it_stands = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())
    assert monitoring.prometheus_configuration(Settings()) == as_it_stands
    without_app = monitoring.prometheus_configuration(Settings(app_metrics_port=0))
    assert [job["job_name"] for job in without_app["scrape_configs"]] == [
        "prometheus", "alertmanager", "waiter-tip-prediction", "mlflow",
    ]  # fmt: skip
