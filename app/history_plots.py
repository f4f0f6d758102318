"""The plots of the history page: one look, months along the bottom, promotions marked.

Belongs here: drawing. Does not belong here: where the rows come from (`history.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict
from math import nan

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.history import Error, History
from app.labels import chart_label, describe_change
from app.plot_months import (
    AIR_DAYS,
    day_of,
    days_after,
    interval,
    mark_changes,
    months_along,
    with_gaps,
)
from app.style import GOOD, GRID, MUTED, TEMPLATE, dollars, figure
from tip_assets.assets.plots import ACCENT, ALARM, FAINT, INK
from tip_assets.metric_store.prediction_log import Realised
from tip_assets.metric_store.store import Row

_PANEL = 104  # pixels
_VERDICTS = {
    "better": GOOD,
    "not worse": ACCENT,
    "worse": ALARM,
    "not enough evidence": MUTED,
    "too few rows": FAINT,
}


def charts_plot(history: History) -> go.Figure:
    """A panel per control chart: the month's effect between the limits, alarms in red."""
    charts = list(dict.fromkeys(row["chart"] for row in history.charts))
    plot = make_subplots(rows=len(charts), shared_xaxes=True, vertical_spacing=0.36 / len(charts))
    plot.update_layout(
        template=TEMPLATE,
        height=_PANEL * len(charts) + 60,
        showlegend=False,
        margin_t=56,
    )
    for place, chart in enumerate(charts, start=1):
        for trace in _chart_traces([row for row in history.charts if row["chart"] == chart]):
            plot.add_trace(trace, row=place, col=1)
        plot.add_annotation(
            text=f"<b>{chart_label(chart)}</b>",
            **{"x": 0, "xref": "paper", "xanchor": "left", "showarrow": False},
            **{"y": 1, "yref": f"y{place if place > 1 else ''} domain", "yanchor": "bottom"},
            font_size=13,
        )
    # The same scale for all: the limit is, too.
    top = max(max(abs(row["z"]), row["limit"]) for row in history.charts)
    plot.update_yaxes(nticks=3, gridcolor=GRID, range=[-1.15 * top, 1.15 * top])
    months_along(plot, history.months)
    mark_changes(plot, history.changes, history.months, above=18)
    return plot


def errors_plot(history: History) -> go.Figure:
    """Typical error of the model that served each month."""
    plot = figure(320, showlegend=False)
    plot.add_trace(_error_trace(history.serving))
    plot.update_yaxes(title="mean absolute error, USD", tickformat="$.2f")
    plot.update_yaxes(rangemode="tozero")
    months_along(plot, history.months)
    mark_changes(plot, history.changes, history.months)
    return plot


def comparisons_plot(history: History) -> go.Figure:
    """Challenger minus champion on the same held-out rows, with the interval that decides."""
    plot = figure(320)
    for verdict, colour in _VERDICTS.items():
        rows = [row for row in history.comparisons if row["verdict"] == verdict]
        plot.add_trace(
            go.Scatter(
                x=[day_of(row["month"]) for row in rows],
                y=[row["difference"] for row in rows],
                error_y=interval(
                    [(row["difference"], row["low"], row["high"]) for row in rows], colour
                ),
                mode="markers",
                marker_size=9,
                marker_color=colour,
                name=verdict,
                customdata=[
                    (
                        row["version"],
                        row["champion"],
                        dollars(row["rmse"]),
                        dollars(row["champion_rmse"]),
                        dollars(row["low"], signed=True),
                        dollars(row["high"], signed=True),
                        row["rows"],
                    )
                    for row in rows
                ],
                hovertemplate="<b>%{x|%B %Y}</b><br>version %{customdata[0]}: %{customdata[2]}"
                "<br>champion, version %{customdata[1]}: %{customdata[3]}"
                "<br>difference %{customdata[4]} to %{customdata[5]}"
                "<br>%{customdata[6]} rows<extra></extra>",
            )
        )
    plot.add_hline(y=0, line={"color": INK, "width": 1})
    plot.update_yaxes(title="RMSE difference, USD", tickformat="+$.2f")
    months_along(plot, history.months)
    mark_changes(plot, history.changes, history.months)
    return plot


def rows_plot(history: History) -> go.Figure:
    """Rows that were kept and rows in quarantine."""
    plot = figure(280, barmode="stack")
    for column, name, colour in (
        ("rows_kept", "kept", ACCENT),
        ("rows_quarantined", "in quarantine", ALARM),
    ):
        plot.add_trace(
            go.Bar(
                x=[day_of(row["month"]) for row in history.ingested],
                y=[row[column] for row in history.ingested],
                name=name,
                marker={"color": colour},
                hovertemplate=f"<b>%{{x|%B %Y}}</b><br>%{{y:,}} rows {name}<extra></extra>",
            )
        )
    plot.update_yaxes(title="rows", tickformat=",d")
    months_along(plot, history.months)
    # In milliseconds; left to Plotly, a bar of one month would fill the plot.
    plot.update_traces(width=(12 if len(history.months) <= 12 else 22) * 86_400_000)
    return plot


