"""Every dashboard, and how its file is written.

Belongs here: that list. Does not belong here: what is on a dashboard (the modules named here).
"""

import json
from pathlib import Path

from grafana import model_and_data, platform_health, serving
from grafana.dashboard import Addresses

DASHBOARDS = Path(__file__).parent / "dashboards"
_BOARDS = {
    "model_and_data.json": model_and_data.dashboard,
    "platform_health.json": platform_health.dashboard,
    "serving.json": serving.dashboard,
}


def texts(addresses: Addresses) -> dict[str, str]:
    """The dashboards as JSON, by file name: the same text for the same code."""
    return {
        name: json.dumps(board(addresses), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, board in _BOARDS.items()
    }


def write(folder: Path, addresses: Addresses) -> list[Path]:
    """Write the dashboards into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in texts(addresses).items():
        paths.append(folder / name)
        paths[-1].write_text(text, "utf-8")
    return paths
