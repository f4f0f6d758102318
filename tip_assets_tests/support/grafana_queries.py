"""What Grafana does with a query: variables, macros, asking, and how it names what comes back.

Belongs here: Grafana's side, as its documentation describes it, strict where it is silent: a name
that nobody knows is an error. Does not belong here: what must be true of the answers.
"""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa

Json = dict[str, Any]
DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
INTERVAL_SECONDS = 1
# Grafana's kinds of fields by Postgres' types (pg_type.dat).
_KINDS = {
    **dict.fromkeys((1114, 1184), "time"),
    **dict.fromkeys((20, 21, 23, 700, 701, 1700), "number"),
    **dict.fromkeys((25, 1043), "string"),
    16: "boolean",
}
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class Fault(AssertionError):
    """Something that Grafana would show as an error, or as nothing."""


@dataclass
class Field:
    name: str
    kind: str
    values: list[Any]


@dataclass
class Frame:
    """A table or a series, as a panel gets it."""

    ref: str
    fields: list[Field]

    def __getitem__(self, name: str) -> list[Any]:
        found = [f.values for f in self.fields if f.name == name]
        if len(found) != 1:
            raise Fault(f"{name!r} is not one of {[f.name for f in self.fields]}")
        return found[0]

    @property
    def names(self) -> list[str]:
        return [f.name for f in self.fields]

    @property
    def rows(self) -> list[Json]:
        return [
            dict(zip(self.names, row, strict=True))
            for row in zip(*(f.values for f in self.fields), strict=True)
        ]


