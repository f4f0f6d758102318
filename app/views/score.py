"""Predictions for every row of a file, as a job that its address names."""

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import form
from app.parts import nothing_yet
from app.predictions import ScoredFile, predictions
from app.scoring_jobs import Job, scoring_jobs
from app.style import MISSING, cells, count, percent, plain, sentence
from app.uploads import keep_upload
from tip_assets import contract
from tip_assets.ingestion.feedback import PREDICTION_ID
from tip_assets.ingestion.table_files import FORMATS, UnreadableFile
from tip_assets.serving.scoring import HIGH, LOW, NEVER_SEEN, PREDICTED, ROW
from tip_assets.settings import get_settings

# The job of this session, for a person who comes back from another page; in the address, too.
JOB = "score_job"
_AT_ONCE_SECONDS = 1.0  # a small file is done by then: no progress is shown
_WORDS = {".csv": "CSV", ".parquet": "Parquet"}
_KINDS = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet"}


def start(upload: Any, log: bool) -> None:
    """Start to score an uploaded file, or say why it is not taken."""
    folder = tempfile.TemporaryDirectory(prefix="tips-scored-")
    try:
        given, rows = keep_upload(upload, Path(folder.name), settings.max_upload_rows)
    except UnreadableFile as error:
        st.session_state.pop(JOB, None)
        st.query_params.clear()
        st.error(plain(sentence(str(error))), icon=":material/block:")
        return
    job = scoring_jobs().start(predictions(), given, folder, upload.name, rows, log)
    st.session_state[JOB] = st.query_params["job"] = job.id
    with st.spinner("Scoring the file"):
        job.wait(_AT_ONCE_SECONDS)


def show_job() -> None:
    """The job of the address, or of this session: its progress or its result."""
    key = st.query_params.get("job") or st.session_state.get(JOB)
    if not key:
        return
    job = scoring_jobs().find(key)
    if job is None:
        st.info("This result is no longer kept. Score the file again.")
        return
    st.query_params["job"] = job.id
    if job.is_running:
        show_progress(job)
    elif job.failure:
        st.error(plain(job.failure), icon=":material/block:")
    elif job.result is None:
        st.info("Scoring was cancelled. Nothing of it was kept.")
    else:
        show_answer(job.result, job.name)


@st.fragment(run_every=1.0)
def show_progress(job: Job) -> None:
    """How far a job is and how long it will take; the page is drawn anew when it has ended."""
    if not job.is_running:
        st.rerun()
    words, left = f"{count(job.done)} of {count(job.rows)} rows", job.seconds_left
    if left is not None:
        words += f", about {count(max(left, 1))} seconds left"
    st.progress(min(job.done / max(job.rows, 1), 1.0), text=words)
    st.caption("You can leave or reload this page. The result is kept for a day at this address.")
    if st.button("Cancel", icon=":material/cancel:", disabled=job.cancelled):
        job.cancelled = True


def show_answer(found: ScoredFile, name: str) -> None:
    """What became of the rows, and the file with the answer."""
    with st.container(border=True):
        st.markdown(f"**{plain(name)}**")
        with st.grid(3, min_column_width=80):
            st.metric("Rows", count(found.rows))
            st.metric("Predicted", count(found.predicted))
            st.metric("Refused", count(found.refused))
        st.caption(
            f"Answered by version {found.version} in {found.seconds:.1f} seconds. An interval "
            f"holds {percent(get_settings().interval_coverage)} of the tips on such bills. Rows "
            f"unlike the training data have none; the column {NEVER_SEEN} says why."
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
        example = {contract.BILL: 24.5} | form.first_values({})
        st.download_button(
            "Download a template",
            pd.DataFrame([example])[contract.FEATURE_NAMES].to_csv(index=False),
            file_name="bills.csv",
            mime="text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        st.dataframe(pd.DataFrame(columns), hide_index=True, width="stretch")
        st.markdown(
            "Columns may be in any order; others stay in the result. Weekdays may be written in "
            "full, and letter case does not matter."
        )


settings = get_settings()
st.title("Score a file")
st.caption(
    f"Bills as CSV (plain or gzip) or Parquet, up to {settings.max_upload_mb} MB and "
    f"{count(settings.max_upload_rows)} rows. Every row gets a prediction or the reason why not."
)
serving = predictions().serving()
if serving.problem:
    st.warning(plain(serving.problem), icon=":material/cloud_off:")
if serving.model is None and not serving.problem:
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
    start(upload, log)
show_job()
show_columns()
