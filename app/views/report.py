"""One report alone on its page: `report?month=2024-01&report=data_drift`."""

import streamlit as st

from app import report_files
from app.parts import ask
from app.sources import STORAGE
from app.style import month_words
from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.settings import get_settings

month, report = (st.query_params.get(name, "") for name in ("month", "report"))
storage = get_settings().storage_root
try:
    page = ask(STORAGE, lambda: report_files.read_report(storage, month, report))
except KeyError:
    page = None
if page is None:
    st.title("Report")
    st.info("The address names no report that is there.")
    st.page_link("views/reports.py", label="All reports", icon=":material/arrow_back:")
    st.stop()
with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    st.title(f"{REPORTS[report]}, {month_words(month)}")
    st.download_button(
        "Download",
        page,
        file_name=f"{month}-{report}.html",
        mime="text/html",
        icon=":material/download:",
        on_click="ignore",
    )
st.iframe(report_files.sandboxed(page, f"{REPORTS[report]}, {month}"))
