"""The dashboard *Platform health*: how the platform runs now, its alerts and their runbook.

The alert rules are in `prometheus/alert_rules.yml`.
"""

import re
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import panels
from grafana.dashboard import (
    DAGSTER_RUN,
    PLATFORM_HEALTH,
    RUNBOOK,
    RUNBOOK_TITLE,
    RUNBOOK_URL,
    frame,
)
from grafana.panels import Panel, Stat
from grafana.queries import Sql, promql, promql_now
from tip_assets.exporter import collector, data, disk, limits, platform
from tip_assets.exporter.page import Metric

_RUNBOOK = Path(__file__).parents[1] / "docs" / "monitoring.md"
# The watchdog, which always fires, has no severity.
_ALERTS = 'ALERTS{alertstate="firing",severity!="none"}'
_FIRING = f"sum by (alertname, severity, cause) ({_ALERTS})"
_SEVERITIES = {"page": ("page: today", "red"), "ticket": ("ticket: this week", "orange")}
_STATUS = {
    "SUCCESS": ("success", "green"),
    "FAILURE": ("failure", "red"),
    "CANCELED": ("canceled", "orange"),
}


def dashboard() -> Dashboard:
    """Build the dashboard."""
    runbook = panels.text(
        RUNBOOK_TITLE,
        f"From {_RUNBOOK.parent.name}/{_RUNBOOK.name}, which also says how often an alert is "
        "false.",
        _advice(),
    )
    return frame(
        PLATFORM_HEALTH,
        "Whether the platform runs, what waits for a person, and which alerts fire. Limits are "
        "the settings of the checks, as exported to Prometheus.",
        {
            "Now": _now(),
            "Months and model": _months_and_model(),
            "Alerts": _alerts(),
            "Runs and checks": _runs_and_checks(),
            "Scraping": _scraping(),
            RUNBOOK_TITLE: [runbook.span(24).height(40)],
        },
        since="now-24h", refresh="1m", links=[RUNBOOK],
    )  # fmt: skip


def _stat(title: str, metric: Metric, unit: str, limit: Metric | None = None) -> Stat:
    return panels.stat(title, metric.help, promql(f"max({metric.name})"), unit, limit)


def _now() -> list[Panel]:
    """Return what on-call needs first; it fits one screen."""
    red_from_one = panels.thresholds("green", "red")
    free = f"min({disk.FREE.name} / {disk.SIZE.name})"
    firing = [
        panels.stat(
            f"{severity.capitalize()}s firing",
            "Alerts of this severity, silenced ones included.",
            promql(f'count(ALERTS{{alertstate="firing",severity="{severity}"}}) or vector(0)'),
            "short",
        ).thresholds(red_from_one)
        for severity in _SEVERITIES
    ]
    return [
        *firing,
        panels.stat(
            "Metric store", collector.UP.help,
            promql(f"min({collector.UP.name})"), "none",
        ).thresholds(panels.thresholds("red", "green")).mappings(panels.values(panels.UP)),
        _stat("Months unprocessed", platform.UNPROCESSED, "short").thresholds(red_from_one),
        _stat("Messages undelivered", platform.NOT_DELIVERED, "short").thresholds(red_from_one),
        panels.stat(
            "Least free disk", "Free share of the fullest local disk.", promql(free), "percentunit",
        ),
        panels.table(
            "Alerts that fire", f"What to do about each is in the row {RUNBOOK_TITLE} below.",
            promql_now(_FIRING),
            {
                "alertname": panels.column("Alert", to=(RUNBOOK_TITLE, RUNBOOK_URL)),
                "severity": panels.column("Severity", texts=_SEVERITIES),
                "cause": "Cause",
            },
            without=["Time", "Value"],
        ).span(12).no_value("no alert fires"),
        panels.state_timeline(
            "Targets", "Whether each target answers Prometheus.",
            promql("min by (job) (up)", "{{job}}"), panels.UP,
        ),
    ]  # fmt: skip


def _alerts() -> list[Panel]:
    return [
        panels.state_timeline(
            "Alerts over time", "When each alert was firing.",
            promql(f"max by (alertname) ({_ALERTS})", "{{alertname}}"),
            {"1": ("firing", "red")},
        ).span(24),
    ]  # fmt: skip


