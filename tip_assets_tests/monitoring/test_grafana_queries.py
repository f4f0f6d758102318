"""Every query of every dashboard, put to a real Postgres and a real Prometheus.

That Grafana draws what it gets is not tried: there is no Grafana here.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg2
import pytest
import sqlalchemy as sa
import yaml

from grafana.dashboard import MODEL_AND_DATA, PLATFORM_HEALTH, SERVING
from tip_assets.settings import DRIFT_EXPERIMENT
from tip_assets.tracking.registry import CHAMPION
from tip_assets_tests.support.grafana_platform import MONTHS, ROOT, GrafanaPlace, grafana_place
from tip_assets_tests.support.grafana_queries import (
    Fault,
    Frame,
    Grafana,
    Json,
    dashboards,
    panels,
)

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]
BOARDS = {board["uid"]: board for board in dashboards()}
PANELS = [
    pytest.param(uid, panel, id=f"{uid}: {panel['title']}")
    for uid, board in BOARDS.items()
    for panel in panels(board)
    if panel["type"] != "text"
]


@pytest.fixture(scope="module")
def place() -> Iterator[GrafanaPlace]:
    with grafana_place() as made:
        yield made


@pytest.fixture
def grafana(place: GrafanaPlace) -> Grafana:
    return place.grafana


@pytest.mark.parametrize(("uid", "panel"), PANELS)
def test_a_panel_gets_an_answer_with_every_name_that_it_uses(grafana, uid, panel):
    grafana.choose(BOARDS[uid])
    grafana.check(panel)


@pytest.mark.parametrize("uid", [MODEL_AND_DATA, SERVING])
def test_an_annotation_says_when_and_what(grafana, uid):
    grafana.choose(BOARDS[uid])
    for annotation in BOARDS[uid]["annotations"]["list"]:
        (frame,) = grafana.ask([annotation["target"]])
        assert frame.names == ["time", "text", "tags"]
        assert frame.rows
        assert all(all(row.values()) for row in frame.rows)


# Of a panel's JSON: a part, what a person might write instead, and what is then said.
FAULTS = {
    (MODEL_AND_DATA, "Effect size by column"): [
        ("effect_size", "effect_siz", "effect_siz"),
        ("ORDER BY 1", "ORDER BY 1 DESC", "not in the order"),
        ("${column", "${colunm", r"variable \$\{colunm"),
        ("AS time", "AS at", "no column of times"),
        ("AS metric", "AS name", "not time, metric"),
        ("WHERE", "WHERE false AND", "finds nothing"),
        ("effect_size AS value", "drifted AS value", "neither time, text"),
        ("effect_size AS value", "'{}'::jsonb AS value", "no kind"),
    ],
    (MODEL_AND_DATA, "Effect by control chart"): [
        ('"options": "limit"', '"options": "limits"', "is none of"),
    ],
    (MODEL_AND_DATA, "Months"): [(", q.mlflow_run", "", "mlflow_run")],
    (MODEL_AND_DATA, "Share of rows quarantined"): [('"Value"', '"Value #limit"', "is no limit")],
    (PLATFORM_HEALTH, "Runs that ended"): [
        ("runs_total", "run_total", "finds nothing"),
        ("by (outcome)", "by (outcom)", "no label"),
        ("_total", "_total{outcome!='succes'}", "never {'succes'}"),
        ("_total", "_total{outcom!='success'}", "no label 'outcom' of"),
        ("]))", "])", "parse error"),
    ],
}


@pytest.mark.parametrize(
    ("uid", "title", "part", "instead", "said"),
    [(*panel, *fault) for panel, faults in FAULTS.items() for fault in faults],
)
def test_a_fault_in_a_panel_is_found(grafana, uid, title, part, instead, said):
    grafana.choose(BOARDS[uid])
    panel = json.dumps(panel_of(uid, title))
    assert part in panel
    with pytest.raises((Fault, psycopg2.Error), match=said):
        grafana.check(json.loads(panel.replace(part, instead)))


@pytest.mark.parametrize("name", ["alert_rules", "recording_rules"])
def test_labels_of_rules_are_those_of_a_platform(grafana, name):
    """Prometheus' own tests of rules see made-up series, with whatever labels the rules ask for."""
    file = yaml.safe_load((ROOT / "prometheus" / f"{name}.yml").read_text())
    for rule in (rule for group in file["groups"] for rule in group["rules"]):
        grafana.check_labels(rule["expr"])
        grafana.check_values(rule.get("annotations", {}).get("summary", ""))


def test_the_user_who_asks_may_only_read(grafana):
    with grafana.postgres.connect() as connection:
        connection.exec_driver_sql("set default_transaction_read_only = off")
        connection.commit()
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            connection.exec_driver_sql("delete from drift")


def panel_of(uid: str, title: str) -> Json:
    (found,) = [panel for panel in panels(BOARDS[uid]) if panel["title"] == title]
    return found


def shown(grafana: Grafana, uid: str, title: str) -> list[Frame]:
    grafana.choose(BOARDS[uid])
    return grafana.ask(panel_of(uid, title)["targets"])


