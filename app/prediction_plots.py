"""A prediction as pictures: its interval beside usual tips, and what it is made of.

Belongs here: these two figures and the words in them. Does not belong here: colours and the
template (`style.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go

from app.form import describe_value
from app.style import FONT, GOOD, MUTED, PAPER, SECOND, WASH, dollars, figure, percent
from tip_assets.assets.plots import ACCENT, INK
from tip_assets.contract import BILL, COLUMNS
from tip_assets.serving.loaded_model import Answer, Parts

# What guests are commonly advised to leave in the country of the data.
USUAL_SHARES = (0.15, 0.18)
_LEAST_SHOWN_USD = 0.005  # less is no cent
_BAR = 30  # pixels


@dataclass(frozen=True)
class Step:
    """A step from the start to the prediction: what it is, and by how many dollars."""

    words: str
    dollars: float


def steps(parts: Parts, record: Mapping[str, Any]) -> list[Step]:
    """What the prediction is made of, in the contract's order of features.

    Steps are whole cents that add up to the prediction as it is shown; features that move it by
    less than a cent are left to the last step.
    """
    start = "Mean tip"
    if parts.starts_from_share:
        start = f"Mean share, {percent(parts.start / record[BILL], 1)} of the bill"
    shown = [Step(start, parts.start)]
    rest = 0.0
    for name, moved in parts.features.items():
        if abs(moved) < _LEAST_SHOWN_USD:
            rest += moved
        else:
            shown.append(Step(_describe_feature(name, record), moved))
    if abs(rest) >= _LEAST_SHOWN_USD / 10:
        shown.append(Step("Everything else", rest))
    if parts.clipped:
        shown.append(Step("No tip is negative", parts.clipped))
    sums = [0.0, *(round(total, 2) for total in accumulate(step.dollars for step in shown))]
    return [
        Step(step.words, round(after - before, 2))
        for step, before, after in zip(shown, sums, sums[1:], strict=False)
        if step is shown[0] or round(after - before, 2)
    ]


def parts_figure(parts: Parts, record: Mapping[str, Any]) -> go.Figure:
    """The steps from the start to the prediction as a waterfall, first step at the top."""
    made = steps(parts, record)
    total = sum(step.dollars for step in made)
    plot = figure((len(made) + 1) * _BAR + 60, margin={"l": 8, "r": 56, "t": 8, "b": 8})
    plot.add_trace(
        go.Waterfall(
            orientation="h",
            y=[*(step.words for step in made), "Predicted tip"],
            x=[*(step.dollars for step in made), total],
            measure=["absolute", *("relative" for _ in made[1:]), "total"],
            text=[
                dollars(made[0].dollars),
                *(dollars(step.dollars, signed=True) for step in made[1:]),
                dollars(total),
            ],
            textposition="outside",
            cliponaxis=False,
            increasing={"marker": {"color": GOOD}},
            decreasing={"marker": {"color": SECOND}},
            totals={"marker": {"color": ACCENT}},
            connector={"line": {"color": MUTED, "width": 1, "dash": "dot"}},
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    plot.update_yaxes(autorange="reversed", ticksuffix="  ")
    plot.update_xaxes(tickprefix="$", tickformat=",.2f", rangemode="tozero", showgrid=True)
    plot.update_xaxes(nticks=3, tickangle=0)  # more would stand on end on a phone
    return plot.update_layout(showlegend=False)


def interval_figure(answer: Answer, bill: float) -> go.Figure:
    """The prediction on its interval, above marks at the usual shares of the bill."""
    usual = [(share, share * bill) for share in USUAL_SHARES]
    ends = answer.interval
    shown = [answer.prediction, *(tip for _, tip in usual)]
    shown += [ends.low, ends.high] if ends else []
    plot = figure(136, margin={"l": 8, "r": 8, "t": 8, "b": 8})
    if ends:
        plot.add_shape(
            type="rect",
            x0=ends.low,
            x1=ends.high,
            y0=-0.3,
            y1=0.3,
            fillcolor=WASH,
            line_width=0,
            layer="below",
        )
        for end in (ends.low, ends.high):
            plot.add_annotation(
                x=end, y=0.3, yshift=12, text=dollars(end), showarrow=False, font_color=MUTED
            )
    for _, tip in usual:
        plot.add_shape(
            type="line", x0=tip, x1=tip, y0=-0.45, y1=0.3, line={"color": SECOND, "width": 1.5}
        )
    # Marks that lie close share their words.
    for (share, tip), side in ((usual[0], "right"), (usual[-1], "left")):
        plot.add_annotation(
            x=tip,
            y=-0.45,
            yshift=-12,
            text=percent(share),
            showarrow=False,
            xanchor=side,
            font={"color": SECOND, "family": FONT},
        )
    plot.add_trace(
        go.Scatter(
            x=[answer.prediction],
            y=[0],
            mode="markers",
            marker_size=16,
            marker_color=ACCENT,
            marker_line={"color": PAPER, "width": 2},
            hovertemplate=f"predicted tip {dollars(answer.prediction)}<extra></extra>",
        )
    )
    room = (max(shown) - min(min(shown), 0)) * 0.08 or 1.0
    plot.update_yaxes(visible=False, range=[-0.85, 0.75])
    plot.update_xaxes(
        range=[min(min(shown) - room, 0), max(shown) + room],
        tickprefix="$",
        tickformat=",.2f",
        showgrid=True,
        color=INK,
    )
    return plot.update_layout(showlegend=False)


def _describe_feature(name: str, record: Mapping[str, Any]) -> str:
    return f"{COLUMNS[name].label}: {describe_value(name, record[name])}"
