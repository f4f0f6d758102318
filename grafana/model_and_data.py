"""The dashboard *Model and data over months*, from the metric store."""

from grafana_foundation_sdk.builders.common import ScaleDistributionConfig
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.common import ScaleDistribution

from grafana import panels
from grafana.dashboard import (
    MLFLOW_RUN,
    MODEL_AND_DATA,
    REPORTS,
    REPORTS_OF_LAST,
    chosen,
    frame,
    link,
    promotions,
)
from grafana.panels import Panel
from grafana.queries import (
    CHOSEN_COLUMNS,
    CHOSEN_MONTHS,
    MONTH_AS_TIME,
    Sql,
    by_month,
    month_select,
    series,
)
from tip_assets.exporter import limits

_SYMLOG = ScaleDistributionConfig().type(ScaleDistribution.SYMLOG).log(10).linear_threshold(0.0001)
_OF_COLUMNS = f"{CHOSEN_MONTHS} AND {CHOSEN_COLUMNS}"
_WITH_FEEDBACK = f"actual IS NOT NULL AND {CHOSEN_MONTHS}\nGROUP BY month"
_ACTIONS = {
    "promoted": ("promoted", "green"),
    "released": ("released", "green"),
    "kept": ("kept", "text"),
    "held": ("held", "orange"),
    "refused": ("refused", "orange"),
}


def dashboard() -> Dashboard:
    """Build the dashboard."""
    known = (
        "SELECT month FROM (\n"
        "  SELECT month FROM ingestion\n"
        "  UNION SELECT month FROM prediction_log WHERE actual_at IS NOT NULL\n"
        ") known ORDER BY month"
    )
    fit = "?from=${first_month}-01T00:00:00.000Z&to=${last_month}-28T00:00:00.000Z"
    time_axis = link(
        "Time axis of these months", f"/d/{MODEL_AND_DATA}{fit}",
        "Fit the axis to the chosen months", "clock-nine",
    )  # fmt: skip
    return frame(
        MODEL_AND_DATA,
        "Drift, errors and data of each month, and which model served. Thresholds are those that "
        "applied to the month. Times are months: each is shown at its first day.",
        {"Months": [_months()], "Drift": _drift(), "Errors": _errors(), "Data": _data()},
        variables=[
            chosen(
                "column", "Column", "Columns whose drift and values are shown.",
                'SELECT DISTINCT "column" FROM drift ORDER BY 1', several=True,
            ),
            chosen("first_month", "From", "First month to show.", known),
            chosen("last_month", "To", "Last month to show.", f"{known} DESC"),
            chosen(
                "statistic", "Statistic", "Statistic of the columns' values to show.",
                "SELECT statistic FROM column_quality WHERE value IS NOT NULL\n"
                "GROUP BY statistic ORDER BY statistic <> 'mean', statistic",
            ),
        ],
        annotations=promotions(MONTH_AS_TIME, CHOSEN_MONTHS),
        since="now-5y", refresh="",
        links=[time_axis.target_blank(False).include_vars(True)],
    )  # fmt: skip


def _months() -> Panel:
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
    return panels.table(
        "Months",
        "Result of each month. A month links to its reports in the app, a version to the "
        "MLflow run that trained it.",
        Sql(query),
        {
            "month": panels.column("Month", to=REPORTS, width=100),
            "rows_kept": panels.column("Rows kept", width=100),
            "rows_quarantined": panels.column("Quarantined", width=110),
            "share": panels.column("Columns drifted", "percentunit", width=130),
            "drifted": panels.column("Dataset drifted", texts=panels.YES_NO, width=130),
            "action": panels.column("Decision", texts=_ACTIONS, width=100),
            "champion_after": panels.column("Champion", width=100),
            "version": panels.column("New version", to=MLFLOW_RUN, width=110),
            "rmse": panels.column("Its test RMSE", "currencyUSD", width=120),
            "mlflow_run": panels.column(hidden=True),
            "reason": "Why",
        },
    )


