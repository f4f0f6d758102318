"""Kinds of panels: each with every option that Grafana's schema asks for.

Belongs here: how numbers are drawn. Does not belong here: which (`model_and_data.py`, ...).

A panel's number is taken from its title, so that links to it live as long as the title.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from grafana.queries import LIMIT, MIXED, Json, limit_as_threshold

_RED, _GREEN, _ORANGE = "red", "green", "orange"
YES_NO = {"true": ("yes", "red"), "false": ("no", "green")}
_TOOLTIP = {"mode": "multi", "sort": "desc"}


def number(title: str) -> int:
    """The number of a panel: below a thousand, where headings begin."""
    return zlib.crc32(title.encode()) % 999 + 1


def time_series(
    title: str,
    description: str,
    targets: Sequence[Json],
    unit: str,
    *,
    width: int = 12,
    height: int = 8,
    bars: bool = False,
    stacked: bool = False,
    symlog: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    points: bool = False,
    overrides: Sequence[Json] = (),
    links: Sequence[Json] = (),
) -> Json:
    """Lines, bars or points over time. A series named `limit` is a dashed red line.

    `symlog`: a logarithmic axis that is linear below this value.
    """
    scale: Json = {"type": "linear"}
    if symlog is not None:
        scale = {"type": "symlog", "log": 10, "linearThreshold": symlog}
    custom: Json = {
        "drawStyle": "bars" if bars else "points" if points else "line",
        "lineWidth": 2,
        "fillOpacity": 60 if bars else 0,
        "showPoints": "always" if points else "auto",
        "pointSize": 6,
        "spanNulls": True,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "scaleDistribution": scale,
        "thresholdsStyle": {"mode": "dashed" if _has_limit(targets) else "off"},
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": _TOOLTIP,
    }
    made = _panel("timeseries", title, description, targets, width, height)
    defaults = {
        "unit": unit,
        "color": {"mode": "palette-classic-by-name"},
        "custom": custom,
        **_bounds(minimum, maximum),
    }
    overrides = [*overrides, _limit_line()] if _draws_limit(targets) else list(overrides)
    return (
        made
        | {"options": options, "fieldConfig": {"defaults": defaults, "overrides": overrides}}
        | ({"links": list(links)} if links else {})
    )


def stat(
    title: str,
    description: str,
    targets: Sequence[Json],
    unit: str,
    *,
    width: int = 4,
    height: int = 4,
    bad_from: float | None = None,
    bad_below: float | None = None,
    named: bool = False,
    none: str = "none",
    mappings: Sequence[Json] = (),
) -> Json:
    """A number in large letters, green or red.

    Red begins at a limit that is one of the queries (`queries.limit`), or where an answer ends
    being yes or no: `bad_from` this, or `bad_below` it. `named` shows the series' name.
    """
    steps: list[Json] = [{"color": _GREEN, "value": None}]
    if bad_from is not None:
        steps.append({"color": _RED, "value": bad_from})
    if bad_below is not None:
        steps = [{"color": _RED, "value": None}, {"color": _GREEN, "value": bad_below}]
    options = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "name" if named else "auto",
        "wideLayout": True,
    }
    defaults = {
        "unit": unit,
        "noValue": none,
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        **({"mappings": list(mappings)} if mappings else {}),
    }
    made = _panel("stat", title, description, targets, width, height)
    return made | {"options": options, "fieldConfig": {"defaults": defaults, "overrides": []}}


def table(
    title: str,
    description: str,
    targets: Sequence[Json],
    columns: Mapping[str, Json],
    *,
    width: int = 24,
    height: int = 8,
    none: str = "none",
    transformations: Sequence[Json] = (),
) -> Json:
    """Rows; `columns` says by name how each is shown (`column`)."""
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}
    overrides = [by_name(name, properties) for name, properties in columns.items()]
    made = _panel("table", title, description, targets, width, height)
    defaults = {"noValue": none, "custom": custom}
    return (
        made
        | {
            "options": {"showHeader": True, "frameIndex": 0, "cellHeight": "sm"},
            "fieldConfig": {"defaults": defaults, "overrides": overrides},
        }
        | ({"transformations": list(transformations)} if transformations else {})
    )


def state_timeline(
    title: str,
    description: str,
    targets: Sequence[Json],
    mappings: Sequence[Json],
    *,
    width: int = 12,
    height: int = 8,
) -> Json:
    """A band for each series, coloured by what it says."""
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []}
    options = {
        "legend": legend,
        "tooltip": {"mode": "single", "sort": "none"},
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "never",
        "alignValue": "left",
    }
    defaults = {
        "color": {"mode": "thresholds"},
        "custom": {"fillOpacity": 80, "lineWidth": 0},
        "mappings": list(mappings),
        "thresholds": {"mode": "absolute", "steps": [{"color": _GREEN, "value": None}]},
    }
    made = _panel("state-timeline", title, description, targets, width, height)
    return made | {"options": options, "fieldConfig": {"defaults": defaults, "overrides": []}}


def text(title: str, description: str, content: str, *, width: int = 24, height: int = 12) -> Json:
    """Markdown."""
    return {
        "id": number(title),
        "type": "text",
        "title": title,
        "description": description,
        "gridPos": {"w": width, "h": height},
        "options": {"mode": "markdown", "content": content},
    }


def values(words: Mapping[str, tuple[str, str]]) -> list[Json]:
    """Words and colours for values."""
    return [
        {
            "type": "value",
            "options": {
                value: {"text": word, "color": color, "index": place}
                for place, (value, (word, color)) in enumerate(words.items())
            },
        }
    ]


def column(
    name: str = "",
    unit: str = "",
    *,
    words: Mapping[str, tuple[str, str]] | None = None,
    to: tuple[str, str] | None = None,
    width: int | None = None,
    hidden: bool = False,
) -> Json:
    """How a table shows a column: its heading, unit, words for values, a link (title, URL)."""
    found: Json = {}
    if name:
        found["displayName"] = name
    if unit:
        found["unit"] = unit
    if words:
        found["mappings"] = values(words)
        found["custom.cellOptions"] = {"type": "color-text"}
    if to:
        found["links"] = [{"title": to[0], "url": to[1], "targetBlank": True}]
    if width:
        found["custom.width"] = width
    if hidden:
        found["custom.hidden"] = True
    return found


def by_name(name: str, properties: Mapping[str, Any]) -> Json:
    """An override of how a series or column of this name is shown."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def _panel(
    kind: str, title: str, description: str, targets: Sequence[Json], width: int, height: int
) -> Json:
    sources = {target["datasource"]["uid"]: target["datasource"] for target in targets}
    return {
        "id": number(title),
        "type": kind,
        "title": title,
        "description": description,
        "datasource": next(iter(sources.values())) if len(sources) == 1 else MIXED,
        "gridPos": {"w": width, "h": height},
        "targets": list(targets),
        **({"transformations": [limit_as_threshold()]} if _has_limit(targets) else {}),
    }


def _has_limit(targets: Sequence[Json]) -> bool:
    return any(target["refId"] == LIMIT for target in targets)


def _draws_limit(targets: Sequence[Json]) -> bool:
    """Whether a limit is one of the series: by its legend, or by the name of an SQL column."""
    return any(
        target.get("legendFormat") == LIMIT or f'AS "{LIMIT}"' in target.get("rawSql", "")
        for target in targets
    )


def _limit_line() -> Json:
    return by_name(
        LIMIT,
        {
            "color": {"mode": "fixed", "fixedColor": _RED},
            "custom.lineStyle": {"fill": "dash", "dash": [8, 6]},
            "custom.drawStyle": "line",
            "custom.fillOpacity": 0,
            "custom.stacking": {"mode": "none", "group": "limit"},
        },
    )


def _bounds(minimum: float | None, maximum: float | None) -> Json:
    found = {"min": minimum, "max": maximum}
    return {name: value for name, value in found.items() if value is not None}
