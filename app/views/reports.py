"""Reports: a month's verdict, numbers and charts, and links to its four reports."""

import pandas as pd
import streamlit as st

from app import months
from app.labels import chart_label, check_title, column_label, describe_change, labelled
from app.largest_errors import ERROR, PREDICTED, largest_errors
from app.links import run_in_dagster, version_in_mlflow
from app.month_plots import effects_plot
from app.months import Month
from app.parts import FRESH_SECONDS, ask, nothing_yet, plot, unless_away, verdict_badge
from app.release import release, releaser
from app.report_files import months_with_reports, read_quarantine, reports_of
from app.sources import METRICS, REGISTRY, STORAGE, metric_store, registry
from app.style import MISSING, cells, count, dollars, month_name, plain, sentence
from tip_assets import contract
from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.metric_store.store import Row
from tip_assets.serving.loaded_model import load_version
from tip_assets.settings import get_settings

_MOST_REFUSED, _MOST_ERRORS = 500, 20  # rows that are shown


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _months(url: str) -> list[str]:
    return METRICS.ask(lambda: months.months_known(metric_store(url)))


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _month(url: str, month: str) -> Month:
    return METRICS.ask(lambda: months.month_of(metric_store(url), month))


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _reports(storage: str, month: str) -> list[str]:
    root = get_settings().model_copy(update={"storage": storage}).storage_root
    return STORAGE.ask(lambda: reports_of(root, month))


@st.cache_data(max_entries=8, show_spinner=False)
def _largest_errors(storage: str, month: str, version: int) -> pd.DataFrame:
    root = get_settings().model_copy(update={"storage": storage}).storage_root
    model = REGISTRY.ask(lambda: load_version(registry(), version))
    return STORAGE.ask(lambda: largest_errors(root, model, month, _MOST_ERRORS))


def choose_month(known: list[str]) -> str:
    """The month of the address, else the newest.

    Not by Streamlit's binding: it puts the words of the list into the address, and takes no others.
    """
    asked = st.query_params.get("month")
    st.session_state["month"] = asked if asked in known else known[0]
    return st.selectbox(
        "Month",
        known,
        format_func=month_name,
        label_visibility="collapsed",
        key="month",
        on_change=_into_the_address,
    )


def _into_the_address() -> None:
    st.query_params["month"] = st.session_state["month"]


def show_verdict(found: Month) -> None:
    """What was decided, what stands behind it, and what to do."""
    action, words = found.verdict
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            verdict_badge(action)
            if found.decision and found.decision["champion_after"]:
                st.caption(f"champion: version {found.decision['champion_after']}")
        st.markdown(f"**{plain(sentence(words))}**")
        for words in found.to_do:
            st.markdown(f":material/arrow_forward: {_with_commands(words)}")
        if found.can_be_released:
            offer_release(found)
        links = []
        if found.run_id:
            links.append(f"[Last run in Dagster]({run_in_dagster(found.run_id)})")
        if found.model:
            number = found.model["version"]
            links.append(f"[Version {number} in MLflow]({version_in_mlflow(number)})")
        if links:
            st.markdown(" · ".join(links))


def offer_release(found: Month) -> None:
    """A form that releases the month, for a person who may."""
    person = dict(st.user) if "is_logged_in" in st.user else None
    by = releaser(get_settings(), person)
    if by is None or found.decision is None:
        return
    with st.form(f"release_{found.month}", border=False):
        reason = st.text_input("Reason for the release", placeholder="A new menu since March")
        if not st.form_submit_button(f"Release version {found.decision['challenger']}"):
            return
    if not reason.strip():
        st.error("Enter a reason: the history keeps it.", icon=":material/block:")
        return
    with st.spinner("Releasing the model"):
        failure = release(found.month, reason, by)
    _month.clear()
    if failure:
        st.error(plain(failure), icon=":material/block:")
    else:
        st.rerun()


def show_numbers(found: Month) -> None:
    """The month in four numbers."""
    rows, model, dataset = found.ingested, found.model, found.dataset
    cards = [
        (
            "Rows kept",
            count(rows["rows_kept"]) if rows else MISSING,
            f"{count(rows['rows_quarantined'])} quarantined" if rows else "",
        ),
        (
            "Test RMSE",
            dollars(model["rmse"]) if model else MISSING,
            f"version {model['version']}, {count(model['rows'])} held-out rows" if model else "",
        ),
        (
            "Columns drifted",
            f"{dataset['drifted_columns']} of {dataset['columns']}" if dataset else MISSING,
            f"{count(dataset['current_rows'])} rows against {count(dataset['reference_rows'])}"
            if dataset
            else "",
        ),
        (
            "Checks passed",
            f"{len(found.passed)} of {len(found.checks)}" if found.checks else MISSING,
            f"{len(found.warned_by)} warned, {len(found.stopped_by)} stopped"
            if found.checks
            else "",
        ),
    ]
    with st.grid(len(cards), min_column_width=150, border=True):
        for label, value, below in cards:
            with st.container(gap="xsmall"):
                st.metric(label, value)
                st.caption(below or MISSING)


