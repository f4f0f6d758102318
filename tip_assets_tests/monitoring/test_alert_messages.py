"""From a month in the metric store to a message: who is notified of what."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import AuthResult, LoginPassword

from deploy.stack import monitoring
from deploy.stack.servers import program
from tip_assets.exporter.server import start
from tip_assets.metric_store import tables
from tip_assets.metric_store.store import MetricStore
from tip_assets.settings import Settings
from tip_assets_tests.monitoring.test_alerts import ALERTS, CONFIGURATION
from tip_assets_tests.support.ports import free_port

INHIBITING = yaml.safe_load((CONFIGURATION / "alertmanager.yml").read_text())["inhibit_rules"]


def test_alerts_that_follow_from_an_unwatched_landing_are_muted():
    (rule,) = [r for r in INHIBITING if r["source_matchers"] == ["alertname = LandingNotWatched"]]
    (hidden,) = re.findall(r'alertname =~ "([^"]*)"', *rule["target_matchers"])
    assert set(hidden.split("|")) == {"LandingSilent", "MonthNotProcessed"} <= set(ALERTS)
    assert rule["equal"] == ["job", "instance"]


@pytest.mark.parametrize("away", ["ExporterDown", "MetricStoreAway"])
def test_what_cannot_be_known_while_something_is_away_is_hidden(away):
    """Limits are known without the store. What hides for good has no condition (`equal`)."""
    hidden = {
        name
        for rule in INHIBITING
        if "equal" not in rule and all(_says(m, away) for m in rule["source_matchers"])
        for name in ALERTS
        if all(_says(m, name) for m in rule["target_matchers"])
    }
    needed = {
        name: re.findall(r"\btips_(?!app_)\w+", rule["expr"]) for name, rule in ALERTS.items()
    }
    needed.pop("MetricStoreAway")
    known = r".*_limit|tips_disk_.*" if away == "MetricStoreAway" else "nothing"
    assert hidden == {
        name for name, asked in needed.items() if any(not re.fullmatch(known, m) for m in asked)
    }


def _says(matcher: str, alert: str) -> bool:
    """Whether a matcher of Alertmanager is one of an alert."""
    label, operator, text = re.fullmatch(r'(\w+) (=~?) "?([^"]*)"?', matcher).groups()
    value = (ALERTS[alert]["labels"] | {"alertname": alert}).get(label, "")
    return bool(re.fullmatch(text, value)) if operator == "=~" else value == text


def test_a_subject_names_what_fires_not_what_is_over_meanwhile(tmp_path):
    def subject(**states: str) -> str:
        alerts = [
            {"status": state, "labels": {"alertname": name}} for name, state in states.items()
        ]
        data = {"status": "firing" if "firing" in states.values() else "resolved", "alerts": alerts}
        (tmp_path / "data.json").write_text(json.dumps(data))
        done = subprocess.run(
            [
                *("amtool", "template", "render", f"--template.glob={CONFIGURATION}/*.tmpl"),
                '--template.text={{ template "tips.subject" . }}',
                f"--template.data={tmp_path}/data.json",
            ],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.removeprefix("Tip platform: ").strip()

    assert subject(AppDown="resolved", MlflowDown="firing") == "MlflowDown"
    assert subject(AppDown="firing", MlflowDown="firing") == "AppDown and 1 more"
    assert subject(AppDown="resolved", MlflowDown="resolved") == "over: AppDown and 1 more"


def test_a_receiver_without_an_address_is_left_out(tmp_path):
    monitoring.write_configuration(tmp_path, Settings())
    content = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())
    assert content["receivers"] == [
        {"name": "people"}, {"name": "on-call"}, {"name": "watchdog"},
    ]  # fmt: skip
    check = ["amtool", "check-config", str(tmp_path / "alertmanager.yml")]
    subprocess.run(check, check=True, capture_output=True)


class Mailbox(MessageHandler):
    """A mail server's handler that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.got.append(message)


LOGIN = LoginPassword(b"alerts", b"secret of the mail server")


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """A mail server that takes letters of one user only."""
    handler, port = Mailbox(), free_port()

    def known(_server: object, _session: object, _envelope: object, _way: str, login: object):
        return AuthResult(success=login == LOGIN)

    server = Controller(
        handler,
        hostname="127.0.0.1",
        port=port,
        authenticator=known,
        auth_required=True,
        auth_require_tls=False,
        auth_exclude_mechanism=["LOGIN"],  # whose prompts Alertmanager does not know
    )
    server.start()
    yield handler, port
    server.stop()


