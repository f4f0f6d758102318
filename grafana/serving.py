"""The dashboard *Serving*: what the app answers, how fast, by which model, and what came true.

How models are made is on *Model and data* (`model_and_data.py`).
"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import panels
from grafana.dashboard import RUNBOOK, SERVING, chosen, frame, promotions
from grafana.panels import Panel
from grafana.queries import Sql, promql, promql_now, series
from tip_assets.exporter import limits, model, platform

_LOGGED = "$__timeFilter(at) AND version::text IN (${version:sqlstring})"
_REFUSED_SHARE = "max(instance:tips_app_refused_rows:ratio1h)"


def dashboard() -> Dashboard:
    """Build the dashboard."""
    return frame(
        SERVING,
        "What the app answers, how fast and by which model; what it refuses; and how predictions "
        "turned out whose tip was told.",
        {"Now": _now(), "Answers": _answers(), "Prediction log": _log()},
        variables=[
            chosen(
                "version", "Version", "Versions whose logged predictions are shown.",
                "SELECT DISTINCT version::text FROM prediction_log ORDER BY 1", several=True,
            )
        ],
        annotations=promotions("at AS time", "$__timeFilter(at)"),
        since="now-6h", refresh="1m", links=[RUNBOOK],
    )  # fmt: skip


def _now() -> list[Panel]:
    named = "{{version}} ({{month}})"
    return [
        panels.stat(
            "App", "Whether the app's port of numbers answers.",
            promql('min(up{job="app"})'), "none",
        ).thresholds(panels.thresholds("red", "green")).mappings(panels.values(panels.UP)),
        panels.stat(
            "Version that answers", "The registry version that the app has loaded, and its month.",
            promql("max by (version, month) (tips_app_model_info)", named), "none",
        ).text_mode(panels.NAME),
        panels.stat(
            "Champion", platform.CHAMPION.help,
            promql(f"max by (version, month) ({platform.CHAMPION.name})", named), "none",
        ).text_mode(panels.NAME),
        panels.stat(
            "Age of the version", "Time since the version that answers was registered.",
            promql("max(tips_app_model_age_seconds)"), "s",
        ),
        panels.stat(
            "Predictions", "Made in the time range that is shown.",
            promql("sum(increase(tips_app_predictions_total[$__range]))"), "short",
        ),
        panels.stat(
            "Rows refused",
            "Share of the rows of the last hour. Red from the limit on which a month would be "
            "stopped.",
            promql(_REFUSED_SHARE), "percentunit", limit=limits.QUARANTINED,
        ),
    ]  # fmt: skip


def _answers() -> list[Panel]:
    by_source = "sum by (source) (rate(tips_app_predictions_total[$__rate_interval]))"
    buckets = "sum by (le) (rate(tips_app_prediction_seconds_bucket[$__rate_interval]))"
    # Not its increase: a series is born with the first row of its reason, which is then not seen.
    refused = "sum by (column, reason) (tips_app_refused_rows_total)"
    return [
        panels.time_series(
            "Predictions per second", "By where they were asked for: the form or a file.",
            promql(by_source, "{{source}}"), unit="reqps",
        ).min(0),
        panels.time_series(
            "Time of a prediction",
            "For one form, interval and contributions included: of half of the predictions, of 95 "
            "and of 99 in a hundred.",
            promql(f"histogram_quantile(0.5, {buckets})", "50 %"),
            promql(f"histogram_quantile(0.95, {buckets})", "95 %"),
            promql(f"histogram_quantile(0.99, {buckets})", "99 %"),
            unit="s",
        ).min(0),
        panels.time_series(
            "Rows refused, by reason",
            "Since the app's start: the first reason that the contract gives for a record.",
            promql(refused, "{{column}}: {{reason}}"), unit="short",
        ).min(0),
        panels.time_series(
            "Share of rows refused",
            "Of the rows asked for in the last hour, beside the share at which a month is stopped.",
            promql(_REFUSED_SHARE, "refused"), promql(f"max({limits.QUARANTINED.name})", "limit"),
            unit="percentunit", limit_line=True,
        ).min(0),
        panels.table(
            "Refused since the app's start",
            "Rows by where they were asked for, column and first reason.",
            promql_now("sum by (source, column, reason) (tips_app_refused_rows_total)"),
            {
                "source": "Asked for", "column": "Column", "reason": "Reason",
                "Value": ("Rows", "short"),
            },
            without=["Time"],
        ).span(12),
        panels.state_timeline(
            "Versions that answer", "Which registry version answered when.",
            promql("max by (version) (tips_app_model_info)", "version {{version}}"),
            {"1": ("answers", "green")},
        ),
    ]  # fmt: skip


def _log() -> list[Panel]:
    logged = f"""SELECT $__timeGroup(at, $__interval) AS time,\
 'version ' || version AS metric, count(*) AS value
FROM prediction_log
WHERE {_LOGGED}
GROUP BY 1, 2"""
    errors = f"""SELECT at AS time, predicted - actual AS "prediction minus tip"
FROM prediction_log
WHERE {_LOGGED} AND actual IS NOT NULL"""
    coverage = {"covered": "within", "low": "at least", "high": "at most", "coverage": "promised"}
    realised = """SELECT month, version, count(*) AS predictions, count(actual) AS tips,
  sqrt(avg((predicted - actual) ^ 2)) AS rmse, avg(predicted - actual) AS mean_error
FROM prediction_log
WHERE version::text IN (${version:sqlstring})
GROUP BY month, version
ORDER BY month DESC, version DESC"""
    last = f"""SELECT at, version, (inputs ->> 'total_bill')::float AS bill,
  predicted, low, high, actual
FROM prediction_log
WHERE {_LOGGED}
ORDER BY at DESC
LIMIT 100"""
    return [
        panels.stacked_bars(panels.time_series(
            "Predictions in the log",
            "By version. The log has what people saw, so that tips can be told.",
            series(logged), unit="short",
        ).min(0)),
        panels.points(panels.time_series(
            "Errors of told tips",
            "At the time of the prediction. Above zero, too much was predicted.",
            series(errors), unit="currencyUSD",
        )),
        panels.time_series(
            "Tips within their interval",
            "Of the newest month with told tips, and of the newest such month that has ended: the "
            "share with its 95 % interval, and the share that was promised.",
            *(
                promql(f"max by (period) ({model.REALISED[name].name})", f"{text}, {{{{period}}}}")
                for name, text in coverage.items()
            ),
            unit="percentunit",
        ).min(0).max(1),
        panels.table(
            "Came true, by month and version",
            "Predictions, told tips and errors, of all that is in the log.",
            Sql(realised),
            {
                "month": "Month", "version": "Version", "predictions": "Predictions",
                "tips": "Tips told", "rmse": ("RMSE", "currencyUSD"),
                "mean_error": ("Mean error", "currencyUSD"),
            },
        ).span(12),
        panels.table(
            "Last predictions",
            "The newest hundred of the time range, with the tips that were told.",
            Sql(last),
            {
                "at": ("Asked", "dateTimeAsIso"), "version": "Version",
                "bill": ("Bill", "currencyUSD"), "predicted": ("Predicted", "currencyUSD"),
                "low": ("Interval from", "currencyUSD"), "high": ("to", "currencyUSD"),
                "actual": ("Tip", "currencyUSD"),
            },
        ),
    ]  # fmt: skip
