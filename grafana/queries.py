"""What panels ask: SQL of the metric store, PromQL of Prometheus, and limits.

Belongs here: the forms that Grafana gives to queries. Does not belong here: the questions.
"""

from typing import Any

from tip_assets.exporter.page import Metric

Json = dict[str, Any]
METRIC_STORE: Json = {"type": "grafana-postgresql-datasource", "uid": "tips-metric-store"}
PROMETHEUS: Json = {"type": "prometheus", "uid": "tips-prometheus"}
# Grafana's own name for a panel that asks several.
MIXED: Json = {"type": "datasource", "uid": "-- Mixed --"}
LIMIT = "limit"

# A month stands at noon of its first day: so it is that month in every time zone's calendar.
MONTH_AS_TIME = "(month || '-01 12:00 UTC')::timestamptz AS time"
CHOSEN_MONTHS = "month BETWEEN ${first_month:sqlstring} AND ${last_month:sqlstring}"
CHOSEN_COLUMNS = '"column" IN (${column:sqlstring})'


def sql(query: str, ref: str = "A") -> Json:
    """A table of the metric store's rows."""
    return _sql(query, ref, "table")


def sql_series(query: str, ref: str = "A") -> Json:
    """Series of the metric store's rows: `time`, then `metric` and a number, or numbers alone.

    They are ordered here: Grafana refuses series that are not.
    """
    return _sql(f"{query}\nORDER BY 1", ref, "time_series")


def _sql(query: str, ref: str, form: str) -> Json:
    return {
        "refId": ref,
        "datasource": METRIC_STORE,
        "editorMode": "code",
        "format": form,
        "rawQuery": True,
        "rawSql": query,
    }


def promql(expression: str, legend: str = "__auto", ref: str = "A") -> Json:
    """Series of Prometheus; `legend` may name labels, as in `{{column}}`."""
    return _promql(expression, ref, "time_series") | {"legendFormat": legend, "range": True}


def promql_table(expression: str, ref: str = "A") -> Json:
    """What Prometheus knows now, a row for each series: its labels, and `Value`."""
    return _promql(expression, ref, "table") | {"instant": True}


def _promql(expression: str, ref: str, form: str) -> Json:
    return {
        "refId": ref,
        "datasource": PROMETHEUS,
        "editorMode": "code",
        "expr": expression,
        "format": form,
    }


def limit(metric: Metric) -> Json:
    """A limit that the exporter takes from the settings, to be a panel's threshold."""
    return promql_table(f"max({metric.name})", LIMIT)


def limit_as_threshold() -> Json:
    """Grafana's transformation `Config from query results`, for the query that `limit` makes."""
    threshold = {"fieldName": "Value", "handlerKey": "threshold1", "reducerId": "lastNotNull"}
    return {"id": "configFromData", "options": {"configRefId": LIMIT, "mappings": [threshold]}}
