"""History: drift, quality, rows and promotions over the months."""

import streamlit as st

from app import history_plots
from app.history import History, history_of
from app.labels import labelled
from app.parts import FRESH_SECONDS, nothing_yet, plot, plot_of_months, unless_away
from app.plot_months import gaps
from app.served_plot import served_plot
from app.sources import METRICS, metric_store
from app.style import MISSING, month_name
from tip_assets.partitions import month_after
from tip_assets.settings import get_settings

# By what the address says, so many months from the newest on; all of them.
RANGES = {"12": "12 months", "24": "24 months", "all": "All"}


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _history(url: str, confidence: float) -> History:
    return METRICS.ask(lambda: history_of(metric_store(url), confidence))


def choose_range(history: History) -> History:
    """The last months, or all of them."""
    offered = [name for name in RANGES if name == "all" or int(name) < history.span]
    if len(offered) < 2:
        return history
    chosen = st.segmented_control(
        "Months",
        offered,
        default="24" if len(history.months) > 24 else "all",
        format_func=RANGES.__getitem__,
        required=True,
        label_visibility="collapsed",
        key="months",
        bind="query-params",
    )
    if chosen == "all":
        return history
    return history.since(month_after(history.months[-1], 1 - int(chosen)))


def show_served(history: History) -> None:
    st.subheader("Who served when")
    if history.served:
        plot(served_plot(history), "served", "The version that served each month")
    else:
        st.caption("No month has been measured yet.")
    missing = gaps(history.months)
    if missing:
        words = ", ".join(f"between {month_name(b)} and {month_name(a)}" for b, a in missing)
        st.caption(f"Grey: no data {words}.")


def show_drift(history: History) -> None:
    st.subheader("Drift")
    if not history.charts:
        st.caption("Drift has not been measured yet.")
        return
    st.caption(
        "Each month against what the model that served it was trained on, in standard deviations. "
        "A column has drifted (red) when one of its charts is beyond the limit (dashed), or beyond "
        "one less on the same side in two of three months. Dotted lines: another model began to "
        "serve, and the charts start anew. Click a month for its report and its largest errors."
    )
    effects = history_plots.charts_plot(history)
    plot_of_months(effects, "drift", "Effect on each control chart by month", "errors")


def show_quality(history: History, level: str) -> None:
    st.subheader("Quality of the models")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Typical error**")
        st.caption(
            f"Mean absolute error of the model that served the month, with {level} intervals."
        )
        if history.serving:
            errors = history_plots.errors_plot(history)
            plot_of_months(errors, "served_errors", "Mean absolute error by month", "errors")
        else:
            st.caption("No month was served by a model yet.")
    with right:
        st.markdown("**Challenger against champion**")
        st.caption(
            f"On the same held-out rows, with the {level} interval that decides. Below zero the "
            "challenger's error is lower."
        )
        if history.comparisons:
            plot(
                history_plots.comparisons_plot(history),
                "comparisons",
                "RMSE of challenger minus champion by month",
            )
        else:
            st.caption("No challenger has been compared yet: that takes a second month.")


def show_rows(history: History) -> None:
    st.subheader("Rows")
    if history.ingested:
        st.caption("Click a month for its report and the rows that were refused.")
        rows = history_plots.rows_plot(history)
        plot_of_months(rows, "rows", "Rows kept and in quarantine by month", "quarantine")
    else:
        st.caption("No rows were counted yet.")


def show_realised(history: History) -> None:
    st.subheader("Predictions against the tips that were given")
    if not history.realised:
        st.caption("No tip has been entered yet. Enter tips on the Feedback page.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Realised error**")
        plot(
            history_plots.realised_plot(history.realised, history.changes),
            "realised",
            "Realised mean absolute error by month",
        )
    with right:
        st.markdown("**Tips within their interval**")
        plot(
            history_plots.coverage_plot(history.realised, history.changes),
            "coverage",
            "Share of tips within their interval by month",
        )


def show_decisions(history: History) -> None:
    st.subheader("Decisions")
    rows = sorted(history.decisions, key=lambda row: row["at"], reverse=True)
    if not rows:
        st.caption("No decision yet: run a month first.")
        return
    st.dataframe(
        {
            "Month": [month_name(row["month"]) for row in rows],
            "Decision": [row["action"] for row in rows],
            "Challenger": [_version(row["challenger"]) for row in rows],
            "Champion": [
                _version(row["champion_after"])
                if row["champion_after"] == row["champion_before"]
                else f"{_version(row['champion_before'])} \N{RIGHTWARDS ARROW} "
                f"{_version(row['champion_after'])}"
                for row in rows
            ],
            "Why": [labelled(row["reason"]) for row in rows],
            "By": [row["person"] or "the rule" for row in rows],
            "At (UTC)": [row["at"] for row in rows],
        },
        hide_index=True,
        column_config={
            "Why": st.column_config.TextColumn(width="large"),
            "At (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
    )


def _version(number: int | None) -> str:
    return MISSING if number is None else f"v{number}"


title, choice = st.columns([3, 2], vertical_alignment="bottom")
title.title("History")
settings = get_settings()
history = unless_away(lambda: _history(settings.metric_store_url, settings.confidence))
if history is None:
    st.stop()
if not history.months:
    nothing_yet("No month has been run yet.", "tips run --month 2024-01 --sample")
    st.stop()
with choice, st.container(horizontal=True, horizontal_alignment="right"):
    history = choose_range(history)
show_served(history)
show_quality(history, f"{100 * settings.confidence:g} %")
show_drift(history)
show_rows(history)
show_realised(history)
show_decisions(history)
