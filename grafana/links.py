"""Where dashboards and panels lead.

Belongs here: links, and the names of the dashboards. Does not belong here: where the other parts of
the platform are (`dashboard.Addresses`): here they are `${app}`, `${mlflow}` and `${dagster}`, as
they are written (`raw`).
"""

from grafana.panels import number
from grafana.queries import Json

MODEL_AND_DATA, PLATFORM_HEALTH, SERVING = (
    "tips-model-and-data",
    "tips-platform-health",
    "tips-serving",
)
TITLES = {
    MODEL_AND_DATA: "Model and data over months",
    PLATFORM_HEALTH: "Platform health",
    SERVING: "Serving",
}
RUNBOOK_TITLE = "Runbook"
RUNBOOK_URL = f"/d/{PLATFORM_HEALTH}?viewPanel=panel-{number(RUNBOOK_TITLE)}"


def link(title: str, url: str, tooltip: str, icon: str = "external link") -> Json:
    """A link of a dashboard or a panel."""
    return {
        "type": "link",
        "title": title,
        "tooltip": tooltip,
        "url": url,
        "icon": icon,
        "targetBlank": True,
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "tags": [],
    }


REPORTS_OF_LAST = link(
    "Reports of ${last_month}", "${app:raw}/reports?month=${last_month}", "In the app"
)
RUNBOOK = link("Runbook", RUNBOOK_URL, "What to do about each alert", "doc") | {
    "targetBlank": False
}
# Links of a table's cells: a title, and an address with the columns of its row.
REPORTS = ("Reports of the month", "${app:raw}/reports?month=${__data.fields.month}")
MLFLOW_RUN = ("The model's run in MLflow", "${mlflow:raw}/#/runs/${__data.fields.mlflow_run}")
DAGSTER_RUN = ("The run in Dagster", "${dagster:raw}/runs/${__data.fields.run_id}")
