"""Model: the version that serves, all versions, and how to roll back."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from app import compare, model_plots
from app.estimated import estimated_error, training_records
from app.labels import labelled
from app.links import month_in_dagster, version_in_mlflow
from app.model_facts import (
    Measured,
    Period,
    Registered,
    measured_versions,
    registered_versions,
    report_of,
)
from app.parts import FRESH_SECONDS, ask, nothing_yet, plot, unless_away
from app.predictions import predictions
from app.sources import METRICS, REGISTRY, STORAGE, metric_store, registry
from app.style import MISSING, count, dollars, month_name, plain
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.modelling.training import TrainingReport
from tip_assets.partitions import MONTH_FORMAT
from tip_assets.serving.loaded_model import LoadedModel
from tip_assets.settings import get_settings
from tip_assets.tracking.registry import CHAMPION


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _versions(uri: str) -> list[Registered]:
    return REGISTRY.ask(lambda: registered_versions(registry()))


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _measured(url: str) -> Measured:
    return METRICS.ask(lambda: measured_versions(metric_store(url)))


@st.cache_data(max_entries=2, show_spinner=False)
def _training_records(storage: str, version: int) -> pd.DataFrame:
    root = get_settings().model_copy(update={"storage": storage}).storage_root
    months = REGISTRY.ask(lambda: registry().version(version).recipe.months)
    return STORAGE.ask(lambda: training_records(root, months))


@st.cache_data(max_entries=64, show_spinner=False)
def _parameters(run_id: str) -> dict[str, str]:
    return REGISTRY.ask(lambda: dict(registry().client.get_run(run_id).data.params))


def show_champion(model: LoadedModel, report: TrainingReport, served: list[Period]) -> None:
    """Which version serves, since when, and its errors on rows it has never seen."""
    version = model.version
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(f"Version {version.number}", width="content", anchor=False)
            st.badge("champion", color="green", icon=":material/check_circle:")
        since = f"Serves since {_day(served[-1].since)}. " if served else ""
        st.markdown(
            f"{since}Trained for {month_name(version.month)} on {count(report.train['rows'])} "
            f"rows of {_window(report.months)}. Contract {plain(version.contract)}."
        )
    test = report.test
    cards = [
        ("Test RMSE", dollars(test["rmse"]), f"{count(test['rows'])} held-out rows"),
        ("Mean absolute error", dollars(test["mean_absolute_error"]), "on the same rows"),
        ("Explained variance, R²", f"{test['r2']:.2f}", "on the same rows"),
        (
            f"Lowest of {count(report.recipe['trials'])} trials",
            dollars(report.cross_validated_rmse),
            "cross-validated RMSE, which is optimistic",
        ),
    ]
    with st.grid(len(cards), min_column_width=150, border=True):
        for label, value, below in cards:
            with st.container(gap="xsmall"):
                st.metric(label, value)
                st.caption(below)


def show_estimate(model: LoadedModel) -> None:
    """The error to expect this month, or why it is not estimated."""
    settings, number = get_settings(), model.version.number
    reference = unless_away(lambda: _training_records(settings.storage, number))
    if reference is None or reference.empty:
        return
    log, month = PredictionLog(metric_store()), datetime.now(UTC).strftime(MONTH_FORMAT)
    quiet = settings.quiet_months_per_alarm
    found = ask(METRICS, lambda: estimated_error(model, log, month, reference, quiet))
    if found is None:
        return
    st.subheader("This month, before its tips are known")
    if isinstance(found, str):
        st.markdown(f"No estimate: {plain(labelled(found))}.")
        return
    st.markdown(
        f"Expected mean absolute error: **{plain(dollars(found.mean))}** "
        f"({plain(dollars(found.low))} to {plain(dollars(found.high))}), from "
        f"{count(found.rows)} predicted bills and the errors on {count(found.held_out_rows)} "
        "held-out rows."
    )
    st.caption(
        "Only the bills are known: guests who tip differently on the same bills are not seen. "
        "There is no estimate when the bills have drifted or are unlike the training data."
    )


def show_report(report: TrainingReport) -> None:
    """How good it is beside simple rules, and what it looks at."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Beside simple rules")
        st.caption("Error on the same held-out rows; shorter is better.")
        plot(model_plots.baselines_plot(report), "baselines", "RMSE beside simple rules")
    with right:
        st.subheader("What it looks at")
        st.caption("Share of each column in what the trees gain.")
        plot(model_plots.importances_plot(report.importances), "importances", "Importances")


