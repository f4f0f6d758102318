"""After a run its outcome is in the metric store, and people know, once."""

import json
import sqlite3
import sys
from pathlib import Path

import dagster as dg
import pytest

from tip_assets.metric_store.holds import MODEL_IS_SOUND, TRAINING_WINDOW_IS_WHOLE
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import months
from tip_assets.reporting.outbox import Notifications
from tip_assets.reporting.report_run import report_missed_runs, report_run
from tip_assets.reporting.run_facts import HELD_BY_TAG, OUTCOME_TAG
from tip_assets.runtime.instance import PROCESS_TAG, process_mark
from tip_assets.runtime.resources import resources
from tip_assets.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")

RIVAL = {"verdict": "better", "rmse": 1.0, "rival_rmse": 1.2, "low": -0.3, "high": -0.1}
REGISTERED = {
    "version": 3,
    "incumbent": {"version": 2},
    "comparison": None,
    "search": "0.990 USD, lowest cross-validated RMSE of 50 trials",
    "test": {"rmse": 1.0, "rows": 41},
    "baselines": {"mean_tip": 1.2},
    "against": {"mean_tip": RIVAL},
}


def drift_of(*drifted: str) -> dict:
    columns = [
        {"column": name, "role": "feature", "test": "ks", "score": 0.12345}
        | {"drifted": name in drifted}
        for name in ("bill", "party")
    ]
    charts = [
        {"chart": name, "column": name, "z": 1.0, "limit": 3.6, "smallest_change": None}
        | {"alarm": "one month" if name in drifted else None}
        for name in ("bill", "party")
    ]
    words = {"note": "reference: nothing", "charted": "alone", "verdict": "no column has drifted"}
    return {"columns": columns, "charts": charts, **words}


