"""The dashboard *Model and data over months*.

Belongs here: what is known by month, from the metric store. Does not belong here: how the platform
is running now (`platform_health.py`).
"""

from grafana.dashboard import (
    MODEL_AND_DATA,
    Addresses,
    Row,
    chosen,
    frame,
    link,
    promotions,
)
from grafana.panels import column, state_timeline, table, time_series, values
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

_REPORTS_OF_LAST = link(
    "Reports of ${last_month}", "${app:raw}/reports?month=${last_month}", "In the app"
)
_REPORTS = ("Reports of the month", "${app:raw}/reports?month=${__data.fields.month}")
_MLFLOW_RUN = ("The model's run in MLflow", "${mlflow:raw}/#/runs/${__data.fields.mlflow_run}")
_YES_NO = {"true": ("yes", "red"), "false": ("no", "green")}
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
            Row("Drift", [_effects(), _p_values(), _share(), _drifted(), _drift_table()]),
            Row("Errors", [_rmse(), _rivals(), _difference(), _realised(), _coverage(), _groups()]),
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
            "month": column("Month", to=_REPORTS, width=100),
            "rows_kept": column("Rows kept", width=100),
            "rows_quarantined": column("Quarantined", width=110),
            "share": column("Columns drifted", "percentunit", width=130),
            "drifted": column("Dataset drifted", words=_YES_NO, width=130),
            "action": column("Decision", words=_ACTIONS, width=100),
            "champion_after": column("Champion", width=100),
            "version": column("New version", to=_MLFLOW_RUN, width=110),
            "rmse": column("Its test RMSE", "currencyUSD", width=120),
            "mlflow_run": column(hidden=True),
            "reason": column("Why"),
        },
    )


def _by_column(value: str, table_name: str, condition: str = "true") -> str:
    return (
        f'SELECT {MONTH_AS_TIME}, "column" AS metric, {value} AS value\nFROM {table_name}\n'
        f"WHERE {CHOSEN_MONTHS} AND {CHOSEN_COLUMNS} AND {condition}"
    )


def _of_drift(threshold: str) -> Json:
    """The threshold by which each month was judged, as a series."""
    return sql_series(
        f'SELECT {MONTH_AS_TIME}, max({threshold}) AS "limit"\nFROM drift\n'
        f"WHERE {CHOSEN_MONTHS}\nGROUP BY month",
        "limit_of_month",
    )


def _effects() -> Json:
    return time_series(
        "Effect size by column",
        "How far each column has moved: normalised Wasserstein distance for numbers, "
        "Jensen-Shannon for categories. A column has drifted when it is at its limit or above, "
        "and its p-value is below its own.",
        [sql_series(_by_column("effect_size", "drift")), _of_drift("threshold_effect_size")],
        "none", minimum=0, links=[_REPORTS_OF_LAST],
    )  # fmt: skip


def _p_values() -> Json:
    return time_series(
        "Corrected p-value by column",
        "How likely a difference as large is by chance, corrected over all columns (Holm). The "
        "axis is logarithmic above 0.0001.",
        [sql_series(_by_column("p_value_corrected", "drift")), _of_drift("threshold_p_value")],
        "none", symlog=0.0001, minimum=0, maximum=1, links=[_REPORTS_OF_LAST],
    )  # fmt: skip


def _share() -> Json:
    return time_series(
        "Share of drifted columns",
        "Features and tip that have drifted. From the limit on the dataset has, and the month's "
        "model is held.",
        [
            sql_series(
                f'SELECT {MONTH_AS_TIME}, share AS "drifted", threshold_share AS "limit"\n'
                f"FROM dataset_drift\nWHERE {CHOSEN_MONTHS}"
            )
        ],
        "percentunit", minimum=0, maximum=1, bars=True, links=[_REPORTS_OF_LAST],
    )  # fmt: skip


def _drifted() -> Json:
    return state_timeline(
        "Drifted columns",
        "Red where a column has drifted, month by month.",
        [sql_series(_by_column("drifted::int", "drift"))],
        values({"0": ("not drifted", "green"), "1": ("drifted", "red")}),
    )


def _drift_table() -> Json:
    query = f"""SELECT month, "column", test, score, p_value_corrected, effect, effect_size, drifted
FROM drift
WHERE {CHOSEN_MONTHS} AND {CHOSEN_COLUMNS}
ORDER BY month DESC, drifted DESC, effect_size DESC"""
    return table(
        "Tests by month and column",
        "Score is the p-value of the column's named test, as the reports show it; the corrected "
        "p-value and the effect size decide.",
        [sql(query)],
        {
            "month": column("Month", to=_REPORTS, width=100),
            "column": column("Column"),
            "test": column("Test"),
            "score": column("Score"),
            "p_value_corrected": column("Corrected p-value"),
            "effect": column("Effect"),
            "effect_size": column("Effect size"),
            "drifted": column("Drifted", words=_YES_NO),
        },
    )


