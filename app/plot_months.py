"""What plots over months have in common: the bottom line, gaps, marks of promotions, intervals.

Belongs here: that. Does not belong here: any one plot (`history_plots.py`), or colours and fonts
(`style.py`).
"""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from app.style import GRID, MUTED, WASH
from tip_assets.metric_store.store import Row
from tip_assets.partitions import months_apart

AIR_DAYS = 16  # before the first month and after the last
_LONG_GAP = 3  # months without data that are drawn as they are; of more, one is drawn
_MOST_TICKS = 8  # more would overlap on a phone


def months_along(plot: go.Figure, months: Sequence[str]) -> None:
    """The months along the bottom of a plot, from the first to the last; those without data grey.

    A long gap is as wide as one month, so that a single late month does not press the others to
    the edge.
    """
    hidden = []
    for before, after in gaps(months):
        start, end = days_after(day_of(before), AIR_DAYS), days_after(day_of(after), -AIR_DAYS)
        plot.add_vrect(x0=start, x1=end, fillcolor=GRID, line_width=0, layer="below", opacity=0.6)
        if months_apart(before, after) - 1 > _LONG_GAP:
            hidden.append({"bounds": [str(days_after(start, 30)), str(end)]})
    ticks = [day_of(month) for month in months[:: -(-len(months) // _MOST_TICKS)]]
    edges = [days_after(day_of(months[0]), -AIR_DAYS), days_after(day_of(months[-1]), AIR_DAYS)]
    plot.update_xaxes(range=edges, rangebreaks=hidden, tickangle=0)
    plot.update_xaxes(tickvals=ticks, ticktext=[f"{day:%b}<br>{day:%Y}" for day in ticks])


def gaps(months: Sequence[str]) -> list[tuple[str, str]]:
    """The months before and after each gap in a sorted list of months."""
    return [(one, other) for one, other in pairwise(months) if months_apart(one, other) > 1]


def with_gaps(rows: Sequence[Row]) -> Iterator[Row]:
    """Rows by month, oldest first, with a row of None in each gap: lines break there."""
    months = [row["month"] for row in rows]
    breaks = {after for _, after in gaps(months)}
    for row in rows:
        if row["month"] in breaks:
            yield dict.fromkeys(row) | {"month": row["month"]}
        yield row


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
