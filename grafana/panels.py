"""The kinds of panels, styled the same on every dashboard.

A panel's number derives from its title, so links to a panel stay valid as long as the title does.
"""

import zlib
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard, prometheus, statetimeline, timeseries
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.text import Panel as Text
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.text import TextMode

from grafana.queries import METRIC_STORE, MIXED, PROMETHEUS, Sql, promql_now
from tip_assets.exporter.page import Metric

Panel = Builder[models.Panel]
Query = Sql | prometheus.Dataquery
Properties = list[models.DynamicConfigValue]
Texts = Mapping[str, tuple[str, str]]  # a text and a colour by value
LIMIT = "limit"
NAME = common.BigValueTextMode.NAME  # a stat shows its series' name
YES_NO = {"true": ("yes", "red"), "false": ("no", "green")}
UP = {"0": ("down", "red"), "1": ("up", "green")}
_Kind = TypeVar("_Kind", timeseries.Panel, Stat, Table, statetimeline.Panel)
_LIMIT_AS_THRESHOLD = models.DataTransformerConfig(
    "configFromData",
    options={
        "configRefId": LIMIT,
        "mappings": [
            {"fieldName": "Value", "handlerKey": "threshold1", "reducerId": "lastNotNull"}
        ],
    },
)
_DASHED_LINE = [
    models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "red"}),
    models.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
    models.DynamicConfigValue("custom.drawStyle", "line"),
    models.DynamicConfigValue("custom.fillOpacity", 0),
    models.DynamicConfigValue("custom.stacking", {"mode": "none", "group": "limit"}),
]


def thresholds(below_one: str, from_one: str = "") -> dashboard.ThresholdsConfig:
    """Colour numbers below one, and from one on, where that is another colour."""
    steps = [models.Threshold(None, below_one)]
    if from_one:
        steps.append(models.Threshold(1, from_one))
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def number(title: str) -> int:
    """Return the number of a panel: below a thousand, where headings begin."""
    return zlib.crc32(title.encode()) % 999 + 1


def time_series(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    limit: Metric | None = None,
    limit_line: bool = False,
) -> timeseries.Panel:
    """Draw lines over time; `limit` (a metric) is a dashed threshold.

    With `limit_line`, the series named `limit` is a dashed line.
    """
    panel = _panel(timeseries.Panel(), title, description, queries, limit)
    panel.unit(unit).color_scheme(_color(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    panel.line_width(2).point_size(6).span_nulls(True).legend(_legend(shown=True))
    tooltip = build.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI)
    panel.tooltip(tooltip.sort(common.SortOrder.DESCENDING))
    if limit is not None:
        dashed = build.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(dashed)
    return panel.override_by_name(LIMIT, _DASHED_LINE) if limit_line else panel


def bars(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw bars instead of lines."""
    return panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(60)


def stacked_bars(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw stacked bars."""
    stacking = build.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
    return bars(panel).stacking(stacking)


def points(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw points instead of lines."""
    panel.draw_style(common.GraphDrawStyle.POINTS)
    return panel.show_points(common.VisibilityMode.ALWAYS)


def stat(
    title: str,
    description: str,
    query: Query,
    unit: str,
    limit: Metric | None = None,
) -> Stat:
    """Show a number in large letters: green, red from `limit` (a metric) on."""
    panel = _panel(Stat(), title, description, [query], limit).span(4).height(4).unit(unit)
    panel.no_value("none").color_scheme(_color(models.FieldColorModeId.THRESHOLDS))
    panel.thresholds(thresholds("green")).graph_mode(common.BigValueGraphMode.NONE)
    reduced = build.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)
    return panel.reduce_options(reduced)


def table(
    title: str,
    description: str,
    query: Query,
    columns: Mapping[str, str | tuple[str, str] | Properties],
    without: Sequence[str] = (),
) -> Table:
    """Show rows.

    `columns` maps each to a heading, a heading and a unit, or a `column`; `without` hides some.
    """
    panel = _panel(Table(), title, description, [query]).span(24).no_value("none")
    for name, shown in columns.items():
        given = (shown,) if isinstance(shown, str) else shown
        panel.override_by_name(name, column(*given) if isinstance(given, tuple) else given)
    if without:
        options = {"excludeByName": dict.fromkeys(without, True)}
        panel.with_transformation(models.DataTransformerConfig("organize", options=options))
    return panel


def state_timeline(title: str, description: str, query: Query, texts: Texts) -> statetimeline.Panel:
    """Draw a band for each series, coloured by its values."""
    panel = _panel(statetimeline.Panel(), title, description, [query]).mappings(values(texts))
    panel.color_scheme(_color(models.FieldColorModeId.THRESHOLDS)).fill_opacity(80).line_width(0)
    panel.thresholds(thresholds("green"))
    panel.tooltip(build.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE))
    return panel.show_value(common.VisibilityMode.NEVER).legend(_legend(shown=False))


def text(title: str, description: str, content: str) -> Text:
    """Show Markdown."""
    panel = Text().id(number(title)).title(title).description(description)
    return panel.mode(TextMode.MARKDOWN).content(content)


def values(texts: Texts) -> list[models.ValueMapping]:
    """Map values to a text and a colour."""
    results = enumerate(texts.items())
    return [
        models.ValueMap(
            {v: models.ValueMappingResult(t, color, index=i) for i, (v, (t, color)) in results}
        )
    ]


def column(
    name: str = "",
    unit: str = "",
    *,
    texts: Texts | None = None,
    to: tuple[str, str] | None = None,
    width: int | None = None,
    hidden: bool = False,
) -> Properties:
    """Describe how a table shows a column: heading, unit, texts of values, link (title, URL)."""
    link = to and [{"title": to[0], "url": to[1], "targetBlank": True}]
    cells = texts and common.TableColorTextCellOptions()
    found = {
        "displayName": name,
        "unit": unit,
        "mappings": texts and values(texts),
        "custom.cellOptions": cells,
        "links": link,
        "custom.width": width,
        "custom.hidden": hidden,
    }
    return [models.DynamicConfigValue(key, value) for key, value in found.items() if value]


def _panel(
    panel: _Kind,
    title: str,
    description: str,
    queries: Sequence[Query],
    limit: Metric | None = None,
) -> _Kind:
    targets: list[Query]
    targets = [query.ref_id(name) for query, name in zip(queries, ascii_uppercase, strict=False)]
    if limit is not None:
        targets.append(promql_now(f"max({limit.name})").ref_id(LIMIT))
        panel.with_transformation(_LIMIT_AS_THRESHOLD)
    in_sql = {isinstance(query, Sql) for query in targets}
    source = MIXED if len(in_sql) > 1 else METRIC_STORE if True in in_sql else PROMETHEUS
    panel.id(number(title)).title(title).description(description).datasource(source)
    return panel.span(12).height(8).targets([*targets])


def _color(mode: models.FieldColorModeId) -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(mode)


def _legend(*, shown: bool) -> build.VizLegendOptions:
    legend = build.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).calcs([])
    return legend.placement(common.LegendPlacement.BOTTOM).show_legend(shown)
