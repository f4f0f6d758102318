"""The platform as a user runs it: four months by the command line, then what a person does."""

import json
import sqlite3

import mlflow
import pandas as pd
import pytest

from tip_assets import contract
from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.ingestion.simulate import sample_bytes
from tip_assets.metric_store.store import MetricStore
from tip_assets.settings import DRIFT_EXPERIMENT, TRAINING_EXPERIMENT, Settings
from tip_assets_tests.support.demo_platform import TRIALS, Platform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
RECIPE = "mlflow.tips.recipe"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A platform on which `tips demo` has been played."""
    made = Platform(tmp_path_factory.mktemp("platform"))
    made.played = made.tips("demo")
    return made


def test_the_demo_shows_a_quiet_month_an_alarm_a_held_promotion_and_quarantine(platform):
    _, first, quiet, changed, broken = platform.played.split("=" * 79)
    assert "promoted: first model that passes the quality checks" in first
    assert "drift        no column has drifted" in quiet
    assert "2024-02: done" in quiet
    assert "2024-03: HELD, no champion was changed" in changed
    assert "tips release --month 2024-03" in changed
    assert "245 rows kept, 11 quarantined, from 4 files (1 unreadable)" in broken
    assert "2024-04: done" in broken


def test_the_held_month_left_the_incumbent_serving(platform):
    """Checks look at the month just made: 2024-03 failed its own, 2024-04 passed."""
    drift = platform.value("drift_metrics", "2024-03")
    held = [line for line in platform.tips("history").splitlines() if line.startswith("2024-03")]
    assert "held" in held[0]
    assert "drifted: time (time Lunch +" in held[0]
    assert drift["dataset"]["drifted"]
    assert not (platform.folder / "assets" / "production_model" / "2024-03.json").exists()
    before = platform.value("production_model", "2024-02")["champion_after"]
    assert platform.value("registered_model", "2024-04")["incumbent"]["version"] == before


def test_first_month_compares_its_parts_and_later_months_the_champions_training_rows(platform):
    first, second = (platform.value("drift_metrics", month) for month in ("2024-01", "2024-02"))
    assert first["rows"] == {"reference": 203, "current": 41}
    assert "no model served this month" in first["note"]
    assert second["rows"] == {"reference": 203, "current": 244}
    assert second["served_by"]["months"] == ["2024-01"]


def test_trials_are_nested_runs_under_the_months_run(platform):
    (parent,) = platform.runs(
        TRAINING_EXPERIMENT, "tags.`tips.kind` = 'month' and tags.`tips.month` = '2024-01'"
    )
    trials = platform.runs(
        TRAINING_EXPERIMENT, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    )
    assert len(trials) == TRIALS
    best = platform.value("best_params", "2024-01")["best"]
    logged = {run.data.tags["tips.trial"]: run for run in trials}[str(best["number"])]
    assert logged.data.tags["model"] == "xgboost"
    assert logged.data.metrics == {
        "rmse": best["rmse"],
        "rmse_std": best["rmse_std"],
        "best_iteration": best["rounds"] - 1,
    }
    assert float(logged.data.params["max_depth"]) == best["parameters"]["max_depth"]
    assert parent.info.run_name == "2024-01"
    assert parent.info.status == "FINISHED"
    test = platform.value("registered_model", "2024-01")["test"]
    assert parent.data.metrics["test_rmse"] == test["rmse"]
    assert {"test_rmse_mean_tip", "train_rmse", "lowest_cv_rmse"} <= parent.data.metrics.keys()
    plots = [file.path for file in platform.client.list_artifacts(parent.info.run_id, "plots")]
    assert plots == ["plots/importances.png", "plots/predicted_against_actual.png"]


def test_drift_is_in_an_experiment_of_its_own_with_the_flag_as_a_metric(platform):
    runs = {run.data.tags["record_date"]: run for run in platform.runs(DRIFT_EXPERIMENT)}
    assert sorted(runs) == ["2024-01", "2024-02", "2024-03", "2024-04"]
    assert [runs[f"2024-0{n}"].data.metrics["dataset.drifted"] for n in (2, 3)] == [0, 1]
    column = platform.value("drift_metrics", "2024-03")["columns"][0]
    assert runs["2024-03"].data.metrics["total_bill.score"] == column["score"]
    assert all(run.info.run_name == month for month, run in runs.items())


def test_every_number_is_in_the_metric_store(platform):
    with sqlite3.connect(platform.folder / "metrics.db") as connection:
        drift = pd.read_sql("select * from drift where month = '2024-03'", connection)
        quality = pd.read_sql("select * from model_quality where month = '2024-03'", connection)
        charts = pd.read_sql("select * from drift_chart where month = '2024-03'", connection)
        columns = pd.read_sql("select * from column_quality where month = '2024-03'", connection)
    assert len(drift) == 8
    assert len(charts) == 12
    drifted = set(drift.loc[drift["drifted"] == 1, "column"])
    assert drifted == set(charts.loc[charts["alarm"].notna(), "column"])
    assert "total_bill" in drifted
    assert set(quality["part"]) == {"train", "test", "reference", "current"}
    served = quality.set_index("part")["version"]
    assert served["test"] == 3
    assert served["current"] == platform.value("drift_metrics", "2024-03")["served_by"]["version"]
    most_common = columns.query("column == 'time' and statistic == 'most_common_value'")
    assert dict(zip(most_common["dataset"], most_common["category"], strict=True)) == {
        "reference": "Dinner",
        "current": "Lunch",
    }


def test_every_month_has_four_reports(platform):
    for month in ("2024-01", "2024-02", "2024-03", "2024-04"):
        made = {path.stem for path in (platform.folder / "reports" / month).glob("*.html")}
        assert made == set(REPORTS)


def test_versions_are_described_pinned_and_ready(platform):
    (model,) = platform.client.search_registered_models()
    assert "Predicts a waiter's tip" in model.description
    versions = platform.client.search_model_versions(f"name = '{model.name}'")
    assert len(versions) == 4
    for version in versions:
        assert version.status == "READY"
        assert "test RMSE" in version.description
        shown = [name for name in version.tags if not name.startswith("mlflow.")]
        assert 4 <= len(shown) <= 5
        assert {"mlflow.tips.lock", "mlflow.tips.booster_sha256"} <= version.tags.keys()
        recipe = json.loads(version.tags[RECIPE])
        assert {"data", "code", "seed", "threads", "libraries"} <= recipe.keys()


def test_mlflows_pages_state_verdict_rows_and_data(platform):
    texts = {int(v.version): v.description for v in platform.client.search_model_versions("")}
    assert "**Verdict**: no champion to compare with." in texts[1]
    assert "**Decision**: promoted: first model" in texts[1]
    assert "on 203 rows of 2024-01" in texts[1]
    assert "against champion version 1 on " in texts[2]
    assert "**Decision**: held: drifted: " in texts[3]
    parents = platform.runs(TRAINING_EXPERIMENT, "tags.`tips.kind` = 'month'")
    notes = {run.data.tags["tips.month"]: run.data.tags["mlflow.note.content"] for run in parents}
    assert notes == {f"2024-0{number}": text for number, text in texts.items()}
    (drift,) = platform.runs(DRIFT_EXPERIMENT, "tags.record_date = '2024-03'")
    assert "drifted: " in drift.data.tags["mlflow.note.content"]
    for name in (TRAINING_EXPERIMENT, DRIFT_EXPERIMENT):
        tags = platform.client.get_experiment_by_name(name).tags
        assert tags["mlflow.note.content"].startswith("One run a month")
    data = json.loads(platform.client.get_model_version("waiter-tips", "4").tags[RECIPE])["data"]
    (april,) = (run for run in parents if run.info.run_name == "2024-04")
    logged = {each.dataset.name: each.dataset for each in april.inputs.dataset_inputs}
    assert {name: each.digest for name, each in logged.items()} == {
        f"splits {month}": digest for month, digest in data.items()
    }
    where = mlflow.data.get_source(logged["splits 2024-02"]).load()
    assert len(pd.read_parquet(where)) == json.loads(logged["splits 2024-02"].profile)["num_rows"]


def test_a_second_run_of_a_month_changes_nothing_a_reader_can_see(platform):
    """Retries of the original system doubled runs and versions."""
    before = platform.visible_state()
    for month, code in (("2024-01", 0), ("2024-03", 3)):
        platform.tips("run", "--month", month, code=code)
        after = platform.visible_state()
        for kind, seen in before.items():
            assert after[kind] == seen, (month, kind)


def test_a_held_month_is_released_with_a_reason_rolled_back_and_rebuilt(platform):
    serving = platform.aliases()["champion"]
    change = ["--prices", "2", "--lunch-share", "0.95", "--larger-parties", "1"]
    platform.tips("simulate", "--month", "2024-05", "--seed", "5", *change)
    assert "HELD" in platform.tips("run", "--month", "2024-05", code=3)
    assert platform.aliases()["champion"] == serving

    printed = platform.tips("release", "--month", "2024-05", "--reason", "new menu")
    assert "by a person: new menu" in printed
    assert platform.aliases() == {"champion": 5, "previous": serving, "challenger": 5}
    assert "version     5, trained for 2024-05" in platform.tips("champion")

    platform.tips("rollback", "--reason", "tips look wrong")
    assert platform.aliases() == {"champion": serving, "previous": 5, "challenger": 5}
    history = platform.tips("history")
    assert "by a person: new menu (by" in history
    assert history.splitlines()[-1].split()[3:5] == ["rolled", "back"]

    # A release runs without checks: the next run of the month makes up for them.
    platform.tips("run", "--month", "2024-05")
    assert "HELD" not in platform.tips("checks", "--month", "2024-05")

    # The month's rerun does not undo what a person did, nor does an older month's.
    before = platform.visible_state()
    assert before["aliases"] == {"champion": serving, "previous": 5, "challenger": 5}
    platform.tips("run", "--month", "2024-02")
    after = platform.visible_state()
    for kind, seen in before.items():
        assert after[kind] == seen, kind

    # A second release is a decision of its own.
    platform.tips("release", "--month", "2024-05", "--reason", "it was the till")
    assert platform.aliases()["champion"] == 5
    assert "it was the till" in platform.tips("history")
    platform.tips("rollback", "--reason", "once more")
    assert platform.aliases()["champion"] == serving


def test_a_version_is_rebuilt_byte_for_byte_or_the_difference_is_named(platform):
    assert "identical byte for byte" in platform.tips("rebuild", "2")
    landing = platform.folder / "landing" / "2024-02"
    late = landing / "late.csv"
    late.write_bytes(b"\n".join(sample_bytes().splitlines()[:30]))
    try:
        platform.tips("run", "--month", "2024-02")
        printed = platform.tips("rebuild", "2", code=1)
        assert "data 2024-02:" in printed
    finally:
        late.unlink()
        platform.tips("run", "--month", "2024-02")
    assert "identical byte for byte" in platform.tips("rebuild", "2")


def test_a_file_is_predicted_and_refused_rows_are_listed(platform, tmp_path):
    bills = tmp_path / "bills.csv"
    bills.write_text(
        "total_bill,sex,smoker,day,time,size\n"
        "20,Female,No,Sunday,Dinner,2\n"
        "20,Female,No,Someday,Dinner,2\n"
        "40,male,yes,SAT,dinner,4\n"
    )
    platform.tips("predict", str(bills), "--output", str(tmp_path / "answer.csv"))
    answer = pd.read_csv(tmp_path / "answer.csv", index_col="row")
    assert list(answer.index) == [1, 2, 3]
    assert answer["predicted_tip_usd"].between(1, 12).tolist() == [True, False, True]
    assert answer.loc[2, "refused"].startswith("day is not one of Thur")
    number = platform.aliases()["champion"]
    assert f"version     {number}" in platform.tips("champion")
    options = ("--no-intervals", "--reasons", "--output", str(tmp_path / "answer.parquet"))
    platform.tips("predict", str(bills), *options)
    answer = pd.read_parquet(tmp_path / "answer.parquet").set_index("row")
    assert answer.loc[1, "total_bill_adds_usd"] == pytest.approx(
        answer.loc[1, "predicted_tip_usd"]
        - answer.loc[1, "start_usd"]
        - answer.loc[1, [f"{name}_adds_usd" for name in contract.FEATURE_NAMES[1:]]].sum(),
        abs=1e-4,
    )
    assert "tip_low_usd" not in answer


def test_errors_are_clear(platform, tmp_path):
    missing = platform.tips("run", "--month", "2024-09", code=1)
    assert "No .csv or .parquet file for 2024-09" in missing
    assert "is not a month" in platform.tips("run", "--month", "2024-13", code=1)
    assert "outside of the platform's months" in platform.tips("run", "--month", "1999-01", code=1)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(bytes(range(256)))
    assert "binary, not text" in platform.tips("predict", str(binary), code=1)
    assert "serves already" in platform.tips(
        "rollback", "--to", str(platform.aliases()["champion"]), "--reason", "x", code=1
    )


def test_a_new_platform_says_what_to_do_first(tmp_path):
    empty = Platform(tmp_path / "empty")
    for command_name in ("champion", "history"):
        assert "run a month first" in empty.tips(command_name, code=1)
    MetricStore(url=Settings(storage=str(empty.folder)).metric_store_url).history()
    assert "No decision yet" in empty.tips("history")