def realised_plot(points: Sequence[Realised], changes: Sequence[Row]) -> go.Figure:
    """Errors of predictions whose tip was submitted."""
    plot = figure(280, showlegend=False)
    rows = list(with_gaps([asdict(point) for point in points]))
    plot.add_trace(
        go.Scatter(
            x=[day_of(row["month"]) for row in rows],
            y=[row["mean_absolute_error"] for row in rows],
            mode="lines+markers",
            line={"color": ACCENT, "width": 2},
            marker_size=7,
            customdata=[(row["tips"], row["predictions"], dollars(row["rmse"])) for row in rows],
            hovertemplate="<b>%{x|%B %Y}</b><br>mean absolute error $%{y:.2f}"
            "<br>RMSE %{customdata[2]}<br>%{customdata[0]:,} tips known of "
            "%{customdata[1]:,} predictions<extra></extra>",
        )
    )
    plot.update_yaxes(title="mean absolute error, USD", tickformat="$.2f")
    plot.update_yaxes(rangemode="tozero")
    months = [point.month for point in points]
    months_along(plot, months)
    mark_changes(plot, changes, months)
    return plot


def coverage_plot(points: Sequence[Realised], changes: Sequence[Row]) -> go.Figure:
    """The share of submitted tips within their interval, beside the promised share."""
    known = [point for point in points if point.intervals]
    plot = figure(280)
    plot.add_trace(
        go.Scatter(
            x=[day_of(point.month) for point in known],
            y=[_in_percent(point.covered) for point in known],
            error_y=interval(
                [(_in_percent(p.covered), _in_percent(p.low), _in_percent(p.high)) for p in known],
                ACCENT,
            ),
            mode="markers",
            marker_size=8,
            marker_color=ACCENT,
            name="tips within their interval",
            customdata=[(point.intervals,) for point in known],
            hovertemplate="<b>%{x|%B %Y}</b><br>%{y:.0f} % of %{customdata[0]:,} tips"
            "<extra></extra>",
        )
    )
    plot.add_trace(
        go.Scatter(
            x=[day_of(point.month) for point in known],
            y=[_in_percent(point.coverage) for point in known],
            mode="lines+markers" if len(known) == 1 else "lines",
            line={"color": ALARM, "dash": "dash", "width": 1.5},
            marker_symbol="line-ew-open",
            marker_size=22,
            name="as promised",
            hoverinfo="skip",
        )
    )
    plot.update_yaxes(title="share of tips", ticksuffix=" %", range=[0, 105])
    months = [point.month for point in points]
    months_along(plot, months)
    mark_changes(plot, changes, months)
    return plot


def _chart_traces(of_chart: list[Row]) -> list[go.Scatter]:
    rows = list(with_gaps(of_chart))
    months = [day_of(row["month"]) for row in rows]
    usual = 5 if len(rows) > 12 else 7
    limits = [
        go.Scatter(
            x=[days_after(months[0], -AIR_DAYS), *months, days_after(months[-1], AIR_DAYS)],
            y=[
                None if row["limit"] is None else side * row["limit"]
                for row in (rows[0], *rows, rows[-1])
            ],
            mode="lines",
            line={"color": ALARM, "width": 1.2, "dash": "dash"},
            hoverinfo="skip",
        )
        for side in (-1, 1)
    ]
    effects = go.Scatter(
        x=months,
        y=[row["z"] for row in rows],
        mode="lines+markers",
        cliponaxis=False,
        line={"color": FAINT, "width": 1.5},
        marker_color=[ALARM if row["alarm"] else ACCENT for row in rows],
        marker_size=[9 if row["alarm"] else usual for row in rows],
        customdata=[
            (
                f"<b>drifted</b> ({row['alarm']})" if row["alarm"] else "not drifted",
                row["limit"],
                describe_change(row["smallest_change"] or "no change of this kind"),
            )
            for row in rows
        ],
        hovertemplate="<b>%{x|%B %Y}</b>: %{customdata[0]}<br>effect %{y:+.1f}, limit "
        "%{customdata[1]:.1f}<br>smallest detectable change: %{customdata[2]}<extra></extra>",
    )
    return [*limits, effects]


def _error_trace(errors: list[Error]) -> go.Scatter:
    return go.Scatter(
        x=[day_of(error.month) for error in errors],
        y=[error.mean for error in errors],
        error_y=interval([(e.mean, e.low, e.high) for e in errors], ACCENT),
        mode="markers",
        marker_size=8 if len(errors) < 25 else 6,
        marker_color=ACCENT,
        customdata=[
            (
                f"{day_of(e.month):%B %Y}",
                e.version,
                e.rows,
                dollars(e.low),
                dollars(e.high),
                dollars(e.rmse),
            )
            for e in errors
        ],
        hovertemplate="<b>%{customdata[0]}</b>, version %{customdata[1]}"
        "<br>$%{y:.2f} (%{customdata[3]} to %{customdata[4]})<br>RMSE %{customdata[5]}, "
        "%{customdata[2]:,} rows<extra></extra>",
    )


def _in_percent(share: float | None) -> float:
    return nan if share is None else 100 * share
