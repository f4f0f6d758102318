"""How numbers, months and plots look on every page.

Belongs here: colours, the Plotly template, words for numbers with their units. Does not belong
here: what is shown (the other modules), or the theme of Streamlit's own parts
(`.streamlit/config.toml`, which has the same colours).
"""

import json
import re
from datetime import date
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from tip_assets.assets.plots import ACCENT, ALARM, FAINT, INK

# Streamlit brings this typeface along.
FONT = '"Source Sans", sans-serif'
MUTED, GRID, GOOD, SECOND, PAPER = "#697586", "#e4e7eb", "#276749", "#96610f", "#ffffff"
WASH = "rgba(43, 108, 176, 0.14)"  # intervals, behind a line of the accent
# By colour, what takes its place on a dark page.
_IN_DARK = {
    INK: "#e6ebf1",
    ACCENT: "#5fa8f5",
    ALARM: "#ff7b72",
    FAINT: "#4a5563",
    MUTED: "#9aa5b4",
    GRID: "#2b333d",
    GOOD: "#5cc08a",
    SECOND: "#e0a84a",
    PAPER: "#1b222b",
    WASH: "rgba(95, 168, 245, 0.22)",
}
_COLOURS = re.compile("|".join(map(re.escape, _IN_DARK)))
MISSING = "\N{EN DASH}"
_CELL = 200  # characters

# Addresses become links even when they are escaped, unless they are not in one piece.
_LINKS_BY_THEMSELVES, _WORD_JOINER = re.compile(r"(https?|www|[^\s@](?=@))", re.I), "\u2060"
_MARKDOWN = r"\`*_{}[]()<>#+-.!|$:~^"

# Plots answer to the mouse by showing numbers; there is nothing to drag, zoom or log in to.
PLOTLY_CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}

_AXIS = {
    "gridcolor": GRID,
    "linecolor": FAINT,
    "zeroline": False,
    "ticks": "",
    "tickfont_size": 13,
    "tickfont_color": MUTED,
    "title_font_size": 13,
    "title_font_color": MUTED,
    "title_standoff": 8,
    "fixedrange": True,
}
TEMPLATE = go.layout.Template(
    layout={
        "font_family": FONT,
        "font_size": 14,
        "font_color": INK,
        "colorway": [ACCENT, SECOND, GOOD, MUTED],
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        # Above a plot there is room for its legend and, below that, for marks along the top.
        "margin": {"l": 8, "r": 8, "t": 68, "b": 8},
        "xaxis": _AXIS | {"automargin": True, "showgrid": False},
        "yaxis": _AXIS | {"automargin": True},
        "hoverlabel": {
            "bgcolor": PAPER,
            "bordercolor": FAINT,
            "font_family": FONT,
            "font_size": 14,
            "font_color": INK,
            "align": "left",
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "traceorder": "normal",
            "font_size": 13,
            "font_color": INK,
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "hovermode": "closest",
    }
)


def figure(height: int, **layout: Any) -> go.Figure:
    """An empty figure of the app's style, `height` pixels high and as wide as its place."""
    return go.Figure(layout={"template": TEMPLATE, "height": height, **layout})


def in_dark(plot: go.Figure) -> go.Figure:
    """A figure of the app's style for a dark page."""
    drawn = _COLOURS.sub(lambda found: _IN_DARK[found[0]], plot.to_json())
    return go.Figure(json.loads(drawn))


def dollars(value: float | None, signed: bool = False) -> str:
    """A number of US dollars with two digits: `$3.20`, `-$0.15`; signed: `+$0.15`, too."""
    if value is None:
        return MISSING
    sign = "\N{MINUS SIGN}" if round(value, 2) < 0 else "+" if signed else ""
    return f"{sign}${abs(value):,.2f}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage: `15 %`."""
    return MISSING if share is None else f"{100 * share:.{digits}f} %"


def count(value: float | None) -> str:
    """A whole number with thousands set apart: `1,234`."""
    return MISSING if value is None else f"{value:,.0f}"


def month_name(month: str) -> str:
    """`2024-01` as `January 2024`."""
    return f"{date.fromisoformat(f'{month}-01'):%B %Y}"


def sentence(words: str) -> str:
    """Words of the platform as a sentence: with a capital letter and a full stop."""
    return words[:1].upper() + words[1:].rstrip(".") + "."


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """Cells of somebody's file as text, for a table on a page: endless ones are cut."""
    return table.astype(object).map(
        lambda cell: None if pd.api.types.is_scalar(cell) and pd.isna(cell) else str(cell)[:_CELL]
    )


def plain(words: object) -> str:
    """Text for Streamlit's Markdown, with everything that has a meaning there taken literally.

    File names, cells and reasons come from outside; Streamlit never renders HTML unless it is asked
    to, and this takes links, pictures, formulas and colours away, too.
    """
    escaped = "".join(f"\\{char}" if char in _MARKDOWN else char for char in str(words))
    return _LINKS_BY_THEMSELVES.sub(f"\\g<0>{_WORD_JOINER}", escaped)