def show_details(report: TrainingReport, measured: Measured | None, number: int) -> None:
    """Errors by group, and the parameters."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Error by group")
        groups = measured.groups.get(number, []) if measured else []
        if groups:
            st.caption(
                "On the held-out rows. The bar is what as many rows drawn at random would have; "
                "the dotted line is the error on all rows."
            )
            plot(
                model_plots.groups_plot(groups, report.test["rmse"]), "groups", "RMSE of each group"
            )
        else:
            st.caption("The metric store has no errors by group of this version.")
    with right:
        st.subheader("Parameters")
        st.caption(f"Found by {report.recipe['trials']} trials, seed {report.recipe['seed']}.")
        names = {**report.parameters, "rounds": report.rounds}
        st.dataframe(
            {
                "Parameter": list(names),
                "Value": [f"{value:.4g}" for value in names.values()],
            },
            hide_index=True,
            height="content",
            column_config={"Value": st.column_config.TextColumn(alignment="right")},
        )


def show_versions(versions: list[Registered], measured: Measured | None) -> None:
    """Every version: what it learned from, how good it was, when it served."""
    st.subheader("All versions")
    test = measured.test if measured else {}
    served = measured.served if measured else {}
    st.dataframe(
        {
            "Version": [version.number for version in versions],
            "": [_status(version) for version in versions],
            "Trained for": [month_name(version.month) for version in versions],
            "Months": [len(version.months) for version in versions],
            "Test RMSE": [
                dollars(test[v.number]["rmse"]) if v.number in test else MISSING for v in versions
            ],
            "Held-out rows": [
                count(test[v.number]["rows"]) if v.number in test else MISSING for v in versions
            ],
            "Served": [
                "; ".join(_period(p) for p in served.get(v.number, [])) or MISSING for v in versions
            ],
            "Registered": [version.registered_at for version in versions],
            "Month": [f"reports?month={version.month}" for version in versions],
            "MLflow": [version_in_mlflow(version.number) for version in versions],
            "Dagster": [month_in_dagster("registered_model", v.month) for v in versions],
        },
        hide_index=True,
        column_config={
            "Version": st.column_config.NumberColumn(width="small"),
            "Test RMSE": st.column_config.TextColumn(alignment="right"),
            "Held-out rows": st.column_config.TextColumn(alignment="right"),
            "Registered": st.column_config.DatetimeColumn(format="YYYY-MM-DD"),
            "Month": st.column_config.LinkColumn(display_text="Checks and drift"),
            "MLflow": st.column_config.LinkColumn(display_text="Version in MLflow"),
            "Dagster": st.column_config.LinkColumn(display_text="Month in Dagster"),
        },
    )
    st.caption("Errors of different versions are of different rows: they do not rank the versions.")


def show_comparison(versions: list[Registered], measured: Measured | None) -> None:
    """Two versions side by side; the address keeps which."""
    if len(versions) < 2:
        return
    st.subheader("Compare two versions")
    by_number = {str(version.number): version for version in versions}
    champion = next((str(v.number) for v in versions if CHAMPION in v.aliases), None)
    others = [number for number in by_number if number != champion]
    with st.container(horizontal=True):
        one, other = (
            by_number[
                st.selectbox(
                    label,
                    list(by_number),
                    index=list(by_number).index(first),
                    format_func=lambda number: f"Version {number}",
                    key=key,
                    bind="query-params",
                )
            ]
            for label, key, first in (
                ("Version", "version", others[0]),
                ("Other version", "other", champion or others[1]),
            )
        )
    parameters = unless_away(lambda: (_parameters(one.run_id), _parameters(other.run_id)))
    same = compare.on_the_same_rows(measured, one.number, other.number) if measured else ""
    st.markdown(plain(same or "These two versions were not compared on the same rows."))
    table = compare.lines((one, other), measured, parameters or ({}, {}))
    st.dataframe(
        {
            "": list(table),
            f"Version {one.number}": [mine for mine, _ in table.values()],
            f"Version {other.number} ": [theirs for _, theirs in table.values()],
        },
        hide_index=True,
        height="content",
    )


def show_rollback(versions: list[Registered]) -> None:
    """The command; the page itself changes nothing."""
    st.subheader("Rolling back")
    others = [version.number for version in versions if CHAMPION not in version.aliases]
    if not others:
        st.caption("There is no other version yet.")
        return
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with left:
        chosen = st.selectbox(
            "Version that should serve",
            [None, *others],
            format_func=lambda n: "the previous one" if n is None else f"version {n}",
        )
    with right:
        to = f" --to {chosen}" if chosen else ""
        st.code(f"tips rollback{to} --reason '...'", language=None)
    st.caption("Run it where the platform runs. It takes effect at once; the history keeps it.")


def _status(version: Registered) -> str:
    return ", ".join(version.aliases) or ("archived" if version.archived else "")


def _window(months: list[str]) -> str:
    if len(months) == 1:
        return month_name(months[0])
    return f"{len(months)} months, {month_name(months[0])} to {month_name(months[-1])}"


def _day(at: object) -> str:
    return f"{at:%Y-%m-%d}"


def _period(period: Period) -> str:
    return f"{_day(period.since)} to {_day(period.until) if period.until else 'now'}"


st.title("Model")
settings = get_settings()
serving = predictions().serving()
if serving.problem:
    st.warning(plain(serving.problem), icon=":material/cloud_off:")
versions = unless_away(lambda: _versions(settings.tracking_uri))
measured = unless_away(lambda: _measured(settings.metric_store_url))
model = serving.model
if model is None and not versions:
    nothing_yet("There is no model yet.", "tips run --month 2024-01 --sample")
    st.stop()
if model is not None:
    report = report_of(model)
    served = measured.served.get(model.version.number, []) if measured else []
    show_champion(model, report, list(served))
    show_estimate(model)
    show_report(report)
    show_details(report, measured, model.version.number)
if versions:
    show_versions(versions, measured)
    show_comparison(versions, measured)
    show_rollback(versions)
