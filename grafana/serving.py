"""The dashboard *Serving*.

Belongs here: what the app answers, how fast, by which model, and what came true of it. Does not
belong here: how models are made (`model_and_data.py`).
"""

from grafana.dashboard import Addresses, Row, chosen, frame, promotions
from grafana.links import RUNBOOK, SERVING
from grafana.panels import column, stat, state_timeline, table, time_series, values
from grafana.queries import Json, limit, promql, promql_table, sql, sql_series
from tip_assets.exporter import limits, model, platform

_LOGGED = "$__timeFilter(at) AND version::text IN (${version:sqlstring})"
_UP = values({"0": ("down", "red"), "1": ("up", "green")})
_EVERY = "$__timeGroup(at, $__interval) AS time"


def dashboard(addresses: Addresses) -> Json:
    """The dashboard, with links that lead to these addresses."""
    return frame(
        SERVING,
        "What the app answers, how fast and by which model; what it refuses; and how predictions "
        "turned out whose tip was told.",
        [
            Row("Now", _now()),
            Row("Answers", [_rate(), _latency(), _refused(), _refused_share(), _reasons(), _by()]),
            Row("Prediction log", [_logged(), _errors(), _told(), _realised(), _last()]),
        ],
        addresses,
        variables=[
            chosen(
                "version", "Version", "Versions whose logged predictions are shown.",
                "SELECT DISTINCT version::text FROM prediction_log ORDER BY 1", several=True,
            )
        ],
        annotations=promotions("at AS time", "$__timeFilter(at)"),
        since="now-6h",
        refresh="1m",
        links=[RUNBOOK],
    )  # fmt: skip


def _now() -> list[Json]:
    return [
        stat(
            "App",
            "Whether the app's port of numbers answers.",
            [promql('min(up{job="app"})')],
            "none", bad_below=1, mappings=_UP,
        ),
        stat(
            "Version that answers",
            "The registry version that the app has loaded, and its month.",
            [promql("max by (version, month) (tips_app_model_info)", "{{version}} ({{month}})")],
            "none", named=True,
        ),
        stat(
            "Champion",
            platform.CHAMPION.help,
            [
                promql(
                    f"max by (version, month) ({platform.CHAMPION.name})",
                    "{{version}} ({{month}})",
                )
            ],
            "none", named=True,
        ),
        stat(
            "Age of the version",
            "Time since the version that answers was registered.",
            [promql("max(tips_app_model_age_seconds)")],
            "s",
        ),
        stat(
            "Predictions",
            "Made in the time range that is shown.",
            [promql("sum(increase(tips_app_predictions_total[$__range]))")],
            "short",
        ),
        stat(
            "Rows refused",
            "Share of the rows of the last hour. Red from the limit on which a month would be "
            "stopped.",
            [promql("max(instance:tips_app_refused_rows:ratio1h)"), limit(limits.QUARANTINED)],
            "percentunit",
        ),
    ]  # fmt: skip


def _rate() -> Json:
    return time_series(
        "Predictions per second",
        "By where they were asked for: the form or a file.",
        [
            promql(
                "sum by (source) (rate(tips_app_predictions_total[$__rate_interval]))", "{{source}}"
            )
        ],
        "reqps", minimum=0,
    )  # fmt: skip


def _latency() -> Json:
    buckets = "sum by (le) (rate(tips_app_prediction_seconds_bucket[$__rate_interval]))"
    return time_series(
        "Time of a prediction",
        "For one form, interval and contributions included: of half of the predictions, of 95 and "
        "of 99 in a hundred.",
        [
            promql(f"histogram_quantile(0.5, {buckets})", "50 %"),
            promql(f"histogram_quantile(0.95, {buckets})", "95 %", ref="B"),
            promql(f"histogram_quantile(0.99, {buckets})", "99 %", ref="C"),
        ],
        "s", minimum=0,
    )  # fmt: skip


def _refused() -> Json:
    # Not its increase: a series is born with the first row of its reason, which is then not seen.
    refused = "sum by (column, reason) (tips_app_refused_rows_total)"
    return time_series(
        "Rows refused, by reason",
        "Since the app's start: the first reason that the contract gives for a record.",
        [promql(refused, "{{column}}: {{reason}}")],
        "short", minimum=0,
    )  # fmt: skip


