"""The plot of a month: how far each control chart lies from the reference.

Belongs here: drawing. Does not belong here: the rows (`months.py`).
"""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.labels import chart_label, describe_change
from app.style import figure
from tip_assets.assets.plots import ACCENT, ALARM
from tip_assets.metric_store.store import Row

_BAR = 34  # pixels
_LETTERS = 20  # of a label's line: more leave a phone no room for the bars


def effects_plot(charts: Sequence[Row]) -> go.Figure:
    """Each chart's effect as a bar between the limits, the largest on top; alarms in red."""
    rows = sorted(charts, key=lambda row: abs(row["z"]))
    names = [_in_lines(chart_label(row["chart"])) for row in rows]
    limit, most = rows[0]["limit"], max(abs(row["z"]) for row in rows)
    edge = 1.3 * max(most, limit)
    plot = figure(_BAR * len(rows) + 60, margin_t=8, showlegend=False)
    plot.add_trace(
        go.Bar(
            x=[row["z"] for row in rows],
            y=names,
            orientation="h",
            marker_color=[ALARM if row["alarm"] else ACCENT for row in rows],
            text=[f"{row['z']:+.1f}" for row in rows],
            textposition="outside",
            cliponaxis=False,
            width=0.6,
            customdata=[
                (
                    "drifted" if row["alarm"] else "not drifted",
                    describe_change(row["smallest_change"] or "no change of this kind"),
                )
                for row in rows
            ],
            hovertemplate="<b>%{y}</b>: %{customdata[0]}<br>smallest change that would have "
            "shown: %{customdata[1]}<extra></extra>",
        )
    )
    for side in (-1, 1):
        plot.add_vline(x=side * limit, line={"color": ALARM, "width": 1.2, "dash": "dash"})
    plot.update_xaxes(title="standard deviations", range=[-edge, edge], zeroline=True, nticks=7)
    plot.update_yaxes(ticksuffix="  ", showgrid=False)
    return plot


def _in_lines(label: str) -> str:
    """A long label on two lines."""
    if len(label) <= _LETTERS:
        return label
    middle = min(
        (place for place, letter in enumerate(label) if letter == " "),
        key=lambda place: abs(place - len(label) / 2),
    )
    return f"{label[:middle]}<br>{label[middle + 1 :]}"
