"""Predictions for every row of a file."""

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import form
from app.parts import nothing_yet
from app.predictions import NoModel, Refused, ScoredFile, predictions
from app.style import MISSING, cells, count, percent, plain, sentence
from app.uploads import keep_upload
from tip_assets import contract
from tip_assets.ingestion.feedback import PREDICTION_ID
from tip_assets.ingestion.table_files import FORMATS, UnreadableFile
from tip_assets.serving.scoring import HIGH, LOW, PREDICTED, ROW
from tip_assets.settings import get_settings

# What was scored last: kept while a person chooses another file, or looks at other pages.
SCORED, REFUSAL, FOLDER, NAME = "score_answer", "score_refusal", "score_folder", "score_name"
_WORDS = {".csv": "CSV", ".parquet": "Parquet"}
_KINDS = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet"}


def score(upload: Any, log: bool) -> None:
    """Score an uploaded file; the answer or the refusal is kept in the session."""
    st.session_state[SCORED] = st.session_state[REFUSAL] = None
    if FOLDER in st.session_state:
        st.session_state[FOLDER].cleanup()
    # Deleted with the session at the latest.
    folder = st.session_state[FOLDER] = tempfile.TemporaryDirectory(prefix="tips-scored-")
    st.session_state[NAME] = upload.name
    try:
        given, rows = keep_upload(upload, Path(folder.name), get_settings().max_upload_rows)
    except UnreadableFile as error:
        st.session_state[REFUSAL] = sentence(str(error))
        return
    bar = st.progress(0.0, text="Reading the file")

    def progress(done: int) -> None:
        bar.progress(min(done / max(rows, 1), 1.0), text=f"{count(done)} of {count(rows)} rows")

    try:
        st.session_state[SCORED] = predictions().score(given, Path(folder.name), progress, log)
    except (Refused, NoModel) as error:
        st.session_state[REFUSAL] = str(error)
    finally:
        bar.empty()
        given.unlink()


def show_answer(found: ScoredFile, name: str) -> None:
    """What became of the rows, and the file with the answer."""
    with st.container(border=True):
        st.markdown(f"**{plain(name)}**")
        with st.grid(3, min_column_width=80):
            st.metric("Rows", count(found.rows))
            st.metric("Predicted", count(found.predicted))
            st.metric("Refused", count(found.refused))
        st.caption(
            f"Answered by version {found.version} in {found.seconds:.1f} seconds. Each prediction "
            f"stands beside the interval that holds {percent(get_settings().interval_coverage)} of "
            "the tips on bills like it, or what of the bill the model has never seen."
        )
        with st.container(horizontal=True):
            for path in (found.csv, found.parquet):
                st.download_button(
                    f"Download {_WORDS[path.suffix]}",
                    # Read when it is asked for: a million rows are a hundred megabytes.
                    data=path.read_bytes,
                    file_name=path.name,
                    mime=_KINDS[path.suffix],
                    on_click="ignore",
                    icon=":material/download:",
                    key=f"download{path.suffix}",
                )
    if found.not_logged:
        st.warning(plain(found.not_logged), icon=":material/cloud_off:")
    if found.refused:
        st.subheader("Why rows were refused")
        reasons = [
            {"Column": column, "Reason": reason, "Rows": rows}
            for (column, reason), rows in found.reasons.most_common()
        ]
        st.dataframe(pd.DataFrame(reasons), hide_index=True, width="stretch")
        with st.expander("The first refused rows, as they stand in the file"):
            shown = cells(found.refused_preview).rename_axis(ROW).reset_index()
            st.dataframe(shown, hide_index=True, width="stretch", placeholder=MISSING)
    if len(found.preview):
        st.subheader("The first predictions")
        money = st.column_config.NumberColumn(format="$%.2f")
        st.dataframe(
            found.preview.rename_axis(ROW).reset_index(),
            hide_index=True,
            width="stretch",
            placeholder=MISSING,
            column_config=dict.fromkeys((PREDICTED, LOW, HIGH, contract.BILL), money),
        )


def show_columns() -> None:
    """What a file must hold, as the contract says."""
    columns = [
        {"Column": c.name, "Meaning": form.label(c), "Values": form.accepted_values(c)}
        for c in contract.FEATURES
    ]
    with st.expander("What the file must hold"):
        st.dataframe(pd.DataFrame(columns), hide_index=True, width="stretch")
        st.markdown(
            "Columns may be in any order; others are ignored. Weekdays may be written in full, and "
            "letter case does not matter."
        )


settings = get_settings()
st.title("Score a file")
st.caption(
    f"Bills as CSV (plain or gzip) or Parquet, up to {settings.max_upload_mb} MB and "
    f"{count(settings.max_upload_rows)} rows. A million rows take about ten seconds, or a minute "
    "with ids. Every row gets a prediction or the reason why not."
)
serving = predictions().serving()
if serving.trouble:
    st.warning(plain(serving.trouble), icon=":material/cloud_off:")
if serving.model is None and not serving.trouble:
    nothing_yet(
        "There is no champion yet. Run a month first:",
        f"tips run --month {settings.first_month} --sample",
    )
upload = st.file_uploader(
    "File", type=[suffix.removeprefix(".") for suffix in FORMATS], label_visibility="collapsed"
)
log = False
if settings.prediction_log:
    log = st.checkbox(
        "Give each prediction an id and keep it, so that you can enter its tip later",
        value=True,
        help=f"The result then has a column {PREDICTION_ID}. Add tips and upload it on Feedback.",
    )
if st.button("Score the file", type="primary", disabled=upload is None):
    score(upload, log)
if st.session_state.get(REFUSAL):
    st.error(plain(st.session_state[REFUSAL]), icon=":material/block:")
elif st.session_state.get(SCORED):
    show_answer(st.session_state[SCORED], st.session_state[NAME])
show_columns()