@pytest.fixture
def watchdog() -> Iterator[tuple[list[dict], str]]:
    """A service that notes when it is called, and its address."""
    calls: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield calls, f"http://127.0.0.1:{server.server_port}/tips"
        server.shutdown()


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
    """A month with refused rows and five drifted columns, whose promotion is held."""
    names = ["total_bill", "sex", "smoker", "day", "tip"]
    for month in ("2024-01", "2024-02"):
        facts = {"columns": 7, "drifted_columns": 5, "share": 5 / 7}
        rows = {"reference_rows": 195, "current_rows": 49, "served_by": 1}
        column = {
            **{"test": "ks", "score": 0.0, "effect": "wasserstein", "effect_size": 1.0},
            "drifted": True,
        }
        drifted = [
            {"column": name, "role": "target" if name == "tip" else "feature", **column}
            for name in names
        ]
        store.replace_month(
            month, {tables.dataset_drift: [facts | rows | {"drifted": True}], tables.drift: drifted}
        )
        store.hold(month, int(month[-1]), None, "5 of 7 columns have drifted")
        landed = {"files": 1, "files_unreadable": 0, "rows_kept": 70, "rows_quarantined": 30}
        store.replace_month(month, {tables.ingestion: [landed]})


@pytest.mark.services
@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_who_is_notified_of_a_month_of_refused_rows_that_drifted(
    aws, mailbox, watchdog, tmp_path, monkeypatch
):
    """The page goes to the topic and by mail, the ticket by mail, what follows to nobody."""
    topic, queue = aws.topic_with_queue("alerts")
    (letters, smtp_port), (calls, address) = mailbox, watchdog
    (tmp_path / "password").write_text(LOGIN.password.decode())
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
        smtp_user=LOGIN.login.decode(),
        smtp_password_file=str(tmp_path / "password"),
        alert_watchdog_url=address,
        runbook_url="https://docs.example.com/monitoring.html",
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
            wait_for("two letters", lambda: len(letters.got) == 2, log)
            wait_for("the watchdog", lambda: bool(calls), log)
            bodies: list[dict] = []
            wait_for("a message", lambda: bool(bodies.extend(aws.received(queue)) or bodies), log)
            time.sleep(5)  # any other message has arrived by now
            bodies += aws.received(queue)
            alerts = firing(settings)
    finally:
        server.shutdown()
        server.server_close()
    assert alerts == {"DatasetDrift": 1, "PromotionHeld": 1, "RowsQuarantined": 1, "Watchdog": 1}
    (body,), by_mail = bodies, {letter["Subject"]: letter for letter in letters.got}
    page, ticket = "Tip platform: RowsQuarantined", "Tip platform: DatasetDrift"
    assert body["Subject"] == page
    assert set(by_mail) == {page, ticket}
    texts = {subject: text_of(letter) for subject, letter in by_mail.items()}
    for message in (body["Message"], texts[page]):
        assert "30% of the rows of 2024-02" in message
        assert "https://docs.example.com/monitoring.html#rowsquarantined" in message
        assert "Drift" not in message
    assert "5 of the columns drifted in 2024-02." in texts[ticket]
    assert "PromotionHeld" not in "".join(texts.values())
    assert {alert["labels"]["alertname"] for call in calls for alert in call["alerts"]} == {
        "Watchdog"
    }


def text_of(letter: Message) -> str:
    assert letter["To"] == "on-call@example.com"
    (text,) = [part for part in letter.walk() if not part.is_multipart()]
    assert text.get_content_type() == "text/plain"
    return text.get_payload(decode=True).decode()


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
    """Alerts that Alertmanager has, notified or not, by name."""
    address = f"--alertmanager.url=http://127.0.0.1:{settings.alertmanager_port}"
    found = subprocess.run(
        ["amtool", "alert", address, "--active", "--inhibited", "--output=json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    names = [alert["labels"]["alertname"] for alert in yaml.safe_load(found.stdout)]
    return {name: names.count(name) for name in names}
