"""Reports: a month in words, and its four reports below."""

import streamlit as st

from app import months
from app.months import Month
from app.parts import (
    FRESH_SECONDS,
    ask,
    download_report,
    nothing_yet,
    show_report,
    stored_report,
    unless_away,
    verdict_badge,
)
from app.plot_months import chart_label
from app.report_files import months_with_reports
from app.sources import METRICS, STORAGE, metric_store
from app.style import MISSING, count, dollars, month_words, plain
from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.metric_store.store import Row
from tip_assets.settings import get_settings


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _months(url: str) -> list[str]:
    return METRICS.ask(lambda: months.months_known(metric_store(url)))


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _month(url: str, month: str) -> Month:
    return METRICS.ask(lambda: months.month_of(metric_store(url), month))


def choose_month(known: list[str]) -> str:
    """The month to show, which stands in the address as it is written there; else the newest.

    Not by Streamlit's binding: it puts the words of the list into the address, and takes no others.
    """
    asked = st.query_params.get("month")
    st.session_state["month"] = asked if asked in known else known[0]
    return st.selectbox(
        "Month",
        known,
        format_func=month_words,
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
        st.markdown(f"**{plain(_sentence(words))}**")
        for check in found.stopped_by:
            st.markdown(plain(check["words"]))
        for words in found.to_do:
            st.markdown(f":material/arrow_forward: {_with_commands(words)}")


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
            "Checks that hold",
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
        _line(":orange-badge[:material/pause_circle: fails, stops]", check)
    for check in found.warned_by:
        _line(":yellow-badge[:material/warning: fails, warns]", check)
    if not found.checks:
        st.caption("No check of this month has been recorded.")
        return
    with st.expander(f"{len(found.passed)} checks hold"):
        for check in found.passed:
            _line(":green-badge[:material/check: holds]", check)


def show_drift(found: Month) -> None:
    """Every control chart: the month's effect, and the change it would have shown."""
    st.subheader("Drift")
    if not found.charts:
        earlier = "Drift was measured by an earlier release, without charts: run the month again."
        never = "Drift was not measured: the month stopped before."
        st.caption(earlier if found.dataset else never)
        return
    charts = sorted(found.charts, key=lambda row: -abs(row["z"]))
    st.dataframe(
        {
            "Chart": [chart_label(row["chart"]) for row in charts],
            "Effect": [row["z"] for row in charts],
            "Verdict": ["drifted" if row["alarm"] else MISSING for row in charts],
            "Would have been seen": [row["smallest_change"] or MISSING for row in charts],
        },
        hide_index=True,
        height="content",
        column_config={"Effect": st.column_config.NumberColumn(format="%+.1f", width=70)},
    )
    st.caption(
        f"Drifted: an effect beyond {charts[0]['limit']:.1f} standard deviations, or beyond "
        f"{charts[0]['limit'] - 1:.1f} in two of three months on the same side."
    )


def show_reports(month: str) -> None:
    """One report at a time, in a frame it cannot get out of."""
    st.subheader("The four reports")
    report = st.segmented_control(
        "Report",
        list(REPORTS),
        default=next(iter(REPORTS)),
        format_func=REPORTS.__getitem__,
        required=True,
        label_visibility="collapsed",
        key="report",
        bind="query-params",
    )
    page = unless_away(lambda: stored_report(get_settings().storage, month, report))
    if page is None:
        st.caption(f"{month_words(month)} has no such report in the storage.")
        return
    with st.container(horizontal=True):
        download_report(page, month, report)
        st.link_button(
            "Open alone",
            f"report?month={month}&report={report}",
            icon=":material/open_in_new:",
        )
    show_report(page, month, report)


def _line(badge: str, check: Row) -> None:
    st.markdown(f"{badge} **{_title(check['check'])}** {plain(check['words'])}")


def _title(check: str) -> str:
    return plain(check.replace("_", " ").capitalize() + ".")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


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
found = None if store_is_away else unless_away(lambda: _month(url, month))
if found is not None:
    show_verdict(found)
    show_numbers(found)
    left, right = st.columns([4, 5], gap="large")
    with left:
        show_checks(found)
    with right:
        show_drift(found)
    if found.told:
        with st.expander("What people were told"):
            for row in found.told:
                st.markdown(f"**{plain(row['subject'])}**")
                st.code(row["text"], language=None, wrap_lines=True)
show_reports(month)