def _drift() -> list[Panel]:
    def by_column(value: str) -> Sql:
        return by_month(f'"column" AS metric, {value} AS value', "drift", _OF_COLUMNS)

    charts = f"""SELECT month, chart, z, "limit", alarm, smallest_change
FROM drift_chart
WHERE {_OF_COLUMNS}
ORDER BY month DESC, abs(z) DESC"""
    tests = f"""SELECT month, "column", test, score, effect, effect_size, drifted
FROM drift
WHERE {_OF_COLUMNS}
ORDER BY month DESC, drifted DESC, effect_size DESC"""
    limits = by_month('max("limit") AS "limit"', "drift_chart", f"{CHOSEN_MONTHS}\nGROUP BY month")
    return [
        panels.time_series(
            "Effect by control chart",
            "Absolute difference of the month from the reference, in standard deviations. "
            "A chart alarms beyond the limit, or beyond one less on the same side in two of three "
            "months.",
            by_month("chart AS metric, abs(z) AS value", "drift_chart", _OF_COLUMNS), limits,
            unit="none", limit_line=True,
        ).min(0).links([REPORTS_OF_LAST]),
        panels.time_series(
            "Effect size by column",
            "Distance of each column from the reference: normalised Wasserstein for numbers, "
            "Jensen-Shannon for categories. It does not decide on drift.",
            by_column("effect_size"), unit="none",
        ).min(0).links([REPORTS_OF_LAST]),
        panels.state_timeline(
            "Drifted columns",
            "Red where a column has drifted, month by month. One is enough to hold the month's "
            "model.",
            by_column("drifted::int"),
            {"0": ("not drifted", "green"), "1": ("drifted", "red")},
        ).span(24),
        panels.table(
            "Control charts by month",
            "The effect of each month, and the smallest detectable change.",
            Sql(charts),
            {
                "month": panels.column("Month", to=REPORTS, width=100),
                "chart": "Chart", "z": "Effect", "limit": "Limit", "alarm": "Alarm",
                "smallest_change": "Smallest detectable change",
            },
        ),
        panels.table(
            "Tests by month and column",
            "Score is the p-value of the column's test, as in the reports. Neither it "
            "nor the effect size decides on drift.",
            Sql(tests),
            {
                "month": panels.column("Month", to=REPORTS, width=100),
                "column": "Column", "test": "Test", "score": "Score",
                "effect": "Effect", "effect_size": "Effect size",
                "drifted": panels.column("Drifted", texts=panels.YES_NO),
            },
        ),
    ]  # fmt: skip