def _refused_share() -> Json:
    return time_series(
        "Share of rows refused",
        "Of the rows asked for in the last hour, beside the share at which a month is stopped.",
        [
            promql("max(instance:tips_app_refused_rows:ratio1h)", "refused"),
            promql(f"max({limits.QUARANTINED.name})", "limit", ref="B"),
        ],
        "percentunit", minimum=0,
    )  # fmt: skip


def _reasons() -> Json:
    query = "sum by (source, column, reason) (tips_app_refused_rows_total)"
    return table(
        "Refused since the app's start",
        "Rows by where they were asked for, column and first reason.",
        [promql_table(query)],
        {
            "source": column("Asked for"),
            "column": column("Column"),
            "reason": column("Reason"),
            "Value": column("Rows", "short"),
        },
        width=12,
        transformations=[{"id": "organize", "options": {"excludeByName": {"Time": True}}}],
    )


def _by() -> Json:
    return state_timeline(
        "Versions that answer",
        "Which registry version answered when.",
        [promql("max by (version) (tips_app_model_info)", "version {{version}}")],
        values({"1": ("answers", "green")}),
    )


def _logged() -> Json:
    query = f"""SELECT {_EVERY}, 'version ' || version AS metric, count(*) AS value
FROM prediction_log
WHERE {_LOGGED}
GROUP BY 1, 2"""
    return time_series(
        "Predictions in the log",
        "By version. The log has what people saw, so that tips can be told.",
        [sql_series(query)],
        "short", bars=True, stacked=True, minimum=0,
    )  # fmt: skip


def _errors() -> Json:
    query = f"""SELECT at AS time, predicted - actual AS "prediction minus tip"
FROM prediction_log
WHERE {_LOGGED} AND actual IS NOT NULL"""
    return time_series(
        "Errors of told tips",
        "At the time of the prediction. Above zero, too much was predicted.",
        [sql_series(query)],
        "currencyUSD", points=True,
    )  # fmt: skip


def _told() -> Json:
    coverage = [
        promql(f"max by (period) ({model.REALISED[name].name})", f"{words}, {{{{period}}}}", ref)
        for name, words, ref in (
            ("covered", "within", "A"),
            ("low", "at least", "B"),
            ("high", "at most", "C"),
            ("coverage", "promised", "D"),
        )
    ]
    return time_series(
        "Tips within their interval",
        "Of the newest month with told tips, and of the newest such month that has ended: the "
        "share with its 95 % interval, and the share that was promised.",
        coverage,
        "percentunit", minimum=0, maximum=1,
    )  # fmt: skip


def _realised() -> Json:
    query = """SELECT month, version, count(*) AS predictions, count(actual) AS tips,
  sqrt(avg((predicted - actual) ^ 2)) AS rmse, avg(predicted - actual) AS mean_error
FROM prediction_log
WHERE version::text IN (${version:sqlstring})
GROUP BY month, version
ORDER BY month DESC, version DESC"""
    return table(
        "Came true, by month and version",
        "Predictions, told tips and errors, of all that is in the log.",
        [sql(query)],
        {
            "month": column("Month"),
            "version": column("Version"),
            "predictions": column("Predictions"),
            "tips": column("Tips told"),
            "rmse": column("RMSE", "currencyUSD"),
            "mean_error": column("Mean error", "currencyUSD"),
        },
        width=12,
    )


def _last() -> Json:
    query = f"""SELECT at, version, (inputs ->> 'total_bill')::float AS bill,
  predicted, low, high, actual
FROM prediction_log
WHERE {_LOGGED}
ORDER BY at DESC
LIMIT 100"""
    return table(
        "Last predictions",
        "The newest hundred of the time range, with the tips that were told.",
        [sql(query)],
        {
            "at": column("Asked", "dateTimeAsIso"),
            "version": column("Version"),
            "bill": column("Bill", "currencyUSD"),
            "predicted": column("Predicted", "currencyUSD"),
            "low": column("Interval from", "currencyUSD"),
            "high": column("to", "currencyUSD"),
            "actual": column("Tip", "currencyUSD"),
        },
    )