def series_of(frames: list[Frame]) -> dict[str, dict[str, float]]:
    """Values by series and month."""
    return {
        frame.names[1]: {f"{at:%Y-%m}": value for at, value in frame.data.itertuples(index=False)}
        for frame in frames
    }


def last(grafana: Grafana, uid: str, title: str) -> float:
    """The last value of the first series of a panel."""
    return float(shown(grafana, uid, title)[0].data.iloc[-1, 1])


def test_errors_and_drift_are_those_that_mlflow_has(place, grafana):
    shown_months = {row["month"]: row for row in shown(grafana, MODEL_AND_DATA, "Months")[0].rows}
    rivals = series_of(shown(grafana, MODEL_AND_DATA, "RMSE on the same test rows"))
    client = place.registry.client
    for version in place.registry.versions():
        metrics = client.get_run(version.run_id).data.metrics
        row = shown_months[version.month]
        assert row["mlflow_run"] == version.run_id
        assert row["version"] == version.number
        assert row["rmse"] == rivals["challenger"][version.month]
        assert row["rmse"] == pytest.approx(metrics["test_rmse"])
        assert rivals["mean tip"][version.month] == pytest.approx(metrics["test_rmse_mean_tip"])
    effects = series_of(shown(grafana, MODEL_AND_DATA, "Effect size by column"))
    charts = series_of(shown(grafana, MODEL_AND_DATA, "Effect by control chart"))
    experiment = client.get_experiment_by_name(DRIFT_EXPERIMENT)
    for run in client.search_runs([experiment.experiment_id]):
        month = run.data.tags["record_date"]
        for chart in ("total_bill", "day Fri", "tip given prediction"):
            assert charts[chart][month] == abs(run.data.metrics[f"chart.{chart}.z"])
        for column in ("total_bill", "day", "tip"):
            assert effects[column][month] == run.data.metrics[f"{column}.effect_size"]
    assert set(charts["limit"]) == set(MONTHS)


def test_the_drifted_month_is_shown_everywhere(place, grafana):
    drifted = series_of(shown(grafana, MODEL_AND_DATA, "Drifted columns"))
    assert drifted["total_bill"] == {"2024-01": 0, "2024-02": 0, "2024-03": 1}
    (months,) = shown(grafana, MODEL_AND_DATA, "Months")
    newest = next(row for row in months.rows if row["month"] == "2024-03")
    assert (newest["drifted"], newest["action"]) == (True, "held")
    champion = place.registry.by_alias(CHAMPION)
    assert newest["champion_after"] == champion.number
    (frame,) = shown(grafana, PLATFORM_HEALTH, "Champion")
    assert frame.names[1] == f"{champion.number} ({champion.month})"
    (answers,) = shown(grafana, SERVING, "Version that answers")
    assert answers.names[1] == frame.names[1]
    assert last(grafana, PLATFORM_HEALTH, "Promotions held") == 1
    (firing,) = shown(grafana, PLATFORM_HEALTH, "Alerts that fire")
    names = {row["alertname"] for row in firing.rows}
    assert names == {"DatasetDrift", "PromotionHeld"}
    assert last(grafana, PLATFORM_HEALTH, "Pages firing") == 0
    assert last(grafana, PLATFORM_HEALTH, "Tickets firing") == len(firing.rows)
    assert 0 < last(grafana, PLATFORM_HEALTH, "Least free disk") < 1
    assert last(grafana, PLATFORM_HEALTH, "Months unprocessed") == 1
    effect, limit = shown(grafana, PLATFORM_HEALTH, "Largest effect of drift")
    assert effect.rows[0]["Value"] > limit.rows[0]["Value"] > 3


def test_rows_and_tips_are_those_that_landed_and_were_submitted(place, grafana):
    rows = series_of(shown(grafana, MODEL_AND_DATA, "Rows kept and quarantined"))
    assert rows["kept"]["2024-01"] == 244
    quarantined = series_of(shown(grafana, MODEL_AND_DATA, "Share of rows quarantined")[:-1])
    month = rows["quarantined"]["2024-02"], rows["kept"]["2024-02"]
    assert quarantined["quarantined"]["2024-02"] == pytest.approx(month[0] / sum(month))
    assert month[0] > 0
    errors = series_of(shown(grafana, MODEL_AND_DATA, "Errors that came true"))
    inside = series_of(shown(grafana, MODEL_AND_DATA, "Tips within their interval"))
    now = f"{datetime.now(UTC):%Y-%m}"
    for found in place.log.realised():
        assert errors["RMSE"][found.month] == pytest.approx(found.rmse)
        assert errors["mean error"][found.month] == pytest.approx(found.mean_error)
        assert inside["within their interval"][found.month] == pytest.approx(found.covered)
        assert found.month in ("2024-03", now)
    logged = shown(grafana, SERVING, "Predictions in the log")
    assert sum(frame.data.iloc[:, 1].sum() for frame in logged) == 10
    assert len(shown(grafana, SERVING, "Errors of predictions with feedback")[0].rows) == 5
    (reasons,) = shown(grafana, SERVING, "Refused since the app's start")
    (refused,) = reasons.rows
    assert (refused["column"], refused["reason"]) == ("total_bill", "not a number")
    assert refused["Value"] % 3 == 0
