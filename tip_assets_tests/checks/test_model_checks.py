"""A model that must not serve stops its month and no other; the incumbent keeps serving."""

from typing import Any

import dagster as dg
import pytest

from tip_assets import contract
from tip_assets.assets import production_model
from tip_assets.checks import drift, model
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import months
from tip_assets.runtime.resources import mlflow_tracking, resources
from tip_assets.settings import Settings
from tip_assets.tracking.registry import CHAMPION, FINGERPRINT, MONTH, ModelRegistry

GOOD, SPOILT, GOOD_AGAIN = "2024-01", "2024-02", "2024-03"
MODEL_CHECKS = [
    model.predictions_are_plausible,
    model.fresh_process_predicts_the_same,
    model.model_is_sound,
    model.no_group_is_worse,
    model.champion_is_not_too_old,
    drift.dataset_has_not_drifted,
]


def answers(**changes: Any) -> dict[str, Any]:
    """Facts about predictions as the asset stores them."""
    low, high = ({"usd": usd, "record": {contract.BILL: usd * 7}} for usd in (1.2, 7.0))
    facts = {"rows": 41, "not_finite": 0, "first_not_finite": None, "lowest": low, "highest": high}
    return facts | changes


def group(rmse: float, low: float = 0.9, high: float = 1.2) -> dict[str, Any]:
    column = contract.CATEGORIES[0]
    inside = low <= rmse <= high
    facts = {"column": column.name, "group": column.categories[0], "rows": 20, "rmse": rmse}
    return facts | {"low": low, "high": high, "outside": not inside}


def registered(month: str) -> dict[str, Any]:
    """A sound value of `registered_model`: the first month's model, or one better than it."""
    version = int(month[-2:])
    first = {"version": 1, "month": GOOD, "months": [GOOD]} if version > 1 else None
    return {
        "month": month,
        "version": version,
        "incumbent": first,
        "served_by": first,
        "comparison": {"verdict": "better"} if first else None,
        "quality_faults": [],
        "test": {"rmse": 1.05},
        "baselines": {"mean_tip": 1.4},
        "predictions": {"test": answers(), "boundary": answers()},
        "fresh_process": {"rows": 224, "different": 0, "largest_difference_usd": 0.0},
        "groups": [group(1.0)],
    }


def measured(month: str, drifted: tuple[str, ...] = (), learned: str = "") -> dict[str, Any]:
    """A value of `drift_metrics` in which these charts alarm.

    `learned` is the verdict on the challenger when the month before has drifted, too.
    """
    made = registered(month)
    charts = [{"chart": name, "z": 4.2, "alarm": "one month"} for name in drifted]
    return {
        "month": month,
        "version": made["version"],
        "incumbent": made["incumbent"],
        "note": "all rows of the month",
        "charted": "the charts use this month",
        "verdict": f"drifted: {', '.join(drifted)}" if drifted else "no column has drifted",
        "dataset": {"drifted": bool(drifted)},
        "charts": charts,
        "drifted_months": ["2023-12", month] if learned else [month] * bool(drifted),
        "drift_confirmed": bool(learned),
        "new_months": {"verdict": learned, "rows": 49} if learned else None,
    }


def dear_answer(made: dict, drift: dict) -> None:
    made["predictions"]["boundary"]["highest"]["usd"] = 140.2


def no_number(made: dict, drift: dict) -> None:
    missing = {"not_finite": 1, "first_not_finite": {contract.BILL: 300.0}}
    made["predictions"]["boundary"] |= missing


def other_model(made: dict, drift: dict) -> None:
    made["fresh_process"] |= {"different": 3, "largest_difference_usd": 0.5}


def poor_model(made: dict, drift: dict) -> None:
    made["quality_faults"] = ["test RMSE 1.5 USD is not below the mean tip's 1.4"]


def changed_world(made: dict, drift: dict) -> None:
    drift |= measured(drift["month"], (contract.BILL,))


SPOILS = {
    dear_answer: "predictions_are_plausible",
    no_number: "predictions_are_plausible",
    other_model: "fresh_process_predicts_the_same",
    poor_model: "model_is_sound",
    changed_world: "dataset_has_not_drifted",
}
RELEASABLE = {poor_model, changed_world}


class Line:
    """Real checks and the real promotion after stand-ins for the assets before it.

    The registry holds a version for each month; the stand-ins give the values of `values`.
    """

    def __init__(self, storage: str) -> None:
        self.settings = Settings(storage=storage)
        self.instance = dg.DagsterInstance.ephemeral()
        self.registry = ModelRegistry(mlflow_tracking(self.settings).client)
        self.registry._make_model()
        for month in (GOOD, SPOILT, GOOD_AGAIN):
            tags = {MONTH: month, FINGERPRINT: month, contract.VERSION_TAG: contract.VERSION}
            self.registry.client.create_model_version("waiter-tips", storage, tags=tags)
        self.values: dict[str, tuple[dict, dict]] = {}

    def run(self, month: str, checks: list, **config: str) -> dg.ExecuteInProcessResult:
        """Make a month's assets; without checks, those after `registered_model` only."""

        @dg.asset(partitions_def=months, io_manager_key="json_files")
        def registered_model(context: dg.AssetExecutionContext) -> dict:
            return self.values[context.partition_key][0]

        @dg.asset(partitions_def=months, io_manager_key="json_files", deps=[registered_model])
        def drift_metrics(context: dg.AssetExecutionContext) -> dict:
            return self.values[context.partition_key][1]

        made = [registered_model, drift_metrics, production_model.production_model]
        names = [asset.key.to_user_string() for asset in made]
        job = dg.define_asset_job(
            "line", selection=dg.AssetSelection.assets(*names[0 if checks else 1 :])
        )
        definitions = dg.Definitions(
            assets=made,
            asset_checks=checks,
            jobs=[job],
            resources=resources(self.settings),
            executor=dg.in_process_executor,
        )
        return definitions.resolve_job_def("line").execute_in_process(
            partition_key=month,
            instance=self.instance,
            raise_on_error=False,
            run_config={"ops": {"production_model": {"config": config}}},
        )

    @property
    def champion(self) -> int | None:
        found = self.registry.by_alias(CHAMPION)
        return found.number if found else None


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    events = result.get_asset_materialization_events()
    return {event.asset_key.to_user_string() for event in events}


