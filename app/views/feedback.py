"""The tips that were given, beside what was predicted."""

import tempfile
from pathlib import Path
from typing import Any

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from app import feedback, form
from app.parts import ask, nothing_yet
from app.predictions import predictions
from app.sources import METRICS, STORAGE, SourceUnavailable
from app.style import MISSING, cells, count, month_name, percent, plain, sentence
from app.uploads import keep_upload
from tip_assets import contract
from tip_assets.ingestion.feedback import PREDICTION_ID, TIP
from tip_assets.ingestion.table_files import FORMATS, UnreadableFile
from tip_assets.metric_store.store import Row
from tip_assets.settings import get_settings

SUBMITTED, PROBLEM = "feedback_submitted", "feedback_problem"
PREVIEWED_FILE, PREVIEWED_TIPS = "feedback_previewed_file", "feedback_previewed_tips"
_SHOWN = 50


def keep(submission: feedback.Submission | None, problem: str = "") -> None:
    """Keep what became of the tips for the page that is drawn next."""
    st.session_state[SUBMITTED], st.session_state[PROBLEM] = submission, problem


def one_tip() -> None:
    """The tip of one prediction, chosen among the last ones or named by its id."""
    log = predictions().log
    # Those that are still on their way into the log are to be found here, too.
    predictions().writer.finish(2.0)
    newest = ask(METRICS, lambda: log.newest(_SHOWN, without_tip=True))
    if newest is None:
        return
    by_id = {row["id"]: row for row in newest}

    def words(key: str) -> str:
        return feedback.describe_prediction(by_id[key]) if key in by_id else key

    with st.form("one_tip", clear_on_submit=True):
        key = st.selectbox(
            "Prediction",
            list(by_id),
            index=None,
            format_func=words,
            placeholder=f"Choose one of the last {_SHOWN} without a tip, or paste an id",
            accept_new_options=True,
        )
        label = f"{contract.LABEL.label} given ({contract.LABEL.unit})"
        tip = form.amount(st.text_input(label, placeholder="0.00"))
        if not st.form_submit_button("Save the tip", type="primary"):
            return
    if not key or tip is None:
        keep(None, "Choose a prediction and enter the tip that was given.")
    else:
        try:
            keep(METRICS.ask(lambda: feedback.submit_one(log, key, tip)))
        except SourceUnavailable as away:
            keep(None, str(away))
    st.rerun()


def file_of_tips() -> None:
    """The tips of many predictions."""
    st.markdown(
        f"A CSV or Parquet file with the columns `{PREDICTION_ID}` and `{TIP}`, such as a scored "
        "file with the tips added. Rows without a tip are skipped."
    )
    kinds = [suffix.removeprefix(".") for suffix in FORMATS]
    upload = st.file_uploader("File", type=kinds, label_visibility="collapsed")
    if st.button("Preview the tips", disabled=upload is None):
        with st.spinner("Reading the file"):
            submit(upload, write=False)
        st.rerun()
    file_id, found = st.session_state.get(PREVIEWED_FILE, ("", []))
    if upload is None or upload.file_id != file_id or not found:
        return
    show_previews(found)
    if st.button(f"Save {feedback.tips(sum(month.tips for month in found))}", type="primary"):
        with st.spinner("Saving the tips"):
            submit(upload)
        st.rerun()


def show_previews(found: list[feedback.Preview]) -> None:
    """Show what tips would bring, month by month, with their outliers."""
    for preview in found:
        st.markdown(f"**{month_name(preview.month)}**: {feedback.describe_preview(preview)}")
        if preview.outliers:
            with st.expander(f"Outliers of {month_name(preview.month)}"):
                _table(preview.first_outliers)


def submit(upload: Any, write: bool = True) -> None:
    """Note the tips of an uploaded file, or only preview them."""
    st.session_state.pop(PREVIEWED_FILE, None)
    with tempfile.TemporaryDirectory(prefix="tips-feedback-") as folder:
        predictions().writer.finish(2.0)
        try:
            given, _ = keep_upload(upload, Path(folder), get_settings().max_upload_rows)
            # No bound on time: a million rows take minutes, and every piece is noted as it is read.
            if write:
                keep(feedback.submit_file(predictions().log, given))
            else:
                submission, found = feedback.preview_file(predictions().log, given)
                st.session_state[PREVIEWED_FILE] = upload.file_id, found
                # What is refused shows before anything is noted.
                keep(submission if submission.refused or not found else None)
        except UnreadableFile as error:
            keep(None, sentence(str(error)))
        except SQLAlchemyError:
            keep(
                None,
                "The metric store cannot be reached. Upload the file again later: tips that were "
                "saved are kept and counted once.",
            )