class Place:
    """A storage in which months are played by stand-ins of the platform's assets."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(storage=str(folder))
        self.store = MetricStore(url=self.settings.metric_store_url)
        self.instance = dg.DagsterInstance.ephemeral()

    def play(
        self, month: str, *, drifted=(), blocked="", broken="", check="enough_rows"
    ) -> list[str]:
        """Run a month and report it; gives the kinds of the messages that are new."""
        before = len(self.lines())

        @dg.asset(partitions_def=months, io_manager_key="json_files")
        def raw_tips():
            if broken:
                raise RuntimeError(broken)
            return {}

        @dg.asset_check(asset=raw_tips, name=check, blocking=True, partitions_def=months)
        def blocking_check() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=not blocked, description=blocked or "fine")

        @dg.asset(partitions_def=months, io_manager_key="json_files", deps=[raw_tips])
        def registered_model():
            return REGISTERED | {"month": month}

        @dg.asset(partitions_def=months, io_manager_key="json_files", deps=[registered_model])
        def drift_metrics():
            return drift_of(*drifted) | {"month": month}

        @dg.asset(partitions_def=months, io_manager_key="json_files", deps=[drift_metrics])
        def production_model():
            value = {"action": "promoted", "reason": "better", "champion_after": 3}
            return dg.MaterializeResult(value=value, metadata={"action": value["action"]})

        made = [raw_tips, registered_model, drift_metrics, production_model]
        defs = dg.Definitions(
            assets=made,
            asset_checks=[blocking_check],
            resources=resources(self.settings),
            executor=dg.in_process_executor,
        )
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            partition_key=month,
            instance=self.instance,
            raise_on_error=False,
            tags={PROCESS_TAG: process_mark()},
        )
        assert report_run(self.instance, result.run_id, self.settings) == []
        assert report_run(self.instance, result.run_id, self.settings) == []
        return [line["kind"] for line in self.lines()[before:]]

    def lines(self) -> list[dict]:
        outbox = self.settings.outbox
        return (
            [json.loads(line) for line in outbox.read_text().splitlines()]
            if outbox.exists()
            else []
        )


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_month_is_reported_once_with_result_and_drift(place):
    assert place.play("2024-01") == ["training", "drift"]
    training, drift = place.lines()
    assert training["subject"] == "Waiter tip prediction training results 2024-01: promoted"
    assert "promoted: better" in training["text"]
    assert "test RMSE    1.000 USD on 41 held-out rows" in training["text"]
    assert drift["text"].startswith(
        "No data drift has been detected. Results are: "
        "[('bill', 0.123, False), ('party', 0.123, False)]"
    )
    assert place.play("2024-01") == []


def test_a_drifted_month_names_its_columns(place):
    assert place.play("2024-01", drifted=["bill"]) == ["training", "drift"]
    sent = place.lines()[-1]
    assert sent["subject"] == "Waiter tip prediction data drift 2024-01: 1 of 2 columns"
    assert sent["text"].startswith("1 data drift is detected. Results are: [('bill', 0.123, True)")


def test_a_stopped_month_is_reported_again_only_for_another_finding(place):
    assert place.play("2024-01", blocked="3 valid rows") == ["stopped"]
    (line,) = place.lines()
    assert line["text"].startswith("enough_rows: 3 valid rows\n2024-01 has stopped at raw_tips")
    assert "tips quarantine --month 2024-01" in line["text"]
    assert place.play("2024-01", blocked="3 valid rows") == []
    assert place.play("2024-01", blocked="4 valid rows") == ["stopped"]
    assert place.play("2024-01") == ["training", "drift"]
    assert [check["passed"] for check in place.store.checks("2024-01")] == [True]


def test_a_failure_is_reported_once_and_again_after_a_success(place):
    assert place.play("2024-01", broken="the disk is full") == ["failure"]
    assert place.lines()[-1]["text"].startswith("raw_tips: RuntimeError: the disk is full\n")
    assert place.play("2024-01", broken="the disk is full") == []
    assert place.play("2024-01", broken="another reason") == ["failure"]
    assert place.play("2024-01") == ["training", "drift"]
    assert place.play("2024-01", broken="the disk is full") == ["failure"]


def test_a_deferred_month_is_reported_only_if_a_person_has_to_look(place):
    order = TRAINING_WINDOW_IS_WHOLE
    assert place.play("2024-02", blocked="2024-01 goes first and runs", check=order) == []
    with sqlite3.connect(place.settings.state_folder / "metrics.db") as connection:
        (row,) = connection.execute("select month, status, failure from run_outcome")
    assert row == ("2024-02", "FAILURE", None)
    assert place.play("2024-02", blocked="2024-01 goes first and has failed", check=order) == [
        "stopped"
    ]


def test_a_run_that_is_reported_late_leaves_the_checks_of_the_newer_one(place):
    place.play("2024-02", blocked="2024-01 goes first and runs", check=TRAINING_WINDOW_IS_WHOLE)
    (deferred,) = place.instance.get_runs()
    place.play("2024-02", check=TRAINING_WINDOW_IS_WHOLE)
    assert deferred.tags[OUTCOME_TAG] == "deferred"
    assert report_run(place.instance, deferred.run_id, place.settings) == []
    assert [check["passed"] for check in place.store.checks("2024-02")] == [True]


def test_a_run_whose_report_was_cut_off_is_reported_by_the_next_that_looks(place, monkeypatch):
    with monkeypatch.context() as away:
        away.setattr(Notifications, "send", lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            place.play("2024-01")
    assert place.lines() == []
    assert report_missed_runs(place.instance, place.settings) == []
    assert [line["kind"] for line in place.lines()] == ["training", "drift"]
    assert report_missed_runs(place.instance, place.settings) == []
    assert len(place.lines()) == 2


def test_a_failing_check_changes_its_row_only_when_it_says_something_else(place):
    place.play("2024-01", blocked="3 valid rows")
    (first,) = place.store.checks("2024-01")
    place.play("2024-01", blocked="3 valid rows")
    assert place.store.checks("2024-01") == [first]
    place.play("2024-01", blocked="4 valid rows")
    (changed,) = place.store.checks("2024-01")
    assert changed["since"] > first["since"]


@pytest.mark.parametrize(
    ("how", "outcome", "held_by"),
    [
        ({}, "promoted", None),
        ({"blocked": "prices rose", "check": MODEL_IS_SOUND}, "held", MODEL_IS_SOUND),
        ({"blocked": "3 valid rows"}, "stopped", "enough_rows"),
        ({"broken": "the disk is full"}, "failed", None),
    ],
)
def test_dagsters_list_of_runs_tells_a_held_month_from_a_crash(place, how, outcome, held_by):
    place.play("2024-01", **how)
    (run,) = place.instance.get_runs()
    assert (run.tags[OUTCOME_TAG], run.tags.get(HELD_BY_TAG)) == (outcome, held_by)


def test_every_asset_that_was_made_has_its_time(place):
    place.play("2024-01")
    with sqlite3.connect(place.settings.state_folder / "metrics.db") as connection:
        made = {row[0] for row in connection.execute("select asset from asset_success")}
    assert made == {"raw_tips", "registered_model", "drift_metrics", "production_model"}