def _rmse() -> Json:
    query = f"""SELECT {MONTH_AS_TIME},
  CASE part WHEN 'current' THEN 'serving model, the month' WHEN 'reference' THEN
    'serving model, its training rows' ELSE 'challenger, ' || part || ' rows' END AS metric,
  rmse AS value
FROM model_quality
WHERE {CHOSEN_MONTHS}"""
    return time_series(
        "RMSE of the models",
        "Of the model that served the month on all of its rows, and of the month's challenger on "
        "its window's train and test rows.",
        [sql_series(query)],
        "currencyUSD", minimum=0, links=[_REPORTS_OF_LAST],
    )  # fmt: skip


def _rivals() -> Json:
    models = f"""SELECT {MONTH_AS_TIME}, 'challenger' AS metric, rmse AS value
FROM model_quality
WHERE part = 'test' AND {CHOSEN_MONTHS}
UNION ALL
SELECT {MONTH_AS_TIME}, 'champion', champion_rmse
FROM comparison
WHERE {CHOSEN_MONTHS}
UNION ALL
SELECT {MONTH_AS_TIME}, replace(baseline, '_', ' '), rmse
FROM baseline_quality
WHERE {CHOSEN_MONTHS}"""
    return time_series(
        "RMSE on the same test rows",
        "The challenger beside the champion of that time and three rules that need no boosting, "
        "all on the challenger's test rows.",
        [sql_series(models)],
        "currencyUSD", minimum=0,
    )  # fmt: skip


def _difference() -> Json:
    query = f"""SELECT {MONTH_AS_TIME}, difference, low AS "interval, low", high AS "interval, high"
FROM comparison
WHERE {CHOSEN_MONTHS}"""
    return time_series(
        "Challenger minus champion",
        "Difference of their RMSEs on the same rows with its interval: below zero as a whole, the "
        "challenger is better beyond doubt; around zero, nothing is shown.",
        [sql_series(query)],
        "currencyUSD", points=True,
    )  # fmt: skip


_TOLD = f"""FROM prediction_log
WHERE actual IS NOT NULL AND {CHOSEN_MONTHS}
GROUP BY month"""


def _realised() -> Json:
    query = f"""SELECT {MONTH_AS_TIME}, sqrt(avg((predicted - actual) ^ 2)) AS "RMSE",
  avg(abs(predicted - actual)) AS "mean absolute error",
  avg(predicted - actual) AS "mean error"
{_TOLD}"""
    return time_series(
        "Errors that came true",
        "Of the app's predictions whose tip was told. A mean error above zero: predictions are too "
        "high.",
        [sql_series(query)],
        "currencyUSD",
    )  # fmt: skip


def _coverage() -> Json:
    query = f"""SELECT {MONTH_AS_TIME},
  avg(CASE WHEN actual BETWEEN low AND high THEN 1.0 WHEN low IS NOT NULL THEN 0.0 END)
    AS "within their interval",
  avg(coverage) AS "promised"
{_TOLD}"""
    return time_series(
        "Tips within their interval",
        "Share of the told tips that lie within the interval the app gave, beside the share that "
        "was promised.",
        [sql_series(query)],
        "percentunit", minimum=0, maximum=1,
    )  # fmt: skip


def _groups() -> Json:
    query = f"""SELECT month, version, "column", "group", rows, rmse, low, high, outside
FROM group_quality
WHERE {CHOSEN_MONTHS} AND {CHOSEN_COLUMNS}
ORDER BY month DESC, outside DESC, "column", "group\""""
    return table(
        "Errors by category",
        "Of each month's challenger on the test rows of one category, beside the bounds within "
        "which chance leaves the error of as many rows.",
        [sql(query)],
        {
            "month": column("Month", to=_REPORTS, width=100),
            "version": column("Version"),
            "column": column("Column"),
            "group": column("Category"),
            "rows": column("Rows"),
            "rmse": column("RMSE", "currencyUSD"),
            "low": column("By chance from", "currencyUSD"),
            "high": column("to", "currencyUSD"),
            "outside": column("Outside", words=_YES_NO),
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
        "none", links=[_REPORTS_OF_LAST],
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
