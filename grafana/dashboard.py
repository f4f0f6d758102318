"""What all dashboards share: rows, links, variables, annotations."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from grafana.addresses import ADDRESSES
from grafana.panels import Panel, number
from grafana.queries import METRIC_STORE, Sql

MODEL_AND_DATA = "tips-model-and-data"
PLATFORM_HEALTH = "tips-platform-health"
SERVING = "tips-serving"
TITLES = {
    MODEL_AND_DATA: "Model and data over months",
    PLATFORM_HEALTH: "Platform health",
    SERVING: "Serving",
}
RUNBOOK_TITLE = "Runbook"
RUNBOOK_URL = f"/d/{PLATFORM_HEALTH}?viewPanel=panel-{number(RUNBOOK_TITLE)}"
# Links of a table's cells: a title, and an address with the columns of its row.
REPORTS = ("Reports of the month", "${app:raw}/reports?month=${__data.fields.month}")
MLFLOW_RUN = ("The model's run in MLflow", "${mlflow:raw}/#/runs/${__data.fields.mlflow_run}")
DAGSTER_RUN = ("The run in Dagster", "${dagster:raw}/runs/${__data.fields.run_id}")
_ABOVE_ALL_PANELS = 1000  # the first number of headings


def link(
    title: str, url: str, tooltip: str, icon: str = "external link"
) -> dashboard.DashboardLink:
    """Return a link from a dashboard or a panel that opens in a new tab."""
    made = dashboard.DashboardLink(title).type(models.DashboardLinkType.LINK).url(url)
    return made.tooltip(tooltip).icon(icon).target_blank(True)


REPORTS_OF_LAST = link(
    "Reports of ${last_month}", "${app:raw}/reports?month=${last_month}", "In the app"
)
RUNBOOK = link("Runbook", RUNBOOK_URL, "What to do about each alert", "doc").target_blank(False)


def frame(
    uid: str,
    description: str,
    rows: Mapping[str, Sequence[Panel]],
    *,
    variables: Sequence[Builder[models.VariableModel]] = (),
    annotations: Sequence[Builder[models.AnnotationQuery]] = (),
    since: str,
    refresh: str,
    links: Sequence[dashboard.DashboardLink],
) -> dashboard.Dashboard:
    """Build a dashboard from panels by row heading, in UTC as the months are."""
    made = dashboard.Dashboard(TITLES[uid]).uid(uid).description(description).readonly()
    made.tags(["tip-platform"]).tooltip(models.DashboardCursorSync.CROSSHAIR).timezone("utc")
    made.time(since, "now").refresh(refresh).annotations([*annotations])
    made.variables([*variables, *(_hidden(*pair) for pair in ADDRESSES.items())])
    others = [
        link(title, f"/d/{other}", f"Dashboard: {title}", "dashboard").target_blank(False)
        for other, title in TITLES.items()
        if other != uid
    ]
    made.links([*others, *links])
    for place, (title, panels) in enumerate(rows.items()):
        made.with_row(dashboard.Row(title).id(_ABOVE_ALL_PANELS + place))
        for panel in panels:
            made.with_panel(panel)
    return made


def chosen(
    name: str, label: str, description: str, query: str, *, several: bool = False
) -> dashboard.QueryVariable:
    """Return a variable with choices from the metric store; selects the first, or all."""
    made = dashboard.QueryVariable(name).label(label).description(description).query(query)
    made.datasource(METRIC_STORE).refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
    made.sort(models.VariableSort.DISABLED).multi(several).include_all(several)
    return made.current(models.VariableOption(text=["All"], value=["$__all"])) if several else made


def promotions(time: str, where: str) -> list[dashboard.AnnotationQuery]:
    """Return annotations for promotions and held promotions.

    `time` is an SQL expression, `where` a condition of the champion's history.
    """
    return [
        _promotion("Promotions", "green", "'promoted', 'released', 'rolled back'", time, where),
        _promotion("Held back", "orange", "'held', 'refused'", time, where),
    ]


def _promotion(
    name: str, color: str, actions: str, time: str, where: str
) -> dashboard.AnnotationQuery:
    query = (
        f"SELECT {time}, action || ', month ' || month || ': ' || reason AS text, action AS tags\n"
        f"FROM champion_history\nWHERE action IN ({actions}) AND {where}\nORDER BY 1"
    )
    made = dashboard.AnnotationQuery().name(name).icon_color(color).datasource(METRIC_STORE)
    # The SDK expects the type of Grafana's built-in annotations instead of a query.
    return made.enable(True).target(Sql(query).ref_id("Anno"))  # type: ignore[arg-type]


def _hidden(name: str, address: str) -> dashboard.ConstantVariable:
    """Return a constant address for links; Grafana's URL parameters cannot replace it."""
    made = dashboard.ConstantVariable(name).value(address)
    made.build().current = models.VariableOption(text=address, value=address)
    made.build().skip_url_sync = True
    return made
