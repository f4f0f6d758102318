"""Queries of the metric store (SQL) and of Prometheus (PromQL)."""

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

METRIC_STORE = DataSourceRef("grafana-postgresql-datasource", "tips-metric-store")
PROMETHEUS = DataSourceRef("prometheus", "tips-prometheus")
# Grafana's own name for a panel with queries of both.
MIXED = DataSourceRef("datasource", "-- Mixed --")

# A month's time is noon of its first day, which is in that month in every time zone.
MONTH_AS_TIME = "(month || '-01 12:00 UTC')::timestamptz AS time"
CHOSEN_MONTHS = "month BETWEEN ${first_month:sqlstring} AND ${last_month:sqlstring}"
CHOSEN_COLUMNS = '"column" IN (${column:sqlstring})'


class Sql(Builder[UnknownDataquery]):
    """A query of the metric store. The SDK has no type for Postgres' queries."""

    def __init__(self, query: str, form: str = "table") -> None:
        self._query: dict[str, object] = {
            "datasource": METRIC_STORE,
            "editorMode": "code",
            "format": form,
            "rawQuery": True,
            "rawSql": query,
        }

    def ref_id(self, name: str) -> "Sql":
        """Name the query within its panel."""
        self._query["refId"] = name
        return self

    def build(self) -> UnknownDataquery:
        """Return the query."""
        return UnknownDataquery(self._query)


def series(query: str) -> Sql:
    """Query time series: `time`, then `metric` and one number, or one number for each series."""
    return Sql(f"{query}\nORDER BY 1", "time_series")  # Grafana refuses series out of order.


def by_month(columns: str, table: str, where: str = CHOSEN_MONTHS) -> Sql:
    """Query time series of a table that has a column `month`."""
    return series(month_select(columns, table, where))


def month_select(columns: str, table: str, where: str = CHOSEN_MONTHS) -> str:
    """Select columns of a table beside their month as `time`."""
    return f"SELECT {MONTH_AS_TIME}, {columns}\nFROM {table}\nWHERE {where}"


def promql(expression: str, legend: str = "__auto") -> prometheus.Dataquery:
    """Query time series; `legend` may name labels, as in `{{column}}`."""
    return _promql(expression, PromQueryFormat.TIME_SERIES).legend_format(legend).range()


def promql_now(expression: str) -> prometheus.Dataquery:
    """Query the present: a row for each series, with its labels and its `Value`."""
    return _promql(expression, PromQueryFormat.TABLE).instant()


def _promql(expression: str, form: PromQueryFormat) -> prometheus.Dataquery:
    query = prometheus.Dataquery().expr(expression).format(form).datasource(PROMETHEUS)
    return query.editor_mode(QueryEditorMode.CODE)
