"""The dashboard *Model and data over months*.

Belongs here: what is known by month, from the metric store. Does not belong here: how the platform
is running now (`platform_health.py`).
"""

from grafana import drift, errors
from grafana.dashboard import Addresses, Row, chosen, frame, promotions
from grafana.links import MLFLOW_RUN, MODEL_AND_DATA, REPORTS, REPORTS_OF_LAST, link
from grafana.panels import YES_NO, column, table, time_series
from grafana.queries import (
    CHOSEN_COLUMNS,
    CHOSEN_MONTHS,
    MONTH_AS_TIME,
    Json,
    limit,
    sql,
    sql_series,
)
from tip_assets.exporter import limits

_ACTIONS = {
    "promoted": ("promoted", "green"),
    "released": ("released", "green"),
    "kept": ("kept", "text"),
    "held": ("held", "orange"),
    "refused": ("refused", "orange"),
}


def dashboard(addresses: Addresses) -> Json:
    """The dashboard, with links that lead to these addresses."""
    known = (
        "SELECT month FROM (\n"
        "  SELECT month FROM ingestion\n"
        "  UNION SELECT month FROM prediction_log WHERE actual_at IS NOT NULL\n"
        ") known ORDER BY month"
    )
    fit = "?from=${first_month}-01T00:00:00.000Z&to=${last_month}-28T00:00:00.000Z"
    return frame(
        MODEL_AND_DATA,
        "Drift, errors and data of each month, and which model served. Thresholds are those by "
        "which the month was judged. Times are months: each stands at its first day.",
        [
            Row("Months", [_months()]),
            Row("Drift", drift.panels()),
            Row("Errors", errors.panels()),
            Row("Data", [_rows(), _quarantined(), _statistic(), _correlation(), _dataset_rows()]),
        ],
        addresses,
        variables=[
            chosen(
                "column", "Column", "Columns that drift and values are shown of.",
                'SELECT DISTINCT "column" FROM drift ORDER BY 1', several=True,
            ),
            chosen("first_month", "From", "First month that is shown.", known),
            chosen("last_month", "To", "Last month that is shown.", f"{known} DESC"),
            chosen(
                "statistic", "Statistic", "What is shown of the columns' values.",
                "SELECT statistic FROM column_quality WHERE value IS NOT NULL\n"
                "GROUP BY statistic ORDER BY statistic <> 'mean', statistic",
            ),
        ],
        annotations=promotions(MONTH_AS_TIME, CHOSEN_MONTHS),
        since="now-5y",
        refresh="",
        links=[
            link(
                "Time axis of these months", f"/d/{MODEL_AND_DATA}{fit}",
                "Let the axis begin and end with the chosen months", "clock-nine",
            )
            | {"targetBlank": False, "includeVars": True}
        ],
    )  # fmt: skip


def _months() -> Json:
    query = f"""SELECT i.month, i.rows_kept, i.rows_quarantined, d.share, d.drifted,
  h.action, h.champion_after, q.version, q.rmse, q.mlflow_run, h.reason
FROM ingestion i
LEFT JOIN dataset_drift d ON d.month = i.month
LEFT JOIN model_quality q ON q.month = i.month AND q.part = 'test'
LEFT JOIN LATERAL (
  SELECT action, champion_after, reason FROM champion_history
  WHERE month = i.month AND challenger IS NOT NULL ORDER BY at DESC LIMIT 1
) h ON true
WHERE i.{CHOSEN_MONTHS}
ORDER BY i.month DESC"""
    return table(
        "Months",
        "What became of each month. A month leads to its reports in the app, a version to the "
        "MLflow run that trained it.",
        [sql(query)],
        {
            "month": column("Month", to=REPORTS, width=100),
            "rows_kept": column("Rows kept", width=100),
            "rows_quarantined": column("Quarantined", width=110),
            "share": column("Columns drifted", "percentunit", width=130),
            "drifted": column("Dataset drifted", words=YES_NO, width=130),
            "action": column("Decision", words=_ACTIONS, width=100),
            "champion_after": column("Champion", width=100),
            "version": column("New version", to=MLFLOW_RUN, width=110),
            "rmse": column("Its test RMSE", "currencyUSD", width=120),
            "mlflow_run": column(hidden=True),
            "reason": column("Why"),
        },
    )


def _rows() -> Json:
    return time_series(
        "Rows kept and quarantined",
        "Rows of the month's landing files that satisfy the contract, and those that do not.",
        [
            sql_series(
                f'SELECT {MONTH_AS_TIME}, rows_kept AS "kept", rows_quarantined AS "quarantined"\n'
                f"FROM ingestion\nWHERE {CHOSEN_MONTHS}"
            )
        ],
        "short", bars=True, stacked=True, minimum=0,
    )  # fmt: skip


def _quarantined() -> Json:
    share = "rows_quarantined::float / nullif(rows_kept + rows_quarantined, 0)"
    return time_series(
        "Share of rows quarantined",
        "A month above the limit is stopped before training. The limit is today's setting.",
        [
            sql_series(
                f'SELECT {MONTH_AS_TIME}, {share} AS "quarantined"\nFROM ingestion\n'
                f"WHERE {CHOSEN_MONTHS}"
            ),
            limit(limits.QUARANTINED),
        ],
        "percentunit", bars=True, minimum=0,
    )  # fmt: skip


def _statistic() -> Json:
    query = f"""SELECT {MONTH_AS_TIME}, "column" || ', ' || dataset AS metric, value
FROM column_quality
WHERE statistic = ${{statistic:sqlstring}} AND value IS NOT NULL
  AND {CHOSEN_MONTHS} AND {CHOSEN_COLUMNS}"""
    return time_series(
        "Values: ${statistic}",
        "A statistic of the columns' values, chosen above: of the month (current), and of what the "
        "model that served it was trained on (reference).",
        [sql_series(query)],
        "none", links=[REPORTS_OF_LAST],
    )  # fmt: skip


def _correlation() -> Json:
    query = f"""SELECT {MONTH_AS_TIME}, "column" || ' with ' || with_column AS metric,
  pearson AS value
FROM correlation
WHERE dataset = 'current' AND "column" <> with_column AND {CHOSEN_MONTHS} AND {CHOSEN_COLUMNS}"""
    return time_series(
        "Correlations of the month",
        "Pearson's correlation of numbers with the tip and with the prediction.",
        [sql_series(query)],
        "none", minimum=-1, maximum=1,
    )  # fmt: skip


def _dataset_rows() -> Json:
    return time_series(
        "Rows compared for drift",
        "Rows of the month, and of the serving model's training: the more, the smaller a "
        "difference that can be told from chance.",
        [
            sql_series(
                f'SELECT {MONTH_AS_TIME}, current_rows AS "the month", '
                f'reference_rows AS "reference"\nFROM dataset_drift\nWHERE {CHOSEN_MONTHS}'
            )
        ],
        "short", width=24, minimum=0,
    )  # fmt: skip
