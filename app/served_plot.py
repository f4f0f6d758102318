"""The strip at the top of the history page: which version served each month.

Belongs here: drawing it. Does not belong here: the other plots (`history_plots.py`).
"""

from collections.abc import Mapping

import plotly.graph_objects as go

from app.history import History
from app.plot_months import AIR_DAYS, day_of, days_after, months_along
from app.style import GRID, PAPER, WASH, figure
from tip_assets.assets.plots import ACCENT, INK
from tip_assets.partitions import months_apart


def served_plot(history: History) -> go.Figure:
    """A strip of the versions that served each month."""
    plot = figure(104, margin_t=8, showlegend=False)
    served = history.served
    plot.add_trace(
        go.Scatter(
            x=[day_of(month) for month in served],
            y=[0.5] * len(served),
            mode="markers",
            marker_opacity=0,
            customdata=[f"version {v}" if v else "no model yet" for v in served.values()],
            hovertemplate="<b>%{x|%B %Y}</b>: %{customdata}<extra></extra>",
        )
    )
    versions = list(dict.fromkeys(served.values()))
    for version, months in _runs(served):
        dark = version is not None and versions.index(version) % 2 == 0
        plot.add_shape(
            type="rect",
            x0=days_after(day_of(months[0]), 1 - AIR_DAYS),
            x1=days_after(day_of(months[-1]), AIR_DAYS - 1),
            y0=0,
            y1=1,
            line_width=0,
            fillcolor=ACCENT if dark else GRID if version is None else WASH,
            label={
                "text": f"v{version}" if version else "no model",
                "font": {"color": PAPER if dark else INK, "size": 13},
            },
        )
    plot.update_yaxes(visible=False, range=[0, 1])
    months_along(plot, history.months)
    return plot


def _runs(served: Mapping[str, int | None]) -> list[tuple[int | None, list[str]]]:
    """Months in a row that one version served."""
    found: list[tuple[int | None, list[str]]] = []
    for month, version in sorted(served.items()):
        if found and found[-1][0] == version and months_apart(found[-1][1][-1], month) == 1:
            found[-1][1].append(month)
        else:
            found.append((version, [month]))
    return found