def _months_and_model() -> list[Panel]:
    """Return panels of metrics, most with a limit: red from the limit on."""
    champion = f"max by (version, month) ({platform.CHAMPION.name})"
    return [
        panels.stat(
            "Champion", "The registry version that serves, and the month it was trained for.",
            promql(champion, "{{version}} ({{month}})"), "none",
        ).text_mode(panels.NAME),
        _stat("Promotions held", platform.HELD, "short").thresholds(
            panels.thresholds("green", "red")
        ),
        panels.stat(
            "Largest effect of drift",
            "Of all control charts, the largest effect of the newest measured month, in standard "
            "deviations.",
            promql(f"max(abs({data.CHART.name}))"), "short", limit=data.CHART_LIMIT,
        ),
        panels.stat(
            "Rows quarantined", "Share of the newest month's rows that break the contract.",
            promql("max(instance:tips_quarantined_rows:ratio)"), "percentunit",
            limit=limits.QUARANTINED,
        ),
        _stat("Champion's age", platform.CHAMPION_AGE, "short", limits.CHAMPION_AGE),
        panels.stat(
            "Newest landing file", "Time since it landed.",
            promql(f"time() - max({platform.NEWEST_FILE.name})"), "s", limit=limits.SILENT,
        ),
        panels.stat(
            "Longest waiting month",
            "Waiting time of the oldest pending month.",
            promql(f"time() - min({platform.UNPROCESSED_SINCE.name})"), "s",
            limit=limits.UNPROCESSED,
        ),
    ]  # fmt: skip


def _runs_and_checks() -> list[Panel]:
    last_runs = """SELECT ended_at, month, job, status, failure, run_id
FROM run_outcome
ORDER BY ended_at DESC
LIMIT 50"""
    ended = f"clamp_min(time() - max by (stage) ({platform.MONTH_END.name}), 0)"
    stages = f"max by (stage, month) ({platform.MONTH.name}) * on (stage) group_left () {ended}"
    return [
        panels.stat(
            "Runs that ended", f"In the shown time range. {platform.RUNS.help}",
            promql(f"sum by (outcome) (increase({platform.RUNS.name}[$__range]))", "{{outcome}}"),
            "short",
        ).span(12).height(8),
        panels.table(
            "Last runs",
            "Newest first. A failure without a message is a check that stopped the month.",
            Sql(last_runs),
            {
                "ended_at": panels.column("Ended", "dateTimeAsIso", width=170),
                "month": panels.column("Month", to=DAGSTER_RUN, width=90),
                "job": "Job",
                "status": panels.column("Status", texts=_STATUS, width=90),
                "failure": "Failure",
                "run_id": panels.column(hidden=True),
            },
        ).span(12),
        panels.state_timeline(
            "Checks", platform.CHECK.help,
            promql(f"min by (check) ({platform.CHECK.name})", "{{check}}"),
            {"0": ("fails", "red"), "1": ("holds", "green")},
        ).height(10),
        panels.table(
            "Assets", "Time since each asset was last materialized, for any month.",
            promql_now(f"time() - max by (asset) ({platform.ASSET.name})"),
            {"asset": "Asset", "Value": ("Made ago", "s")},
            without=["Time"],
        ).span(6).height(10),
        panels.table(
            "Newest month by stage",
            f"{platform.MONTH.help} Time since it ended; 0 for the month in progress.",
            promql_now(stages),
            {"stage": "Stage", "month": "Month", "Value": ("Ended ago", "s")},
            without=["Time"],
        ).span(6).height(10),
    ]  # fmt: skip


def _scraping() -> list[Panel]:
    failed = f"sum(increase({collector.ERRORS.name}[$__rate_interval]))"
    return [
        panels.time_series(
            "Time of a scrape",
            "Duration of each target's scrape, and of the exporter's read of the metric store.",
            promql("max by (job) (scrape_duration_seconds)", "{{job}}"),
            promql(f"max({collector.SECONDS.name})", "exporter gathers"),
            unit="s",
        ).min(0).height(6),
        panels.time_series(
            "Scrapes without the metric store", collector.ERRORS.help,
            promql(failed, "failed scrapes"), unit="short",
        ).min(0),
        panels.time_series(
            "Memory", "Resident memory of the exporter and of Prometheus.",
            promql("max by (job) (process_resident_memory_bytes)", "{{job}}"),
            unit="bytes",
        ).min(0),
    ]  # fmt: skip


def _advice() -> str:
    """Return the runbook's section of each alert, without its measurements and links."""
    _, _, alerts = _RUNBOOK.read_text("utf-8").partition("\n## Alerts\n")
    sections = re.split(r"^### ", alerts.partition("\n## ")[0], flags=re.MULTILINE)[1:]
    return "\n".join(_section(section) for section in sections)


def _section(section: str) -> str:
    name, _, body = section.partition("\n")
    items = [
        " ".join(item.split())
        for item in re.split(r"^- ", body, flags=re.MULTILINE)[1:]
        if not item.startswith("**False alarms.**")
    ]
    text = "\n".join(f"- {item}" for item in items)
    return f"### {name}\n\n" + re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text) + "\n"