def show_submitted() -> None:
    """Show what became of the last submission."""
    if st.session_state.get(PROBLEM):
        st.error(plain(st.session_state[PROBLEM]), icon=":material/block:")
    submission = st.session_state.get(SUBMITTED)
    if submission is None:
        return
    show = st.warning if submission.refused else st.success
    show(plain(feedback.describe(submission)))
    if submission.new and st.button("Undo", icon=":material/undo:"):
        undone = ask(METRICS, lambda: predictions().log.withdraw_tips(submission.at))
        if undone is not None:
            keep(None)
            st.toast(f"{feedback.tips(undone)} removed.")
            st.rerun()
    if submission.refused:
        st.dataframe(cells(submission.first_refused), hide_index=True, width="stretch")


def show_on_its_way() -> None:
    """What will land, when, and the button that does not wait for it."""
    waiting = ask(
        METRICS, lambda: feedback.on_its_way(predictions().log, get_settings().feedback_minutes)
    )
    if waiting is None:
        return
    st.subheader("Waiting to land")
    if not waiting:
        st.caption("No tip is waiting.")
        return
    for month in waiting:
        share = f" ({percent(month.share)} of the month's rows)" if month.share else ""
        st.markdown(
            f"**{month_name(month.month)}**: {feedback.tips(month.tips)}{share}, landing at "
            f"{month.lands_at:%Y-%m-%d %H:%M} UTC. You can correct them until then."
        )
    if st.button("Land now", icon=":material/send:"):
        rows = ask(METRICS, predictions().log.waiting_rows)
        st.session_state[PREVIEWED_TIPS] = waiting, feedback.previews(rows or [])
    previewed, found = st.session_state.get(PREVIEWED_TIPS, ([], []))
    # Tips that were noted or corrected since are not in the preview: it has to be asked for again.
    if previewed != waiting:
        return
    total = sum(month.tips for month in waiting)
    show_previews(found)
    if st.button(f"Land {feedback.tips(total)}", type="primary"):
        del st.session_state[PREVIEWED_TIPS]
        landed = ask(STORAGE, predictions().land_now)
        if landed is not None:
            st.toast(f"{feedback.tips(landed)} landed.")
            st.rerun()


def show_last() -> None:
    """The last predictions and what was given."""
    rows = ask(METRICS, lambda: predictions().log.newest(_SHOWN))
    if not rows:
        return
    st.subheader("Last predictions")
    _table(rows)


def _table(rows: list[Row]) -> None:
    money = st.column_config.NumberColumn(format="$%.2f")
    st.dataframe(
        [_line(row) for row in rows],
        hide_index=True,
        width="stretch",
        placeholder=MISSING,
        column_config=dict.fromkeys(("Bill", "Predicted", "Low", "High", "Given"), money),
    )


def _line(row: Row) -> dict[str, Any]:
    given, ends = row["actual"], (row["low"], row["high"])
    inside = None if given is None or ends[0] is None else ends[0] <= given <= ends[1]
    return {
        "Made (UTC)": f"{row['at']:%Y-%m-%d %H:%M}",
        "Bill": row["inputs"][contract.BILL],
        "Predicted": row["predicted"],
        "Low": ends[0],
        "High": ends[1],
        "Given": given,
        "Within": {True: "inside", False: "outside", None: None}[inside],
        "Version": row["version"],
        "Landed": row["landing_file"],
        "Id": row["id"],
    }


settings = get_settings()
st.title("Feedback")
st.caption(
    "Enter the tips that were given. The History page then shows the errors, and the tips land as "
    "rows of their month. Leave out tips that your till delivers anyway. Predictions are kept for "
    f"{count(settings.prediction_log_days)} days."
)
if not settings.prediction_log:
    nothing_yet(
        "The log of predictions is switched off (TIPS_PREDICTION_LOG): tips cannot be entered."
    )
else:
    if predictions().writer.problem:
        st.warning(plain(predictions().writer.problem), icon=":material/cloud_off:")
    if ask(METRICS, lambda: predictions().log.newest(1)) is None:
        show_submitted()
        st.stop()
    single, many = st.tabs(["One tip", "A file of tips"])
    with single:
        one_tip()
    with many:
        file_of_tips()
    show_submitted()
    show_on_its_way()
    show_last()
