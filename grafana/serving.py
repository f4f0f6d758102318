"""The dashboard *Serving*: the app's predictions, their speed, their model and realised errors."""

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
        "The app's predictions, their speed and model, refused rows, and the realised errors of "
        "predictions with feedback.",
        {"Now": _now(), "Answers": _answers(), "Prediction log": _log()},
        variables=[
            chosen(
                "version", "Version", "Versions whose logged predictions to show.",
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
            "App", "Whether the app's metrics port answers.",
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
            "Age of the version", "Time since the loaded version was registered.",
            promql("time() - max(tips_app_model_registered_timestamp_seconds)"), "s",
        ),
        panels.stat(
            "Predictions", "Made in the shown time range.",
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
    # Not its increase: a series starts with the first row of its reason, which it would not count.
    refused = "sum by (column, reason) (tips_app_refused_rows_total)"
    return [
        panels.time_series(
            "Predictions per second", "By source: the form or a file.",
            promql(by_source, "{{source}}"), unit="reqps",
        ).min(0),
        panels.time_series(
            "Time of a prediction",
            "For one form, with interval and contributions: the 50th, 95th and 99th "
            "percentile.",
            promql(f"histogram_quantile(0.5, {buckets})", "50 %"),
            promql(f"histogram_quantile(0.95, {buckets})", "95 %"),
            promql(f"histogram_quantile(0.99, {buckets})", "99 %"),
            unit="s",
        ).min(0),
        panels.time_series(
            "Rows refused, by reason",
            "Since the app's start: the first reason of the contract for a record.",
            promql(refused, "{{column}}: {{reason}}"), unit="short",
        ).min(0),
        panels.time_series(
            "Share of rows refused",
            "Of the rows submitted in the last hour, and the share at which a month is stopped.",
            promql(_REFUSED_SHARE, "refused"), promql(f"max({limits.QUARANTINED.name})", "limit"),
            unit="percentunit", limit_line=True,
        ).min(0),
        panels.table(
            "Refused since the app's start",
            "Rows by source, column and first reason.",
            promql_now("sum by (source, column, reason) (tips_app_refused_rows_total)"),
            {
                "source": "Source", "column": "Column", "reason": "Reason",
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
            "By version. The log has the shown predictions, so that people can submit feedback.",
            series(logged), unit="short",
        ).min(0)),
        panels.points(panels.time_series(
            "Errors of predictions with feedback",
            "At the time of the prediction. Above zero, the prediction was too high.",
            series(errors), unit="currencyUSD",
        )),
        panels.time_series(
            "Tips within their interval",
            "Of the newest month with feedback, and of the newest such month that has ended: the "
            "share with its 95 % interval, and the promised share.",
            *(
                promql(f"max by (period) ({model.REALISED[name].name})", f"{text}, {{{{period}}}}")
                for name, text in coverage.items()
            ),
            unit="percentunit",
        ).min(0).max(1),
        panels.table(
            "Came true, by month and version",
            "Predictions, tips from feedback and errors, over the whole log.",
            Sql(realised),
            {
                "month": "Month", "version": "Version", "predictions": "Predictions",
                "tips": "Tips from feedback", "rmse": ("RMSE", "currencyUSD"),
                "mean_error": ("Mean error", "currencyUSD"),
            },
        ).span(12),
        panels.table(
            "Last predictions",
            "The newest hundred of the time range, with the tips from feedback.",
            Sql(last),
            {
                "at": ("Predicted at", "dateTimeAsIso"), "version": "Version",
                "bill": ("Bill", "currencyUSD"), "predicted": ("Predicted", "currencyUSD"),
                "low": ("Interval from", "currencyUSD"), "high": ("to", "currencyUSD"),
                "actual": ("Tip", "currencyUSD"),
            },
        ),
    ]  # fmt: skip
