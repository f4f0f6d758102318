"""The runbook, as a panel beside the alerts.

Belongs here: taking it from `docs/monitoring.md`. Does not belong here: the advice itself.
"""

import re
from pathlib import Path

RUNBOOK = Path(__file__).parents[1] / "docs" / "monitoring.md"
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def advice() -> str:
    """What the runbook says of each alert, without its measurements, as Markdown."""
    _, _, alerts = RUNBOOK.read_text("utf-8").partition("\n## Alerts\n")
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
