"""What plots over months have in common: the bottom line, marks of promotions, intervals.

Belongs here: that. Does not belong here: any one plot (`history_plots.py`), or colours and fonts
(`style.py`).
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import plotly.graph_objects as go

from app.style import MUTED, WASH
from tip_assets.metric_store.store import Row

AIR_DAYS = 16  # before the first month and after the last


def months_along(plot: go.Figure, months: Sequence[str]) -> None:
    """The months along the bottom of a plot, from the first of them to the last."""
    first, last = day_of(months[0]), day_of(months[-1])
    span = 12 * (last.year - first.year) + last.month - first.month + 1
    step = next(s for s in (1, 2, 3, 6, 12, 24, 60) if span / s <= 12 or s == 60)
    edges = [days_after(first, -AIR_DAYS), days_after(last, AIR_DAYS)]
    plot.update_xaxes(range=edges, dtick=f"M{step}", tick0=first, tickformat="%b<br>%Y")


def mark_changes(
    plot: go.Figure, changes: Sequence[Row], months: Sequence[str], above: int = 0
) -> None:
    """A line where another model began to serve, and its version on top where there is room.

    `above` are pixels between the plot and the versions.
    """
    room = max(1, (day_of(months[-1]) - day_of(months[0])).days) / 14
    began: dict[str, list[str]] = {}
    for change in sorted(changes, key=lambda row: row["at"]):
        began.setdefault(change["month"], []).append(f"v{change['champion_after']}")
    labelled = date.min
    for month in sorted(month for month in began if months[0] <= month <= months[-1]):
        day = day_of(month)
        plot.add_shape(
            type="line",
            **{"x0": day, "x1": day, "y0": 0, "y1": 1, "yref": "paper", "layer": "below"},
            line={"color": MUTED, "width": 1, "dash": "dot"},
        )
        if (day - labelled).days < room:
            continue
        labelled = day
        plot.add_annotation(
            text=", ".join(began[month]),
            **{"x": day, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False},
            yshift=above,
            font_size=12,
            font_color=MUTED,
            bgcolor=WASH,
            borderpad=2,
        )


def interval(points: Sequence[tuple[Any, Any, Any]], colour: str) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - middle for middle, _, high in points],
        "arrayminus": [middle - low for middle, low, _ in points],
        "color": colour,
        "thickness": 1.4,
        "width": 3 if len(points) < 25 else 0,
    }


def day_of(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def days_after(day: date, days: int) -> date:
    return date.fromordinal(day.toordinal() + days)
