"""From a month in the metric store to a message: the rules, their runbook, and who is told."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path

import pytest
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from deploy.stack import monitoring
from deploy.stack.servers import program
from tip_assets.exporter.server import start
from tip_assets.modelling.promotion import RELEASABLE
from tip_assets.resources import metric_tables as tables
from tip_assets.resources.metric_store import MetricStore
from tip_assets.settings import Settings
from tip_assets_tests.ports import free_port

CONFIGURATION = Path(__file__).parents[1] / "prometheus"
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
    assert fires == silent == set(ALERTS)


def test_every_alert_links_to_its_section_of_the_runbook():
    headings = re.split(
        r"^### (\w+)\n", (CONFIGURATION.parent / "docs" / "monitoring.md").read_text(), flags=re.M
    )
    sections = dict(zip(headings[1::2], headings[2::2], strict=True))
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{name.lower()}"
        for part in ("What it means", "How often it is false", "What to look at", "What to do"):
            assert f"**{part}.**" in sections[name], (name, part)
    assert [name for name in sections if name in ALERTS] == list(sections)[: len(ALERTS)]


def test_no_rule_has_a_number_that_a_setting_has():
    """Limits come from the exporter; 0 and 1 are answers, and 0.5 and 0.99 are quantiles."""
    for name, rule in ALERTS.items():
        bare = re.sub(r"\"[^\"]*\"|\[\w+\]|\b[a-z_:]\w*", "", rule["expr"])
        assert set(re.findall(r"\d[\d.]*", bare)) <= {"0", "1"}, name


def test_a_stopped_month_is_told_unless_a_person_may_release_it_or_it_waits_its_turn():
    (told_otherwise,) = re.findall(r'check!~"([^"]*)"', ALERTS["MonthStopped"]["expr"])
    assert set(told_otherwise.split("|")) == {*RELEASABLE, "training_window_is_whole"}


def test_what_follows_from_a_landing_that_nobody_watches_is_not_told():
    rules = yaml.safe_load((CONFIGURATION / "alertmanager.yml").read_text())["inhibit_rules"]
    (rule,) = [r for r in rules if r["source_matchers"] == ["alertname = LandingNotWatched"]]
    (hidden,) = re.findall(r'alertname =~ "([^"]*)"', *rule["target_matchers"])
    assert set(hidden.split("|")) == {"LandingSilent", "MonthNotProcessed"} <= set(ALERTS)
    assert rule["equal"] == ["job", "instance"]


def test_whatever_the_exporter_tells_lasts_until_its_absence_is_told():
    """Then that hides it; an alert that ended before would be told as over, and told anew."""
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
        "prometheus", "waiter-tip-prediction", "mlflow",
    ]  # fmt: skip


def test_a_way_of_telling_without_an_address_is_left_out(tmp_path):
    monitoring.write_configuration(tmp_path, Settings())
    content = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())
    assert content["receivers"] == [{"name": "people"}, {"name": "on-call"}]
    check = ["amtool", "check-config", str(tmp_path / "alertmanager.yml")]
    subprocess.run(check, check=True, capture_output=True)


class Mailbox(MessageHandler):
    """A mail server's handler that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.got.append(message)


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    handler, port = Mailbox(), free_port()
    server = Controller(handler, hostname="127.0.0.1", port=port)
    server.start()
    yield handler, port
    server.stop()


