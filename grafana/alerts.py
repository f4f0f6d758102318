"""Panels about alerts, and the runbook as a panel beside them.

Belongs here: those, and taking the runbook from `docs/monitoring.md`. Does not belong here: rules
(`prometheus/alert_rules.yml`) or the advice itself.
"""

import re
from pathlib import Path

from grafana.links import RUNBOOK_TITLE, RUNBOOK_URL
from grafana.panels import column, state_timeline, table, text, values
from grafana.queries import Json, promql, promql_table

_SOURCE = Path(__file__).parents[1] / "docs" / "monitoring.md"
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
# An alert is one, and one for each column that it is about.
FIRING = 'sum by (alertname, severity, cause, column) (ALERTS{alertstate="firing"})'
_SEVERITIES = {"page": ("page: today", "red"), "ticket": ("ticket: this week", "orange")}


def panels() -> list[Json]:
    """What fires, and what has fired."""
    return [_firing(), _fired()]


def runbook() -> Json:
    """What to do about each alert."""
    return text(
        RUNBOOK_TITLE,
        f"From {_SOURCE.parent.name}/{_SOURCE.name}, which also says how often an alert is false.",
        _advice(),
        height=40,
    )


def _firing() -> Json:
    return table(
        "Alerts that fire",
        f"What to do about each: the row {RUNBOOK_TITLE} below.",
        [promql_table(FIRING)],
        {
            "alertname": column(
                "Alert",
                to=(RUNBOOK_TITLE, RUNBOOK_URL),
            ),
            "severity": column("Severity", words=_SEVERITIES),
            "cause": column("Cause"),
            "column": column("Column"),
        },
        width=12,
        none="no alert fires",
        transformations=[
            {"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}
        ],
    )


def _fired() -> Json:
    return state_timeline(
        "Alerts over time",
        "When each alert was firing.",
        [promql('max by (alertname) (ALERTS{alertstate="firing"})', "{{alertname}}")],
        values({"1": ("firing", "red")}),
    )


def _advice() -> str:
    """What the runbook says of each alert, without its measurements, as Markdown."""
    _, _, alerts = _SOURCE.read_text("utf-8").partition("\n## Alerts\n")
    alerts, _, _ = alerts.partition("\n## ")
    sections = re.split(r"^### ", alerts, flags=re.MULTILINE)[1:]
    return "\n".join(_section(section) for section in sections)


def _section(section: str) -> str:
    name, _, body = section.partition("\n")
    parts = [
        " ".join(part.split())
        for part in body.strip().split("\n\n")
        if not part.startswith("**How often it is false.**")
    ]
    return f"### {name}\n\n" + _LINK.sub(r"\1", "\n\n".join(parts)) + "\n"