def failed(result: dg.ExecuteInProcessResult) -> list[str]:
    return [e.check_name for e in result.get_asset_check_evaluations() if not e.passed]


@pytest.fixture
def line(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow leaves that of other tests
    return Line(str(tmp_path))


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_a_blocking_check_stops_its_month_and_the_incumbent_keeps_serving(line, spoil):
    line.values = {m: (registered(m), measured(m)) for m in (GOOD, SPOILT, GOOD_AGAIN)}
    spoil(*line.values[SPOILT])
    everything = {"registered_model", "drift_metrics", "production_model"}

    good = line.run(GOOD, MODEL_CHECKS)
    assert (good.success, failed(good), made(good)) == (True, [], everything)
    assert line.champion == 1

    spoilt = line.run(SPOILT, MODEL_CHECKS)
    assert not spoilt.success
    assert SPOILS[spoil] in failed(spoilt)
    assert "production_model" not in made(spoilt)
    assert line.champion == 1

    good_again = line.run(GOOD_AGAIN, MODEL_CHECKS)
    assert (good_again.success, failed(good_again), made(good_again)) == (True, [], everything)
    assert line.champion == 3


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_a_person_releases_what_is_in_doubt_and_nothing_that_is_broken(line, spoil):
    line.values = {m: (registered(m), measured(m)) for m in (GOOD, SPOILT)}
    spoil(*line.values[SPOILT])
    line.run(GOOD, MODEL_CHECKS)
    line.run(SPOILT, MODEL_CHECKS)
    released = line.run(SPOILT, [], reason="it is fine")
    if spoil in RELEASABLE:
        assert released.success
        assert line.champion == 2
        assert failed(line.run(SPOILT, MODEL_CHECKS)) == []
    else:
        (failure,) = released.get_step_failure_events()
        words = failure.step_failure_data.user_failure_data.description
        assert words.startswith("Version 2 cannot be released: ")
        assert line.champion == 1
        line.values[SPOILT] = registered(SPOILT), measured(SPOILT)
        assert line.run(SPOILT, MODEL_CHECKS).success
        assert line.champion == 2, "a version that was mended is decided on anew"


def test_a_worse_group_warns_and_a_better_one_is_mentioned():
    result = model.no_group_is_worse(registered(GOOD) | {"groups": [group(0.5), group(1.0)]})
    assert result.passed
    assert "is better than chance explains" in result.description
    worse = model.no_group_is_worse(registered(GOOD) | {"groups": [group(1.5), group(0.5)]})
    assert not worse.passed
    assert worse.severity == dg.AssetCheckSeverity.WARN
    assert "RMSE 1.500 USD on 20 rows is worse than chance explains, 0.900" in worse.description


@pytest.mark.parametrize(
    ("learned", "promote", "passes"),
    [("", True, False), ("better", True, True), ("better", False, False), ("worse", True, False)],
)
def test_drift_holds_until_a_challenger_has_learned_what_persists(
    tmp_path, monkeypatch, learned, promote, passes
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # an earlier test's, left by MLflow
    line = Line(str(tmp_path))
    settings = Settings(storage=str(tmp_path), promote_on_confirmed_drift=promote)
    store, tracking = MetricStore(url=settings.metric_store_url), mlflow_tracking(settings)
    value = measured(SPOILT, (contract.BILL,), learned)
    result = drift.dataset_has_not_drifted(value, store, tracking, settings)
    assert result.passed == passes
    assert f"drifted: {contract.BILL}" in result.description
    assert bool(store.history()) != passes  # a hold is recorded, and MLflow's page says so
    assert line.registry.version(2).description.startswith("**Decision**: held") != passes
    if learned:
        assert result.description.endswith(f"held out since then: {learned} (49)")


@pytest.mark.parametrize(
    ("trained", "passed"), [("2024-07", True), ("2024-06", False), ("2025-02", True), (None, True)]
)
def test_an_old_champion_warns(trained, passed):
    kept = {"month": "2025-01", "champion_month": trained, "action": "kept", "reason": "worse"}
    result = model.champion_is_not_too_old(kept, settings=Settings(max_champion_age_months=6))
    assert (result.passed, result.severity) == (passed, dg.AssetCheckSeverity.WARN)
    if not passed:
        assert "trained for 2024-06: age 7 of at most 6 months" in result.description
