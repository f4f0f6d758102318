"""The frame of a dashboard: its place for panels, variables, annotations, links.

Belongs here: what all dashboards share. Does not belong here: panels (`panels.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana.links import TITLES, link
from grafana.queries import METRIC_STORE, Json, sql
from tip_assets.settings import Settings

HOST = "127.0.0.1"
TAG = "tip-platform"
_COLUMNS = 24  # of Grafana's grid
_ABOVE_ALL_PANELS = 1000  # a heading's number
# Of Grafana 11.6; later versions bring it up to date as they read it.
_SCHEMA_VERSION = 41


def _default(port: str) -> str:
    return f"http://{HOST}:{Settings.model_fields[port].default}"


@dataclass(frozen=True)
class Addresses:
    """Where people open the other parts of the platform; by default, on one machine."""

    app: str = _default("app_port")
    mlflow: str = _default("mlflow_port")
    dagster: str = _default("dagster_port")


@dataclass(frozen=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Json]


def frame(
    uid: str,
    description: str,
    rows: Sequence[Row],
    addresses: Addresses,
    *,
    variables: Sequence[Json],
    annotations: Sequence[Json],
    since: str,
    refresh: str,
    links: Sequence[Json] = (),
) -> Json:
    """A dashboard; months are those of UTC, so times are."""
    return {
        "uid": uid,
        "title": TITLES[uid],
        "description": description,
        "tags": [TAG],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "utc",
        "time": {"from": since, "to": "now"},
        "refresh": refresh,
        "templating": {"list": [*variables, *_hidden(addresses)]},
        "annotations": {"list": list(annotations)},
        "links": [*_to_others(uid), *links],
        "panels": laid_out(rows),
    }


def laid_out(rows: Sequence[Row]) -> list[Json]:
    """The panels with numbers and places: from left to right, a new line when one is full."""
    placed: list[Json] = []
    top = 0
    for row in rows:
        heading = {
            "id": _ABOVE_ALL_PANELS + len(placed),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": _COLUMNS, "h": 1},
            "panels": [],
        }
        inside, top = _places(row.panels, top + 1)
        placed += [heading, *inside]
    return placed


def _places(panels: Sequence[Json], top: int) -> tuple[list[Json], int]:
    left = height = 0
    placed = []
    for panel in panels:
        width = panel["gridPos"]["w"]
        if left + width > _COLUMNS:
            left, top, height = 0, top + height, 0
        placed.append(panel | {"gridPos": panel["gridPos"] | {"x": left, "y": top}})
        left, height = left + width, max(height, panel["gridPos"]["h"])
    return placed, top + height


def chosen(name: str, label: str, description: str, query: str, *, several: bool = False) -> Json:
    """A variable whose choices the metric store gives; the first is chosen, or all."""
    every = {"text": ["All"], "value": ["$__all"]}
    return {
        "type": "query",
        "name": name,
        "label": label,
        "description": description,
        "datasource": METRIC_STORE,
        "query": query,
        "refresh": 1,
        "sort": 0,
        "multi": several,
        "includeAll": several,
        **({"current": every} if several else {}),
    }


def promotions(time: str, chosen_rows: str) -> list[Json]:
    """Annotations: when another model began to serve, and when one was held back.

    `time` is an SQL expression, `chosen_rows` a condition of the champion's history.
    """
    text = "action || ', month ' || month || ': ' || reason"

    def of(name: str, color: str, actions: str) -> Json:
        query = (
            f"SELECT {time}, {text} AS text, action AS tags\nFROM champion_history\n"
            f"WHERE action IN ({actions}) AND {chosen_rows}\nORDER BY 1"
        )
        return {
            "name": name,
            "datasource": METRIC_STORE,
            "enable": True,
            "iconColor": color,
            "target": sql(query, "Anno"),
        }

    return [
        of("Promotions", "green", "'promoted', 'released', 'rolled back'"),
        of("Held back", "orange", "'held', 'refused'"),
    ]


def _to_others(uid: str) -> list[Json]:
    return [
        link(title, f"/d/{other}", f"Dashboard: {title}", "dashboard") | {"targetBlank": False}
        for other, title in TITLES.items()
        if other != uid
    ]


def _hidden(addresses: Addresses) -> list[Json]:
    """Addresses for links; an address in Grafana's own cannot change them."""
    return [
        {
            "type": "constant",
            "name": name,
            "query": address,
            "current": {"text": address, "value": address},
            "hide": 2,
            "skipUrlSync": True,
        }
        for name, address in (
            ("app", addresses.app),
            ("mlflow", addresses.mlflow),
            ("dagster", addresses.dagster),
        )
    ]
