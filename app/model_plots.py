"""The plots of the model page.

Belongs here: drawing. Does not belong here: where the numbers come from (`model_facts.py`).
"""

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go

from app.labels import chart_label, column_label
from app.style import GOOD, MUTED, dollars, figure, percent
from tip_assets import contract
from tip_assets.assets.plots import ACCENT, ALARM, FAINT
from tip_assets.metric_store.store import Row
from tip_assets.modelling.training import TrainingReport

_ROW = 34  # pixels of a bar or a dot, with the space around it


def baselines_plot(report: TrainingReport) -> go.Figure:
    """Test RMSE of the model beside rules that need no boosting, on the same rows."""
    bars = [("<b>this model</b>", report.test["rmse"], ACCENT)]
    for rule, rmse in report.baselines.items():
        verdict = report.against[rule]["verdict"]
        words = f"<span style='color:{MUTED}'>model: {verdict}</span>"
        bars.append((f"{rule.replace('_', ' ')}<br>{words}", rmse, FAINT))
    bars.reverse()
    longest = max(rmse for _, rmse, _ in bars)
    plot = figure(46 * len(bars) + 60, margin_t=8, showlegend=False)
    plot.add_trace(
        go.Bar(
            x=[rmse for _, rmse, _ in bars],
            y=[name for name, _, _ in bars],
            orientation="h",
            marker_color=[colour for _, _, colour in bars],
            text=[dollars(rmse) for _, rmse, _ in bars],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
            width=0.55,
        )
    )
    plot.update_xaxes(title="RMSE, USD", tickformat="$.2f", range=[0, longest * 1.2], nticks=5)
    plot.update_yaxes(ticksuffix="  ")
    return plot


def importances_plot(importances: Mapping[str, float]) -> go.Figure:
    """The share of each feature in what the trees gain."""
    order = sorted(importances, key=lambda name: importances[name])
    top = max([*importances.values(), 0.01])
    plot = figure(_ROW * len(order) + 60, margin_t=8, showlegend=False)
    plot.add_trace(
        go.Bar(
            x=[100 * importances[name] for name in order],
            y=[column_label(name) for name in order],
            orientation="h",
            marker_color=ACCENT,
            text=[percent(importances[name]) for name in order],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
            width=0.62,
        )
    )
    plot.update_xaxes(title="share of total gain", ticksuffix=" %", range=[0, 118 * top])
    plot.update_yaxes(ticksuffix="  ")
    return plot


def groups_plot(groups: Sequence[Row], overall: float) -> go.Figure:
    """RMSE of each group of test rows, and the range that chance explains for as many rows."""
    order = [column.name for column in contract.CATEGORIES]
    rows = sorted(groups, key=lambda r: (order.index(r["column"]), r["group"]), reverse=True)
    names = [_group_name(row) for row in rows]
    plot = figure(26 * len(rows) + 110)
    plot.add_trace(
        go.Bar(
            base=[row["low"] for row in rows],
            x=[row["high"] - row["low"] for row in rows],
            y=names,
            orientation="h",
            marker_color=FAINT,
            name="range of chance",
            hoverinfo="skip",
            width=0.5,
        )
    )
    for name, colour, belongs in _GROUP_COLOURS:
        chosen = [row for row in rows if belongs(row)]
        plot.add_trace(
            go.Scatter(
                x=[row["rmse"] for row in chosen],
                y=[_group_name(row) for row in chosen],
                mode="markers",
                marker_size=10,
                marker_color=colour,
                name=name,
                showlegend=bool(chosen),
                customdata=[
                    (row["rows"], dollars(row["low"]), dollars(row["high"])) for row in chosen
                ],
                hovertemplate="<b>%{y}</b><br>RMSE $%{x:.2f} on %{customdata[0]:,} rows"
                "<br>chance explains %{customdata[1]} to %{customdata[2]}<extra></extra>",
            )
        )
    plot.add_vline(x=overall, line={"color": MUTED, "width": 1, "dash": "dot"})
    plot.update_xaxes(title="RMSE, USD", tickformat="$.2f", rangemode="tozero")
    plot.update_yaxes(categoryorder="array", categoryarray=names, ticksuffix="  ")
    return plot


def _group_name(row: Row) -> str:
    return chart_label(f"{row['column']} {row['group']}")


_GROUP_COLOURS: tuple[tuple[str, str, Callable[[Row], bool]], ...] = (
    ("within what chance explains", ACCENT, lambda row: not row["outside"]),
    ("worse", ALARM, lambda row: row["outside"] and row["rmse"] > row["high"]),
    ("better", GOOD, lambda row: row["outside"] and row["rmse"] < row["low"]),
)
