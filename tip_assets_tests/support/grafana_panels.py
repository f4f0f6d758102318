"""Whether a panel shows what it asks for: each name that it uses is one that its answers have.

Belongs here: looking at one panel. Does not belong here: asking (`grafana_queries.py`), or which
panels there are.
"""

import math
import re

from tip_assets_tests.support.grafana_queries import Fault, Frame, Grafana, Json

# Columns that are empty while all is well, as it is here.
MAY_BE_EMPTY = {("Last runs", "failure")}
_FIELD_OF_LINK = re.compile(r"\$\{__data\.fields\.(\w+)\}")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SELECTOR = re.compile(r"([\w:]+)\{([^}]*)\}")
_MATCHER = re.compile(r"""(\w+)\s*(=~|!~|!=|=)\s*["']([^"']*)["']""")


def check(grafana: Grafana, panel: Json) -> list[Frame]:
    """Ask what a panel asks. Raises Fault for what it would not show."""
    frames = grafana.ask(panel["targets"])
    for target in panel["targets"]:
        _check_answer(panel, target, [f for f in frames if f.ref == target["refId"]])
        if "expr" in target:
            check_labels(grafana, target["expr"])
    names = [name for frame in frames for name in frame.names]
    seen = _transformed(panel.get("transformations", []), frames)
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] not in seen:
            raise Fault(f"{override['matcher']} is none of {seen}")
    texts = [link["url"] for link in _links_of_fields(panel)]
    for field in (name for text in texts for name in _FIELD_OF_LINK.findall(text)):
        if field not in names:
            raise Fault(f"a link needs {field!r}, which is none of {names}")
    texts += [link["url"] for link in panel.get("links", [])] + [panel["title"]]
    for text in texts:
        grafana.expanded(_FIELD_OF_LINK.sub("", text))
    return frames


def _check_answer(panel: Json, target: Json, frames: list[Frame]) -> None:
    """Every column has a value somewhere: a series without one draws nothing."""
    if not frames:
        raise Fault(f"query {target['refId']} finds nothing: {target}")
    for field in (field for frame in frames for field in frame.fields):
        known = [v for v in field.values if v is not None and v == v]
        if not known and (panel["title"], field.name) not in MAY_BE_EMPTY:
            raise Fault(f"query {target['refId']} finds nothing for {field.name}: {target}")
    series = target.get("format") == "time_series"
    for frame in frames:
        kinds = [field.kind for field in frame.fields]
        if series and kinds != ["time", "number"]:
            raise Fault(f"no series: {kinds}")
        if series and panel["type"] == "table":
            raise Fault("a table of series")


def check_labels(grafana: Grafana, expression: str) -> None:
    """Labels that are selected or grouped by are labels of what is asked for, with these values."""
    check_values(grafana, expression)
    bare = re.sub(r"\[[^\]]*\]", "", expression)
    known = {
        name
        for metric in set(_NAME.findall(re.sub(r'"[^"]*"', "", bare)))
        for series in _series(grafana, metric)
        for name in series
    }
    asked = set()
    for group in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", bare):
        asked |= set(_NAME.findall(group))
    if asked - known - {"le"}:
        raise Fault(f"{expression}: no labels {asked - known}")


def _series(grafana: Grafana, metric: str) -> list[dict[str, str]]:
    """The labels of each series of a metric; none for a word that is no metric."""
    found: list[dict[str, str]] = grafana.api("series", **{"match[]": f'{{__name__="{metric}"}}'})
    return found


def check_values(grafana: Grafana, expression: str) -> None:
    """What is compared with is there: who leaves out what nobody is called leaves out nothing."""
    for metric, matchers in _SELECTOR.findall(expression):
        for label, operator, text in _MATCHER.findall(matchers):
            values = {one[label] for one in _series(grafana, metric) if label in one}
            asked = set(text.split("|") if "~" in operator else [text]) - {"%s"}
            if not values:
                raise Fault(f"{expression}: no label {label!r} of {metric}")
            if asked - values:
                raise Fault(f"{expression}: {label} of {metric} is never {asked - values}")


def _transformed(transformations: list[Json], frames: list[Frame]) -> set[str]:
    """Names of what is left to show. Raises Fault for a name that no query gives."""
    for transformation in transformations:
        options = transformation["options"]
        if transformation["id"] == "configFromData":
            (limit,) = [frame for frame in frames if frame.ref == options["configRefId"]]
            frames = [frame for frame in frames if frame is not limit]
            for mapping in options["mappings"]:
                (value,) = limit[mapping["fieldName"]]
                if not math.isfinite(value):
                    raise Fault(f"the limit is {value}")
        elif transformation["id"] == "organize":
            for name in options["excludeByName"]:
                _ = frames[0][name]
        else:
            raise Fault(f"unknown transformation {transformation}")
    return {name for frame in frames for name in frame.names}


def _links_of_fields(panel: Json) -> list[Json]:
    return [
        link
        for override in panel["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if prop["id"] == "links"
        for link in prop["value"]
    ]
