"""What needs a person now, above every page: the states of `tips status`.

Belongs here: showing them. Does not belong here: finding them (`tip_assets/reporting/status.py`).
"""

from datetime import UTC, datetime

import streamlit as st

from app.labels import labelled
from app.parts import FRESH_SECONDS
from app.sources import METRICS, SourceUnavailable, metric_store
from app.style import month_name, plain, sentence
from tip_assets.partitions import is_month
from tip_assets.reporting.status import State, states
from tip_assets.settings import get_settings


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _states(url: str) -> list[State]:
    return METRICS.ask(lambda: states(metric_store(url), get_settings(), datetime.now(UTC)))


def show_states() -> None:
    """Show what needs a person; nothing when all is well, or when the page says what is away."""
    try:
        found = _states(get_settings().metric_store_url)
    except SourceUnavailable:
        return
    if not found:
        return
    title = "1 thing needs a person" if len(found) == 1 else f"{len(found)} things need a person"
    with st.expander(title, icon=":material/notification_important:"):
        for state in found:
            _show(state)


def _show(state: State) -> None:
    if is_month(state.about):
        label, month = f"{month_name(state.about)}: {state.name}", {"month": state.about}
        st.page_link("views/reports.py", label=label, query_params=month)
    else:
        st.markdown(f"**{plain(sentence(state.name))}** {plain(sentence(state.about))}")
    st.caption(f"{plain(sentence(labelled(state.why)))} To do: {plain(state.to_do)}.")