def show_checks(found: Month) -> None:
    """The checks: those that failed first, the others folded away."""
    st.subheader("Checks")
    for check in found.stopped_by:
        _line(":orange-badge[:material/pause_circle: Stops]", check)
    for check in found.warned_by:
        _line(":yellow-badge[:material/warning: Warns]", check)
    if not found.checks:
        st.caption("No check of this month has been recorded.")
        return
    with st.expander(f"{len(found.passed)} checks passed"):
        for check in found.passed:
            _line(":green-badge[:material/check: Passed]", check)


def show_quarantine(found: Month) -> None:
    """The refused rows, when a person asks for them."""
    refused = found.ingested["rows_quarantined"] if found.ingested else 0
    unreadable = found.ingested["files_unreadable"] if found.ingested else 0
    if not (refused or unreadable) or not st.toggle(
        f"Show what was refused (rows: {count(refused)}, whole files: {count(unreadable)})",
        key="quarantine",
        bind="query-params",
    ):
        return
    storage = get_settings().storage_root
    rows = ask(STORAGE, lambda: read_quarantine(storage, found.month, _MOST_REFUSED))
    if rows is not None:
        named = rows.assign(column=rows["column"].map(column_label, na_action="ignore"))
        shown = cells(named).rename(columns=str.capitalize)
        st.dataframe(shown, hide_index=True, placeholder=MISSING)


def show_largest_errors(found: Month) -> None:
    """The rows that the model which served the month predicted worst, when a person asks."""
    served_by = found.dataset["served_by"] if found.dataset else None
    if not served_by or not st.toggle(
        f"Show the largest errors of version {served_by}, which served the month",
        key="errors",
        bind="query-params",
    ):
        return
    with st.spinner("Predicting the month's rows"):
        rows = unless_away(lambda: _largest_errors(get_settings().storage, found.month, served_by))
    if rows is not None:
        names = {name: column_label(name).replace("_", " ") for name in rows}
        money = (contract.BILL, contract.LABEL.name, PREDICTED, ERROR)
        st.dataframe(
            rows.rename(columns=names),
            hide_index=True,
            column_config={names[n]: st.column_config.NumberColumn(format="%.2f") for n in money},
        )
        st.caption("Dollars; a positive error means that the prediction was too high.")


def show_drift(found: Month) -> None:
    """Every control chart: the month's effect, and the change it would have shown."""
    st.subheader("Drift")
    if not found.charts:
        earlier = "Drift was measured by an earlier release, without charts: run the month again."
        never = "Drift was not measured: the month stopped before."
        st.caption(earlier if found.dataset else never)
        return
    limit = found.charts[0]["limit"]
    st.caption(
        f"The month against the training data of the model that served it. Red: beyond {limit:.1f} "
        f"standard deviations, or beyond {limit - 1:.1f} on the same side in two of three months."
    )
    plot(effects_plot(found.charts), "effects", "Effect of the month on each control chart")
    with st.expander("Smallest change that this month would have shown"):
        for row in sorted(found.charts, key=lambda row: chart_label(row["chart"])):
            change = describe_change(row["smallest_change"] or "none")
            st.markdown(f"**{plain(chart_label(row['chart']))}**: {plain(change)}")


def show_reports(month: str) -> None:
    """A link to each report, which opens in a tab of its own."""
    st.subheader("Evidently reports")
    reports = unless_away(lambda: _reports(get_settings().storage, month))
    if not reports:
        st.caption(f"The storage has no reports of {month_name(month)}.")
        return
    with st.container(horizontal=True):
        for report in reports:
            st.link_button(
                REPORTS[report],
                f"report?month={month}&report={report}",
                icon=":material/open_in_new:",
            )


def _line(badge: str, check: Row) -> None:
    title = check_title(check["check"], check["passed"])
    st.markdown(f"{badge} **{plain(title)}** {plain(sentence(labelled(check['words'])))}")


def _with_commands(words: str) -> str:
    """A sentence of the platform: what stands between backticks is code, the rest is plain."""
    parts = words.split("`")
    return "".join(f"`{part}`" if place % 2 else plain(part) for place, part in enumerate(parts))


title, choice = st.columns([3, 1], vertical_alignment="bottom")
title.title("Reports")
url = get_settings().metric_store_url
known = unless_away(lambda: _months(url))
store_is_away = known is None
if store_is_away:
    storage = get_settings().storage_root
    known = ask(STORAGE, lambda: months_with_reports(storage))
if not known:
    nothing_yet("No month has been run yet.", "tips run --month 2024-01 --sample")
    st.stop()
with choice:
    month = choose_month(known)
if st.query_params.get("month", month) not in known:
    asked = plain(st.query_params["month"])
    st.warning(f"There is no month {asked}. This is {month_name(month)}.")
found = None if store_is_away else unless_away(lambda: _month(url, month))
if found is not None:
    show_verdict(found)
    show_numbers(found)
    show_quarantine(found)
    show_largest_errors(found)
    left, right = st.columns([4, 5], gap="large")
    with left:
        show_checks(found)
    with right:
        show_drift(found)
    if found.messages:
        with st.expander("Messages sent"):
            for row in found.messages:
                st.markdown(f"**{plain(row['subject'])}**")
                st.code(row["text"], language=None, wrap_lines=True)
show_reports(month)
