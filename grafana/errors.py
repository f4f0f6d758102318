"""Panels about errors of models, month by month: measured, compared, come true.

Belongs here: those. Does not belong here: the dashboard that they are on (`model_and_data.py`).
"""

from grafana.links import REPORTS, REPORTS_OF_LAST
from grafana.panels import YES_NO, column, table, time_series
from grafana.queries import CHOSEN_COLUMNS, CHOSEN_MONTHS, MONTH_AS_TIME, Json, sql, sql_series


def panels() -> list[Json]:
    """The panels in their order."""
    return [_rmse(), _rivals(), _difference(), _realised(), _coverage(), _groups()]


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
        "currencyUSD", minimum=0, links=[REPORTS_OF_LAST],
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
        "Difference of their RMSEs on the same rows with its interval. Better: it ends below minus "
        "TIPS_MIN_IMPROVEMENT of the champion's RMSE. Not worse: it ends below "
        "TIPS_NON_INFERIORITY_MARGIN of it.",
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
            "month": column("Month", to=REPORTS, width=100),
            "version": column("Version"),
            "column": column("Column"),
            "group": column("Category"),
            "rows": column("Rows"),
            "rmse": column("RMSE", "currencyUSD"),
            "low": column("By chance from", "currencyUSD"),
            "high": column("to", "currencyUSD"),
            "outside": column("Outside", words=YES_NO),
        },
    )
