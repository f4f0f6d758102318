"""Parts of Streamlit that several pages share.

Belongs here: how something is shown. Does not belong here: what is shown, or how numbers and plots
look (`style.py`).
"""

from collections.abc import Callable
from typing import Literal, TypeVar

import plotly.graph_objects as go
import streamlit as st

from app.report_files import read_report, sandboxed
from app.sources import STORAGE, Source, SourceUnavailable
from app.style import PLOTLY_CONFIG, in_dark, plain
from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.settings import get_settings

# How long an answer of a source is shown before it is asked again.
FRESH_SECONDS = 20
_COLOURS: dict[str, tuple[Literal["green", "blue", "orange", "red"], str]] = {
    "promoted": ("green", ":material/check_circle:"),
    "released": ("green", ":material/lock_open:"),
    "rolled back": ("blue", ":material/undo:"),
    "kept": ("blue", ":material/remove_circle:"),
    "held": ("orange", ":material/pause_circle:"),
    "stopped": ("orange", ":material/pan_tool:"),
    "refused": ("red", ":material/block:"),
    "failed": ("red", ":material/error:"),
}

Answer = TypeVar("Answer")


def unless_away(question: Callable[[], Answer]) -> Answer | None:
    """The answer to a question that may raise SourceUnavailable; None after saying so on the page.

    The question is asked by the page itself, so it may be one that Streamlit keeps.
    """
    try:
        return question()
    except SourceUnavailable as away:
        st.warning(plain(away), icon=":material/cloud_off:")
        return None


def ask(source: Source, question: Callable[[], Answer]) -> Answer | None:
    """The answer of a source; None after saying on the page that it is away."""
    return unless_away(lambda: source.ask(question))


def verdict_badge(action: str) -> None:
    """A decision as a coloured word."""
    if action in _COLOURS:
        colour, icon = _COLOURS[action]
        st.badge(action.capitalize(), color=colour, icon=icon)
    else:
        st.badge(action.capitalize(), color="gray")


def nothing_yet(words: str, command: str = "") -> None:
    """A page, or a part of one, that has nothing to show yet: why, and what fills it."""
    with st.container(border=True, horizontal_alignment="center", gap="small"):
        st.markdown(f":material/hourglass_empty: {words}", text_alignment="center")
        if command:
            st.code(command, language=None, width="content")


def plot(figure: go.Figure, key: str, alt: str) -> None:
    """A figure of the app's style; `alt` says what it shows, for people who do not see it."""
    st.plotly_chart(_in_scheme(figure), theme=None, config=PLOTLY_CONFIG, key=key, alt=alt)


def plot_of_months(figure: go.Figure, key: str, alt: str, details: str) -> None:
    """A figure with dates along the bottom; a click on a point opens the report of its month.

    `details` is the toggle of the reports page that is on then: `errors` or `quarantine`.
    """
    clicked = st.plotly_chart(
        _in_scheme(figure),
        theme=None,
        config=PLOTLY_CONFIG,
        key=key,
        alt=alt,
        on_select="rerun",
        selection_mode="points",
    )
    points = clicked["selection"]["points"]
    if points:
        month = str(points[0]["x"])[: len("2024-01")]
        st.switch_page("views/reports.py", query_params={"month": month, details: "true"})


def _in_scheme(figure: go.Figure) -> go.Figure:
    return in_dark(figure) if st.context.theme.type == "dark" else figure


@st.cache_data(ttl=FRESH_SECONDS, max_entries=16, show_spinner=False)
def stored_report(storage: str, month: str, report: str) -> str | None:
    """A report of the storage as HTML, kept for a while; None if it is not there.

    Raises SourceUnavailable.
    """
    root = get_settings().model_copy(update={"storage": storage}).storage_root
    return STORAGE.ask(lambda: read_report(root, month, report))


def download_report(page: str, month: str, report: str) -> None:
    st.download_button(
        "Download",
        page,
        file_name=f"{month}-{report}.html",
        mime="text/html",
        icon=":material/download:",
        on_click="ignore",
    )


def show_report(page: str, month: str, report: str) -> None:
    """A report in its frame; a report is as untrusted as the cells it was drawn from."""
    title = f"{REPORTS[report]}, {month}"
    st.iframe(sandboxed(page, title), alt=title)
