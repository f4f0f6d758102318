"""What Grafana does with a query: variables, macros, asking, and the names of what comes back.

As its documentation describes it, and strict where it is silent: an unknown name, an answer without
a value or in the wrong form raises Fault. No Grafana runs here.
"""

import json
import math
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

Json = dict[str, Any]
DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
INTERVAL_SECONDS = 1
# Columns that are empty while all is well, as it is here.
MAY_BE_EMPTY = {("Last runs", "failure")}
# Grafana's kinds of fields by Postgres' types (pg_type.dat).
_KINDS = {
    **dict.fromkeys((1114, 1184), "time"),
    **dict.fromkeys((20, 21, 23, 700, 701, 1700), "number"),
    **dict.fromkeys((25, 1043), "string"),
    16: "boolean",
}
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
_FIELD_OF_LINK = re.compile(r"\$\{__data\.fields\.(\w+)\}")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SELECTOR = re.compile(r"([\w:]+)\{([^}]*)\}")
_MATCHER = re.compile(r"""(\w+)\s*(=~|!~|!=|=)\s*["']([^"']*)["']""")


class Fault(AssertionError):
    """Something that Grafana would show as an error, or as nothing."""


@dataclass
class Frame:
    """A table or a series, as a panel gets it: the series' name is that of its second column."""

    ref: str
    data: pd.DataFrame

    @property
    def names(self) -> list[str]:
        return [*self.data.columns]

    @property
    def rows(self) -> list[Json]:
        return self.data.to_dict("records")


