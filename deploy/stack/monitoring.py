"""Write the configuration of Prometheus and Alertmanager from the files in `prometheus/`.

Fills in hosts, the settings' ports and the receivers of alerts. `python -m deploy.stack.monitoring
FOLDER JOB=HOST ...` writes it for servers on other hosts.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tip_assets.settings import Settings

HOST = "127.0.0.1"
SOURCE = Path(__file__).parents[2] / "prometheus"
_COPIED = ("recording_rules.yml", "messages.tmpl")
_RUNBOOK = "docs/monitoring.md"


def write_configuration(
    folder: Path, settings: Settings, hosts: Mapping[str, str] | None = None
) -> None:
    """Write Prometheus' and Alertmanager's files to a folder according to the settings.

    `hosts` maps jobs and `alertmanager` to their hosts if they are not on this machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in _COPIED:
        shutil.copyfile(SOURCE / name, folder / name)
    rules = (SOURCE / "alert_rules.yml").read_text("utf-8")
    rules = rules.replace(f"runbook_url: {_RUNBOOK}", f"runbook_url: {settings.runbook_url}")
    (folder / "alert_rules.yml").write_text(rules, "utf-8")
    topic_endpoint = os.environ.get("AWS_ENDPOINT_URL_SNS") or os.environ.get("AWS_ENDPOINT_URL")
    for name, content in (
        ("prometheus.yml", prometheus_configuration(settings, hosts)),
        ("alertmanager.yml", alertmanager_configuration(settings, topic_endpoint or "")),
    ):
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def prometheus_configuration(
    settings: Settings, hosts: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return Prometheus' configuration with hosts and ports; no job if its port is 0."""
    content = _read("prometheus.yml")
    hosts = hosts or {}
    ports = {
        "prometheus": settings.prometheus_port,
        "alertmanager": settings.alertmanager_port,
        "waiter-tip-prediction": settings.exporter_port,
        "app": settings.app_metrics_port,
        "mlflow": settings.mlflow_port,
    }
    jobs = content["scrape_configs"]
    for job in jobs:
        name = job["job_name"]
        job["static_configs"] = [{"targets": [f"{hosts.get(name, HOST)}:{ports[name]}"]}]
    content["scrape_configs"] = [job for job in jobs if ports[job["job_name"]]]
    alertmanager = f"{hosts.get('alertmanager', HOST)}:{settings.alertmanager_port}"
    content["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    return content


def alertmanager_configuration(settings: Settings, topic_endpoint: str = "") -> dict[str, Any]:
    """Return Alertmanager's configuration for the settings' topic, addresses and mail server.

    Leaves out receivers without an address; without any, alerts are only shown in Alertmanager.
    `topic_endpoint` is the URL of an SNS other than AWS's.
    """
    content = _read("alertmanager.yml")
    content["global"]["smtp_smarthost"] = settings.smtp_server
    content["global"]["smtp_from"] = settings.alert_email_from
    content["global"]["smtp_require_tls"] = not settings.smtp_server.startswith(
        (f"{HOST}:", "localhost:")
    )
    if settings.smtp_user:
        content["global"]["smtp_auth_username"] = settings.smtp_user
        content["global"]["smtp_auth_password_file"] = settings.smtp_password_file
    for receiver in content["receivers"]:
        for call in receiver.get("webhook_configs", []):
            call["url"] = settings.alert_watchdog_url
        if not settings.alert_watchdog_url:
            receiver.pop("webhook_configs", None)
        for mail in receiver.get("email_configs", []):
            mail["to"] = settings.alert_email
        for topic in receiver.get("sns_configs", []):
            topic["topic_arn"] = settings.alert_sns_topic_arn
            if settings.alert_sns_topic_arn:
                topic["sigv4"] = {"region": settings.alert_sns_topic_arn.split(":")[3]}
            if topic_endpoint:
                topic["api_url"] = topic_endpoint
        if not settings.alert_email:
            receiver.pop("email_configs", None)
        if not settings.alert_sns_topic_arn:
            receiver.pop("sns_configs", None)
    return content


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((SOURCE / name).read_text("utf-8"))
    return content


if __name__ == "__main__":
    write_configuration(
        Path(sys.argv[1]), Settings(), dict(word.split("=", 1) for word in sys.argv[2:])
    )
