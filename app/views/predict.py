"""The tip of one bill, with its interval and what moved it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from app import form
from app.bill_curve import bill_curve, curve_figure
from app.into_view import come_into_view
from app.parts import nothing_yet, plot
from app.prediction_plots import USUAL_SHARES, interval_figure, parts_figure
from app.predictions import NoModel, Predicted, Refused, predictions
from app.style import count, dollars, month_name, percent, plain
from tip_assets import contract
from tip_assets.modelling.intervals import rows_needed
from tip_assets.settings import get_settings

# What was asked and answered last: kept while a person looks at other pages.
RECORD, ANSWER, REFUSAL = "predict_record", "predict_answer", "predict_refusal"
# The same bill again within this time is a double click, not another table.
_DOUBLE_CLICK = timedelta(seconds=3)

# Bills to click; the rest of the record occurs in the training data.
EXAMPLES: dict[str, dict[str, Any]] = {
    "$16.50 for two": {contract.BILL: 16.5, contract.PARTY: 2},
    "$38.00 for four": {contract.BILL: 38.0, contract.PARTY: 4},
}


def ask_for(column: contract.Column, last: dict[str, Any]) -> Any:
    """A field of the form. The contract checks the ranges.

    A field with a range of its own would keep its last value when another one is typed, and the
    form would answer for that. Money is text: a field of numbers drops the comma of "2,50".
    """
    words, key = form.label(column), f"bill_{column.name}"
    if isinstance(column, contract.NumberColumn):
        help_ = f"A {form.accepted_values(column)}."
        value = last.get(column.name)
        if column.integer:
            return st.number_input(words, value=value, step=1, format="%d", help=help_, key=key)
        shown = f"{value:.2f}" if isinstance(value, float) else value
        return form.amount(
            st.text_input(words, shown or "", placeholder="0.00", help=help_, key=key)
        )
    options = form.choices(column)
    chosen = options.index(last[column.name])

    def in_full(category: str) -> str:
        return form.in_full(column, category)

    if form.has_few_choices(column):
        return st.radio(words, options, index=chosen, format_func=in_full, key=key, horizontal=True)
    return st.selectbox(words, options, index=chosen, format_func=in_full, key=key)


def show_form() -> None:
    """The form; the record and its answer are kept in the session."""
    model = predictions().serving().model
    last = st.session_state.get(RECORD) or form.first_values(model.seen() if model else {})
    with st.form("bill", enter_to_submit=True):
        record = {column.name: ask_for(column, last) for column in contract.FEATURES}
        if not st.form_submit_button("Predict the tip", type="primary", width="stretch"):
            return
    if record == st.session_state.get(RECORD) and _just_answered():
        return
    answer_for(record)


def answer_for(record: dict[str, Any]) -> None:
    """Predict a record; the answer, or why there is none, is kept in the session."""
    st.session_state[RECORD] = record
    st.session_state[ANSWER] = st.session_state[REFUSAL] = None
    try:
        st.session_state[ANSWER] = predictions().predict(record)
    except (Refused, NoModel) as error:
        st.session_state[REFUSAL] = str(error)


def show_examples() -> None:
    """Bills to try before the first answer."""
    st.caption("Or try an example:")
    with st.container(horizontal=True):
        for words, record in EXAMPLES.items():
            st.button(words, on_click=_try, args=(record,))


def _try(example: dict[str, Any]) -> None:
    model = predictions().serving().model
    record = form.first_values(model.seen() if model else {}) | example
    for name, value in record.items():
        is_bill = name == contract.BILL
        st.session_state[f"bill_{name}"] = f"{value:.2f}" if is_bill else value
    answer_for(record)


def _just_answered() -> bool:
    answer = st.session_state.get(ANSWER)
    return answer is not None and datetime.now(UTC) - answer.at < _DOUBLE_CLICK


def show_answer(found: Predicted, record: dict[str, Any]) -> None:
    """The prediction, how sure it is, what it is beside usual tips, and who answered."""
    answer, bill = found.answer, record[contract.BILL]
    words = _describe_interval(found)
    tip = dollars(answer.prediction)
    with st.container(border=True):
        with st.grid(2, min_column_width=120):
            st.metric("Predicted tip", tip)
            st.metric("Share of the bill", percent(answer.prediction / bill, 1))
            for part in USUAL_SHARES:
                st.metric(f"{percent(part)} would be", dollars(part * bill))
        plot(interval_figure(answer, bill), "interval", words)
        if answer.never_seen:
            st.warning(plain(words), icon=":material/help:")
        else:
            st.markdown(plain(words))
    if answer.parts:
        st.subheader("What moved it")
        plot(parts_figure(answer.parts, record), "parts", "What the prediction is made of")
    else:
        st.caption("This version cannot say what moved the prediction.")
    show_curve(found, record)
    come_into_view("answer", found.at.isoformat(), f"Predicted tip: {tip}. {words}")
    version = answer.version
    st.caption(
        f"Answered by version {version.number}, trained for {month_name(version.month)}, at "
        f"{found.at:%Y-%m-%d %H:%M} UTC."
    )
    if found.id:
        st.caption("Use this id on the Feedback page to enter the tip that was given:")
        st.code(found.id, language=None)


@st.fragment
def show_curve(found: Predicted, record: dict[str, Any]) -> None:
    """The tip for other bills, by the same version; a folded plot is not computed."""
    model, answer = predictions().serving().model, found.answer
    if model is None or model.version.number != answer.version.number:
        return
    if st.toggle("Show how the tip changes with the bill", key="curve"):
        record = record | move(model.seen(), record, found.at.isoformat())
        coverage = get_settings().interval_coverage
        curve, tried = bill_curve(model, record, coverage), model.answer(record, coverage)
        moved = f"**{plain(dollars(tried.prediction))}**"
        if tried.interval:
            low, high = dollars(tried.interval.low), dollars(tried.interval.high)
            moved += plain(f", {percent(coverage)} from {low} to {high}")
        st.markdown(f"Predicted tip: {moved}")
        words = "Predicted tip and interval by bill, everything else on the form unchanged"
        plot(curve_figure(curve, record[contract.BILL], tried.prediction), "curve_plot", words)
        st.caption(f"{words}; bills of the training data only. Tries are not logged.")


def move(seen: dict[str, list[Any]], record: dict[str, Any], asked: str) -> dict[str, Any]:
    """Sliders for the numbers of a record, within the training data; `asked` names the answer."""
    moved = {}
    for column in contract.FEATURES:
        if not isinstance(column, contract.NumberColumn) or column.name not in seen:
            continue
        kind = int if column.integer else float
        low, high = map(kind, seen[column.name])
        if low < high:
            moved[column.name] = st.slider(
                form.label(column),
                *(low, high, min(max(kind(record[column.name]), low), high)),
                step=1 if column.integer else 0.5,
                format="%d" if column.integer else "%.2f",
                key=f"try_{column.name}_{asked}",
            )
    return moved


def _describe_interval(found: Predicted) -> str:
    ends, never_seen = found.answer.interval, found.answer.never_seen
    if never_seen:
        return (
            f"The training data has no {never_seen.replace('; ', ' and no ')}. The error of this "
            "prediction is unknown, so it has no interval."
        )
    if ends is None:
        return "This version has no errors on held-out rows, so it gives no interval."
    words = (
        f"{percent(ends.coverage)} of the tips on bills like this one are from {dollars(ends.low)} "
        f"to {dollars(ends.high)}"
    )
    if ends.rows < rows_needed(ends.coverage):
        return f"{words}. The range is wide: only {count(ends.rows)} rows measure the error."
    return f"{words}, measured on {count(ends.rows)} rows that the model had not seen."


st.title("Predict")
st.caption("Enter a bill to see the tip to expect.")
serving = predictions().serving()
for problem in filter(None, (serving.problem, predictions().writer.problem)):
    st.warning(plain(problem), icon=":material/cloud_off:")
if serving.model is None and not serving.problem:
    nothing_yet(
        "There is no champion yet. Run a month first:",
        f"tips run --month {get_settings().first_month} --sample",
    )
left, right = st.columns([1, 1.6], gap="large")
with left:
    show_form()
with right:
    if st.session_state.get(REFUSAL):
        st.error(plain(st.session_state[REFUSAL]), icon=":material/block:")
    elif st.session_state.get(ANSWER):
        show_answer(st.session_state[ANSWER], st.session_state[RECORD])
    elif serving.model is not None:
        nothing_yet("Fill in the bill and press the button.")
        show_examples()