def _errors() -> list[Panel]:
    models = "\nUNION ALL\n".join(
        [
            month_select(
                "'challenger' AS metric, rmse AS value", "model_quality",
                f"part = 'test' AND {CHOSEN_MONTHS}",
            ),
            f"SELECT {MONTH_AS_TIME}, 'champion', champion_rmse\nFROM comparison\n"
            f"WHERE {CHOSEN_MONTHS}",
            f"SELECT {MONTH_AS_TIME}, replace(baseline, '_', ' '), rmse\nFROM baseline_quality\n"
            f"WHERE {CHOSEN_MONTHS}",
        ]
    )  # fmt: skip
    groups = f"""SELECT month, version, "column", "group", rows, rmse, low, high, outside
FROM group_quality
WHERE {_OF_COLUMNS}
ORDER BY month DESC, outside DESC, "column", "group\""""
    return [
        panels.time_series(
            "RMSE of the models",
            "Of the model that served the month on all of its rows, and of the month's challenger "
            "on its window's train and test rows.",
            by_month(
                """CASE part WHEN 'current' THEN 'serving model, the month' WHEN 'reference' THEN
    'serving model, its training rows' ELSE 'challenger, ' || part || ' rows' END AS metric,
  rmse AS value""",
                "model_quality",
            ),
            unit="currencyUSD",
        ).min(0).links([REPORTS_OF_LAST]),
        panels.time_series(
            "RMSE on the same test rows",
            "The challenger, the champion at that time and three baselines, "
            "all on the challenger's test rows.",
            series(models), unit="currencyUSD",
        ).min(0),
        panels.points(panels.time_series(
            "Challenger minus champion",
            "Difference of their RMSEs on the same rows with its interval. Better: it ends below "
            "minus TIPS_MIN_IMPROVEMENT of the champion's RMSE. Not worse: it ends below "
            "TIPS_NON_INFERIORITY_MARGIN of it.",
            by_month('difference, low AS "interval, low", high AS "interval, high"', "comparison"),
            unit="currencyUSD",
        )),
        panels.time_series(
            "Errors that came true",
            "Of the app's predictions with feedback. A mean error above zero: predictions are "
            "too high.",
            by_month(
                """sqrt(avg((predicted - actual) ^ 2)) AS "RMSE",
  avg(abs(predicted - actual)) AS "mean absolute error",
  avg(predicted - actual) AS "mean error\"""",
                "prediction_log", _WITH_FEEDBACK,
            ),
            unit="currencyUSD",
        ),
        panels.time_series(
            "Tips within their interval",
            "Share of the tips from feedback within the app's intervals, and the share "
            "that was promised.",
            by_month(
                """avg(CASE WHEN actual BETWEEN low AND high THEN 1.0 WHEN low IS NOT NULL THEN 0.0
  END) AS "within their interval", avg(coverage) AS "promised\"""",
                "prediction_log", _WITH_FEEDBACK,
            ),
            unit="percentunit",
        ).min(0).max(1).span(24),
        panels.table(
            "Errors by category",
            "Of each month's challenger on the test rows of one category, with the interval that "
            "chance explains for the error of as many rows.",
            Sql(groups),
            {
                "month": panels.column("Month", to=REPORTS, width=100),
                "version": "Version", "column": "Column", "group": "Category", "rows": "Rows",
                "rmse": ("RMSE", "currencyUSD"), "low": ("By chance from", "currencyUSD"),
                "high": ("to", "currencyUSD"),
                "outside": panels.column("Outside", texts=panels.YES_NO),
            },
        ),
    ]  # fmt: skip


def _data() -> list[Panel]:
    quarantined = "rows_quarantined::float / nullif(rows_kept + rows_quarantined, 0)"
    return [
        panels.stacked_bars(panels.time_series(
            "Rows kept and quarantined",
            "Rows of the month's landing files that satisfy the contract, and those that do not.",
            by_month('rows_kept AS "kept", rows_quarantined AS "quarantined"', "ingestion"),
            unit="short",
        ).min(0)),
        panels.bars(panels.time_series(
            "Share of rows quarantined",
            "A month above the limit is stopped before training. The limit is today's setting.",
            by_month(f'{quarantined} AS "quarantined"', "ingestion"),
            unit="percentunit", limit=limits.QUARANTINED,
        ).min(0)),
        panels.time_series(
            "Values: ${statistic}",
            "The statistic chosen above of the columns' values: of the month (current) and of the "
            "training data of the model that served it (reference).",
            by_month(
                "\"column\" || ', ' || dataset AS metric, value", "column_quality",
                f"statistic = ${{statistic:sqlstring}} AND value IS NOT NULL\n  AND {_OF_COLUMNS}",
            ),
            unit="none",
        ).links([REPORTS_OF_LAST]),
        panels.time_series(
            "Correlations of the month",
            "Pearson's correlation of numbers with the tip and with the prediction.",
            by_month(
                "\"column\" || ' with ' || with_column AS metric,\n  pearson AS value",
                "correlation",
                f"dataset = 'current' AND \"column\" <> with_column AND {_OF_COLUMNS}",
            ),
            unit="none",
        ).min(-1).max(1),
        panels.time_series(
            "Rows compared for drift",
            "Rows of the month and of the serving model's training data. More rows detect "
            "smaller changes.",
            by_month(
                'current_rows AS "the month", reference_rows AS "reference"', "dataset_drift"
            ),
            unit="short",
        ).min(0).span(24),
    ]  # fmt: skip
