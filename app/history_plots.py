"""The plots of the history page: one look, months along the bottom, promotions marked.

Belongs here: drawing. Does not belong here: where the rows come from (`history.py`).
"""

from collections.abc import Sequence
from math import nan
from typing import Literal

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.history import Error, History
from app.plot_months import (
    AIR_DAYS,
    column_label,
    day_of,
    days_after,
    interval,
    mark_changes,
    months_along,
)
from app.style import GOOD, GRID, MUTED, SECOND, TEMPLATE, dollars, figure
from tip_assets import contract
from tip_assets.assets.plots import ACCENT, ALARM, FAINT, INK
from tip_assets.metric_store.prediction_log import Realised
from tip_assets.metric_store.store import Row

Measure = Literal["effect_size", "p_value_corrected"]
MEASURES: dict[Measure, str] = {
    "effect_size": "Effect size",
    "p_value_corrected": "Corrected p-value",
}
_THRESHOLDS = {
    "effect_size": "threshold_effect_size",
    "p_value_corrected": "threshold_p_value",
}
_LEAST_P = 1e-5  # smaller p-values are drawn here
_PANEL = 104  # pixels
_VERDICTS = {
    "better": GOOD,
    "not worse": ACCENT,
    "worse": ALARM,
    "not enough evidence": MUTED,
    "too few rows": FAINT,
}


def drift_plot(history: History, measure: Measure) -> go.Figure:
    """A panel per column: the measure by month, its threshold, months that have drifted in red."""
    columns = _columns(history.drift)
    plot = make_subplots(rows=len(columns), shared_xaxes=True, vertical_spacing=0.36 / len(columns))
    plot.update_layout(
        template=TEMPLATE,
        height=_PANEL * len(columns) + 60,
        showlegend=False,
        margin_t=56,
    )
    for place, column in enumerate(columns, start=1):
        rows = [row for row in history.drift if row["column"] == column]
        for trace in _drift_traces(rows, measure):
            plot.add_trace(trace, row=place, col=1)
        plot.add_annotation(
            text=f"<b>{column_label(column)}</b>",
            **{"x": 0, "xref": "paper", "xanchor": "left", "showarrow": False},
            **{"y": 1, "yref": f"y{place if place > 1 else ''} domain", "yanchor": "bottom"},
            font_size=13,
        )
    plot.update_yaxes(nticks=3, gridcolor=GRID)
    if measure == "p_value_corrected":
        plot.update_yaxes(
            type="log",
            range=[-5.2, 0.3],
            tickvals=[1e-5, 1e-3, 0.05, 1],
            ticktext=["0.00001", "0.001", "0.05", "1"],
        )
    else:
        # The same scale for all: the threshold is, too.
        top = max(max(r["effect_size"], r["threshold_effect_size"]) for r in history.drift)
        plot.update_yaxes(range=[0, 1.15 * top])
    months_along(plot, history.months)
    mark_changes(plot, history.changes, history.months, above=18)
    return plot


def errors_plot(history: History) -> go.Figure:
    """Typical error of the model that served each month and of each month's new model."""
    plot = figure(340)
    for errors, name, colour, shift in (
        (history.serving, "served the month", ACCENT, -2),
        (history.challengers, "new model, on held-out rows", SECOND, 2),
    ):
        plot.add_trace(_error_trace(errors, name, colour, shift))
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
    """What predictions were off by, once the tip was told."""
    plot = figure(280, showlegend=False)
    plot.add_trace(
        go.Scatter(
            x=[day_of(point.month) for point in points],
            y=[point.mean_absolute_error for point in points],
            mode="lines+markers",
            line={"color": ACCENT, "width": 2},
            marker_size=7,
            customdata=[(point.tips, point.predictions, dollars(point.rmse)) for point in points],
            hovertemplate="<b>%{x|%B %Y}</b><br>mean absolute error $%{y:.2f}"
            "<br>RMSE %{customdata[2]}<br>%{customdata[0]:,} tips told of "
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
    """The share of told tips that lay within their interval, beside the share that was said."""
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


def _drift_traces(rows: list[Row], measure: Measure) -> list[go.Scatter]:
    months = [day_of(row["month"]) for row in rows]
    least = _LEAST_P if measure == "p_value_corrected" else 0.0
    thresholds = [row[_THRESHOLDS[measure]] for row in rows]
    threshold = go.Scatter(
        x=[days_after(months[0], -AIR_DAYS), *months, days_after(months[-1], AIR_DAYS)],
        y=[thresholds[0], *thresholds, thresholds[-1]],
        mode="lines",
        line={"color": ALARM, "width": 1.2, "dash": "dash"},
        hoverinfo="skip",
    )
    usual = 5 if len(rows) > 12 else 7
    values = go.Scatter(
        x=months,
        y=[max(row[measure], least) for row in rows],
        mode="lines+markers",
        cliponaxis=False,
        line={"color": FAINT, "width": 1.5},
        marker_color=[ALARM if row["drifted"] else ACCENT for row in rows],
        marker_size=[9 if row["drifted"] else usual for row in rows],
        customdata=[
            (
                row["effect"],
                row["effect_size"],
                row["test"],
                row["p_value_corrected"],
                "<b>drifted</b>" if row["drifted"] else "not drifted",
            )
            for row in rows
        ],
        hovertemplate="<b>%{x|%B %Y}</b>: %{customdata[4]}<br>%{customdata[0]} "
        "%{customdata[1]:.3f}<br>%{customdata[2]}, corrected p %{customdata[3]:.4f}"
        "<extra></extra>",
    )
    return [threshold, values]


def _error_trace(errors: list[Error], name: str, colour: str, days: int) -> go.Scatter:
    """Points with intervals, set aside by some days so that two of a month do not hide."""
    return go.Scatter(
        x=[days_after(day_of(error.month), days) for error in errors],
        y=[error.mean for error in errors],
        error_y=interval([(e.mean, e.low, e.high) for e in errors], colour),
        mode="markers",
        marker_size=8 if len(errors) < 25 else 6,
        marker_color=colour,
        name=name,
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


def _columns(drift: list[Row]) -> list[str]:
    """Columns in the contract's order, then the others."""
    found = dict.fromkeys(row["column"] for row in drift)
    order = [*contract.COLUMNS]
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def _in_percent(share: float | None) -> float:
    return nan if share is None else 100 * share