@contextmanager
def running(*command: str | Path, log: Path, **environment: str) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def wait_for(what: str, until: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline, f"{what}\n{log.read_text()[-3000:]}"
        time.sleep(0.2)


def drifted_month(store: MetricStore) -> None:
    """A month of which five columns have drifted for the second time, and which is held."""
    names = ["total_bill", "sex", "smoker", "day", "tip"]
    for month in ("2024-01", "2024-02"):
        facts = {"columns": 7, "drifted_columns": 5, "share": 5 / 7, "threshold_share": 0.5}
        rows = {"reference_rows": 195, "current_rows": 49, "served_by": 1}
        column = {
            **{"test": "ks", "score": 0.0, "p_value": 0.0, "p_value_corrected": 0.0},
            **{"effect": "wasserstein", "effect_size": 1.0, "drifted": True},
            **{"threshold_p_value": 0.05, "threshold_effect_size": 0.1},
        }
        drifted = [
            {"column": name, "role": "target" if name == "tip" else "feature", **column}
            for name in names
        ]
        store.replace_month(
            month, {tables.dataset_drift: [facts | rows | {"drifted": True}], tables.drift: drifted}
        )
        store.hold(month, int(month[-1]), None, "5 of 7 columns have drifted")


@pytest.mark.services
def test_a_drifted_month_is_one_message_to_the_topic_and_one_by_mail(
    aws, mailbox, tmp_path, monkeypatch
):
    """Seven alerts fire, of one cause; six of them follow from the other."""
    topic, queue = aws.topic_with_queue("alerts")
    letters, smtp_port = mailbox
    settings = Settings(
        storage=str(tmp_path / "storage"),
        exporter_port=free_port(),
        prometheus_port=free_port(),
        alertmanager_port=free_port(),
        app_metrics_port=0,
        mlflow_port=free_port(),
        alert_sns_topic_arn=topic,
        alert_email="on-call@example.com",
        smtp_server=f"127.0.0.1:{smtp_port}",
    )
    drifted_month(MetricStore(url=settings.metric_store_url))
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    monitoring.write_configuration(tmp_path, settings)
    impatient(tmp_path)
    server, _ = start(settings)
    log = tmp_path / "log"
    try:
        with (
            running(
                program("alertmanager"),
                f"--config.file={tmp_path}/alertmanager.yml",
                f"--storage.path={tmp_path}/alertmanager",
                "--cluster.listen-address=",
                f"--web.listen-address=127.0.0.1:{settings.alertmanager_port}",
                log=log,
                **aws.environment(),
            ),
            running(
                program("prometheus"),
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/prometheus",
                f"--web.listen-address=127.0.0.1:{settings.prometheus_port}",
                log=tmp_path / "prometheus.log",
            ),
        ):
            wait_for("a letter", lambda: bool(letters.got), log)
            bodies: list[dict] = []
            wait_for("a message", lambda: bool(bodies.extend(aws.received(queue)) or bodies), log)
            time.sleep(5)  # whatever else would be told is told by now
            bodies += aws.received(queue)
            alerts = firing(settings)
    finally:
        server.shutdown()
        server.server_close()
    assert alerts == {"DatasetDrift": 1, "ColumnDrift": 5, "PromotionHeld": 1}
    (body,), (letter,) = bodies, letters.got
    assert body["Subject"] == letter["Subject"] == "Tip platform: DatasetDrift"
    assert letter["To"] == "on-call@example.com"
    (text,) = [part for part in letter.walk() if not part.is_multipart()]
    assert text.get_content_type() == "text/plain"
    for told in (body["Message"], text.get_payload(decode=True).decode()):
        assert "71.43% of the columns have drifted in 2024-02." in told
        assert "docs/monitoring.md#datasetdrift" in told
        assert "ColumnDrift" not in told
        assert "PromotionHeld" not in told


def impatient(folder: Path) -> None:
    """Let Prometheus and Alertmanager look every second: a test does not wait for minutes."""
    prometheus, alertmanager = folder / "prometheus.yml", folder / "alertmanager.yml"
    content = yaml.safe_load(prometheus.read_text())
    content["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    prometheus.write_text(yaml.safe_dump(content))
    content = yaml.safe_load(alertmanager.read_text())
    content["route"] |= {"group_wait": "3s", "group_interval": "3s"}
    alertmanager.write_text(yaml.safe_dump(content))


def firing(settings: Settings) -> dict[str, int]:
    """Alerts that Alertmanager has, told or not, by name."""
    address = f"--alertmanager.url=http://127.0.0.1:{settings.alertmanager_port}"
    found = subprocess.run(
        ["amtool", "alert", address, "--active", "--inhibited", "--output=json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    names = [alert["labels"]["alertname"] for alert in yaml.safe_load(found.stdout)]
    return {name: names.count(name) for name in names}