def dashboards() -> list[Json]:
    return [json.loads(path.read_text("utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))]


def panels(dashboard: Json) -> list[Json]:
    """The panels without the headings of rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


@dataclass
class Grafana:
    """A dashboard's queries of a Postgres and a Prometheus, over a time range."""

    postgres: sa.Engine
    prometheus: str
    begin: datetime
    end: datetime
    variables: dict[str, list[str]] = field(default_factory=dict)

    def choose(self, dashboard: Json) -> None:
        """Give every variable its value, as when the dashboard is opened: the first, or all."""
        self.variables = {}
        for variable in dashboard["templating"]["list"]:
            values = [variable["query"]]
            if variable["type"] == "query":
                kinds, data = self._rows(variable["query"])
                if [*kinds.values()] != ["string"] or data.empty:
                    raise Fault(f"variable {variable['name']} gives {kinds}, {len(data)} rows")
                values = [*data.iloc[:, 0]]
            self.variables[variable["name"]] = values if variable["multi"] else values[:1]

    def ask(self, targets: list[Json]) -> list[Frame]:
        """Return the frames that a panel's queries give, in Grafana's names."""
        frames = []
        for target in targets:
            if "rawSql" in target:
                frames += self._sql(target)
            elif target["format"] == "table":
                frames.append(self._now(target))
            else:
                frames += self._series(target)
        return frames

    def expanded(self, text: str) -> str:
        """Replace every variable in a text."""

        def value(match: re.Match[str]) -> str:
            name, form = match[1] or match[3], match[2]
            if name not in self.variables:
                raise Fault(f"nobody knows the variable {match[0]}")
            values = self.variables[name]
            if form == "sqlstring":
                return ",".join("'" + v.replace("'", "''") + "'" for v in values)
            if form not in (None, "raw") or len(values) != 1:
                raise Fault(f"{match[0]} stands for {values}")
            return values[0]

        return _VARIABLE.sub(value, text)

    def _sql(self, target: Json) -> list[Frame]:
        kinds, data = self._rows(target["rawSql"])
        if target["format"] == "table":
            return [Frame(target["refId"], data)]
        return [Frame(target["refId"], series) for series in _series_of_rows(kinds, data)]

    def _rows(self, query: str) -> tuple[dict[str, str], pd.DataFrame]:
        """Return the kind of each column, and the rows."""
        with self.postgres.connect() as connection:
            # The driver's own way: SQL of a person has percent signs and colons.
            cursor = connection.connection.cursor()
            cursor.execute(self.expanded(self._macros(query)))
            rows, columns = cursor.fetchall(), cursor.description
        unknown = {c.name: c.type_code for c in columns if c.type_code not in _KINDS}
        if unknown:
            raise Fault(f"Grafana has no kind for {unknown}")
        data = pd.DataFrame(rows, columns=[c.name for c in columns], dtype=object)
        numbers = data.map(lambda value: float(value) if isinstance(value, Decimal) else value)
        return {c.name: _KINDS[c.type_code] for c in columns}, numbers

    def _macros(self, query: str) -> str:
        """Expand the macros of Grafana's Postgres data source."""
        query = query.replace("$__interval", f"{INTERVAL_SECONDS}s")
        begin, end = (f"'{t.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'" for t in (self.begin, self.end))
        query = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {begin} AND {end}", query)
        grouped = r"to_timestamp(floor(extract(epoch from \1)/\2)*\2)"
        return re.sub(r"\$__timeGroup\((\w+), (\d+)s\)", grouped, query)

    def _expression(self, target: Json) -> str:
        spans = {
            "$__rate_interval": 10 * INTERVAL_SECONDS,
            "$__range": int((self.end - self.begin).total_seconds()),
        }
        expression = target["expr"]
        for name, seconds in spans.items():
            expression = expression.replace(name, f"{seconds}s")
        return self.expanded(expression)

    def _series(self, target: Json) -> Iterator[Frame]:
        """Yield a series for each set of labels, named by its legend."""
        times = {"start": str(self.begin.timestamp()), "end": str(self.end.timestamp())}
        query = self._expression(target)
        found = self.api("query_range", query=query, step=str(INTERVAL_SECONDS), **times)
        for series in found["result"]:
            rows = [(_utc(at), float(value)) for at, value in series["values"]]
            name = _legend(target["legendFormat"], series["metric"])
            yield Frame(target["refId"], pd.DataFrame(rows, columns=["Time", name]))

    def _now(self, target: Json) -> Frame:
        """Return a row for each set of labels."""
        end = str(self.end.timestamp())
        found = self.api("query", query=self._expression(target), time=end)["result"]
        rows = [
            {"Time": _utc(series["value"][0])}
            | series["metric"]
            | {"Value": float(series["value"][1])}
            for series in found
        ]
        return Frame(target["refId"], pd.DataFrame(rows))

    def api(self, path: str, **asked: str) -> Any:
        """Return an answer of Prometheus."""
        data = urllib.parse.urlencode(asked).encode()
        try:
            with urllib.request.urlopen(f"{self.prometheus}/api/v1/{path}", data) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Fault(error.read().decode()) from error

    def check(self, panel: Json) -> None:
        """Ask what a panel asks. Raises Fault for what it would not show."""
        frames = self.ask(panel["targets"])
        for target in panel["targets"]:
            found = [frame for frame in frames if frame.ref == target["refId"]]
            if not found or any(frame.data.empty for frame in found):
                raise Fault(f"query {target['refId']} finds nothing: {target}")
            empty = [(name, no) for f in found for name, no in f.data.isna().all().items()]
            for name, nothing in empty:
                if nothing and (panel["title"], name) not in MAY_BE_EMPTY:
                    raise Fault(f"query {target['refId']} finds nothing for {name}: {target}")
            if "expr" in target:
                self.check_labels(target["expr"])
        names = {name for frame in frames for name in frame.names}
        shown = _shown(panel.get("transformations", []), frames)
        overrides = panel["fieldConfig"]["overrides"]
        for override in overrides:
            if override["matcher"]["options"] not in shown:
                raise Fault(f"{override['matcher']} is none of {shown}")
        properties = [prop for override in overrides for prop in override["properties"]]
        links = [link for prop in properties if prop["id"] == "links" for link in prop["value"]]
        texts = [link["url"] for link in links + panel.get("links", [])] + [panel["title"]]
        for text in texts:
            if unknown := {*_FIELD_OF_LINK.findall(text)} - names:
                raise Fault(f"a link needs {unknown}, which is none of {names}")
            self.expanded(_FIELD_OF_LINK.sub("", text))

    def check_values(self, expression: str) -> None:
        """Raise Fault for values of labels that no series has: to leave them out does nothing."""
        for metric, matchers in _SELECTOR.findall(expression):
            for label, operator, text in _MATCHER.findall(matchers):
                values = {one[label] for one in self._labels(metric) if label in one}
                if not values:
                    raise Fault(f"{expression}: no label {label!r} of {metric}")
                asked = set(text.split("|") if "~" in operator else [text]) - {"%s"}
                if asked - values:
                    raise Fault(f"{expression}: {label} of {metric} is never {asked - values}")

    def check_labels(self, expression: str) -> None:
        """Raise Fault for labels, or values of them, that no series of the expression has."""
        self.check_values(expression)
        bare = re.sub(r"\[[^\]]*\]", "", expression)
        metrics = {*_NAME.findall(re.sub(r'"[^"]*"', "", bare))}
        known = {name for metric in metrics for one in self._labels(metric) for name in one}
        groups = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", bare)
        asked = {name for group in groups for name in _NAME.findall(group)}
        if asked - known - {"le"}:
            raise Fault(f"{expression}: no labels {asked - known}")

    def _labels(self, metric: str) -> list[dict[str, str]]:
        """Return the labels of each series of a metric; none for a word that is no metric."""
        found: list[dict[str, str]] = self.api("series", **{"match[]": f'{{__name__="{metric}"}}'})
        return found


def _legend(form: str, labels: dict[str, str]) -> str:
    if form == "__auto":
        return ", ".join(f"{name}={value}" for name, value in labels.items()) or "Value"
    unknown = {*re.findall(r"\{\{(\w+)\}\}", form)} - {*labels}
    if unknown:
        raise Fault(f"no label {unknown} in {labels}")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels[match[1]], form)


def _series_of_rows(kinds: dict[str, str], data: pd.DataFrame) -> list[pd.DataFrame]:
    """Return series by the text column `metric`, or one for each column of numbers."""
    if kinds.get("time") != "time":
        raise Fault(f"no column of times called time: {kinds}")
    if not data["time"].is_monotonic_increasing:
        raise Fault("the rows are not in the order of time")
    texts = [name for name, kind in kinds.items() if kind == "string"]
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    if len(texts) + len(numbers) + 1 != len(data.columns):
        raise Fault(f"neither time, text nor number: {kinds}")
    if not texts:
        return [data[["time", number]] for number in numbers]
    # Only then Grafana takes the text for the name, and nothing else.
    if texts != ["metric"] or len(numbers) != 1:
        raise Fault(f"not time, metric and one number: {kinds}")
    if data.duplicated(["time", "metric"]).any():
        raise Fault("a series has two values at one time")
    return [
        series[["time", *numbers]].rename(columns={numbers[0]: name})
        for name, series in data.groupby("metric")
    ]


def _shown(transformations: list[Json], frames: list[Frame]) -> set[str]:
    """Return the names that are left to show. Raises Fault for a name that no query gives."""
    for transformation in transformations:
        options = transformation["options"]
        if transformation["id"] == "configFromData":
            (limit,) = [frame for frame in frames if frame.ref == options["configRefId"]]
            frames = [frame for frame in frames if frame is not limit]
            used = [mapping["fieldName"] for mapping in options["mappings"]]
            if {*used} - {*limit.names} or not all(map(math.isfinite, limit.data[used].iloc[0])):
                raise Fault(f"{used} is no limit: {limit.rows}")
        elif unknown := {*options["excludeByName"]} - {*frames[0].names}:
            raise Fault(f"{unknown} is none of {frames[0].names}")
    return {name for frame in frames for name in frame.names}


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
