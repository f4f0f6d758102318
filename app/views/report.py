"""One report alone on its page: `report?month=2024-01&report=data_drift`."""

import streamlit as st

from app.parts import download_report, show_report, stored_report, unless_away
from app.style import month_name
from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.settings import get_settings

# The report has the whole width; the way back is one click away.
st.set_page_config(initial_sidebar_state="collapsed")
month, report = (st.query_params.get(name, "") for name in ("month", "report"))
try:
    page = unless_away(lambda: stored_report(get_settings().storage, month, report))
except KeyError:
    page = None
if page is None:
    st.title("Report")
    st.info("The address names no report that is there.")
    st.page_link("views/reports.py", label="All reports", icon=":material/arrow_back:")
    st.stop()
with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    st.title(f"{REPORTS[report]}, {month_name(month)}")
    download_report(page, month, report)
show_report(page, month, report)