def dashboards() -> list[Json]:
    return [json.loads(path.read_text("utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))]


def panels(dashboard: Json) -> Iterator[Json]:
    """The panels, those in folded rows included; headings are none."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


@dataclass
class Grafana:
    """A dashboard's questions to a Postgres and a Prometheus, over a time range."""

    postgres: sa.Engine
    prometheus: str
    begin: datetime
    end: datetime
    variables: dict[str, list[str]] = field(default_factory=dict)

    def choose(self, dashboard: Json) -> None:
        """Give every variable its value, as when the dashboard is opened: the first, or all."""
        self.variables = {}
        for variable in dashboard["templating"]["list"]:
            self.variables[variable["name"]] = self.choices(variable)
            if not variable.get("multi"):
                del self.variables[variable["name"]][1:]

    def choices(self, variable: Json) -> list[str]:
        if variable["type"] == "constant":
            return [variable["query"]]
        answer = self._rows(variable["query"])
        if [f.kind for f in answer] != ["string"] or not answer[0].values:
            raise Fault(f"variable {variable['name']} gives {answer}")
        return list(answer[0].values)

    def ask(self, targets: list[Json]) -> list[Frame]:
        """The frames that a panel's queries give, in Grafana's names."""
        tables = [t for t in targets if "expr" in t and t["format"] == "table"]
        frames = []
        for target in targets:
            if "rawSql" in target:
                frames += self._sql(target)
            elif target in tables:
                value = "Value" if len(tables) == 1 else f"Value #{target['refId']}"
                frames += self._now(target, value)
            else:
                frames += self._series(target)
        return frames

    def expanded(self, text: str) -> str:
        """A text with every variable replaced; one that is unknown is a fault."""

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
        fields = self._rows(target["rawSql"])
        if target["format"] == "table":
            return [Frame(target["refId"], fields)]
        return _wide(target["refId"], fields)

    def _rows(self, query: str) -> list[Field]:
        with self.postgres.connect() as connection:
            # The driver's own way: SQL of a person has percent signs and colons.
            cursor = connection.connection.cursor()
            cursor.execute(self.expanded(self._macros(query)))
            rows = cursor.fetchall()
            columns = cursor.description
        unknown = {c.name: c.type_code for c in columns if c.type_code not in _KINDS}
        if unknown:
            raise Fault(f"Grafana has no kind for {unknown}")
        return [
            Field(c.name, _KINDS[c.type_code], [_plain(row[place]) for row in rows])
            for place, c in enumerate(columns)
        ]

    def _macros(self, query: str) -> str:
        """Macros of Grafana's Postgres data source."""
        query = query.replace("$__interval", f"{INTERVAL_SECONDS}s")
        begin, end = (f"'{t.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'" for t in (self.begin, self.end))
        query = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {begin} AND {end}", query)
        return re.sub(
            r"\$__timeGroup\((\w+), (\d+)s\)",
            r"to_timestamp(floor(extract(epoch from \1)/\2)*\2)",
            query,
        )

    def _expression(self, target: Json) -> str:
        expression = target["expr"]
        span = int((self.end - self.begin).total_seconds())
        for name, seconds in (
            ("$__rate_interval", 10 * INTERVAL_SECONDS),
            ("$__interval", INTERVAL_SECONDS),
            ("$__range", span),
        ):
            expression = expression.replace(name, f"{seconds}s")
        return self.expanded(expression)

    def _series(self, target: Json) -> list[Frame]:
        """A series for each set of labels, named by its legend."""
        found = self.api(
            "query_range",
            query=self._expression(target),
            start=str(self.begin.timestamp()),
            end=str(self.end.timestamp()),
            step=str(INTERVAL_SECONDS),
        )["result"]
        return [
            Frame(
                target["refId"],
                [
                    Field("Time", "time", [_utc(at) for at, _ in series["values"]]),
                    Field(
                        _legend(target["legendFormat"], series["metric"]),
                        "number",
                        [float(value) for _, value in series["values"]],
                    ),
                ],
            )
            for series in found
        ]

    def _now(self, target: Json, value: str) -> list[Frame]:
        """A row for each set of labels."""
        found = self.api("query", query=self._expression(target), time=str(self.end.timestamp()))[
            "result"
        ]
        labels = sorted({name for series in found for name in series["metric"]})
        columns = [
            Field(name, "string", [series["metric"].get(name) for series in found])
            for name in labels
        ]
        times = Field("Time", "time", [_utc(series["value"][0]) for series in found])
        numbers = Field(value, "number", [float(series["value"][1]) for series in found])
        return [Frame(target["refId"], [times, *columns, numbers])]

    def api(self, path: str, **asked: str) -> Any:
        """An answer of Prometheus."""
        data = urllib.parse.urlencode(asked).encode() if asked else None
        try:
            with urllib.request.urlopen(f"{self.prometheus}/api/v1/{path}", data) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Fault(error.read().decode()) from error


def _legend(form: str, labels: dict[str, str]) -> str:
    if form == "__auto":
        return ", ".join(f"{name}={value}" for name, value in labels.items()) or "Value"

    def value(match: re.Match[str]) -> str:
        if match[1] not in labels:
            raise Fault(f"no label {match[1]!r} in {labels}")
        return labels[match[1]]

    return _LABEL.sub(value, form)


def _wide(ref: str, fields: list[Field]) -> list[Frame]:
    """Series of rows: by the text column `metric`, or one for each column of numbers."""
    times = [f for f in fields if f.name == "time"]
    if len(times) != 1 or times[0].kind != "time":
        raise Fault(f"no column of times called time: {[(f.name, f.kind) for f in fields]}")
    (time,) = times
    if any(later < earlier for earlier, later in pairwise(time.values)):
        raise Fault("the rows are not in the order of time")
    texts = [f for f in fields if f.kind == "string"]
    numbers = [f for f in fields if f.kind == "number"]
    if len(texts) + len(numbers) + 1 != len(fields):
        raise Fault(f"neither time, text nor number: {[(f.name, f.kind) for f in fields]}")
    if not texts:
        return [Frame(ref, [time, number]) for number in numbers]
    # Only then Grafana takes the text for the name, and nothing else.
    if [f.name for f in texts] != ["metric"] or len(numbers) != 1:
        raise Fault(f"not time, metric and one number: {[f.name for f in fields]}")
    frames = []
    for name in sorted(set(texts[0].values)):
        chosen = [place for place, metric in enumerate(texts[0].values) if metric == name]
        at = [time.values[place] for place in chosen]
        if len(set(at)) != len(at):
            raise Fault(f"{name} has two values at one time")
        values = [numbers[0].values[place] for place in chosen]
        frames.append(Frame(ref, [Field("time", "time", at), Field(name, "number", values)]))
    return frames


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
