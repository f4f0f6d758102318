"""`production_model`: the promotion, decided and carried out."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from tip_assets.modelling.promotion import Decision, Situation, decide
from tip_assets.partitions import OWNERS, months, months_apart
from tip_assets.resources.metric_store import MetricStore
from tip_assets.resources.mlflow_tracking import MlflowTracking
from tip_assets.resources.model_registry import (
    CHAMPION,
    PREVIOUS,
    ModelRegistry,
    ModelVersion,
)
from tip_assets.resources.month_run import top_run
from tip_assets.settings import Settings

PERSON_TAG = "user"


class Release(dg.Config):
    """How a person lets a held model through."""

    reason: str = Field(
        "",
        description="Why this month's model may serve although a check holds it back; recorded in "
        "the champion's history. Empty: the rule decides.",
    )


@dg.asset(
    partitions_def=months,
    group_name="registry",
    kinds={"mlflow"},
    owners=OWNERS,
    io_manager_key="json_files",
    code_version="1",
)
def production_model(
    context: dg.AssetExecutionContext,
    config: Release,
    settings: dg.ResourceParam[Settings],
    mlflow_tracking: MlflowTracking,
    metric_store: MetricStore,
    registered_model: dict[str, Any],
    drift_metrics: dict[str, Any],
) -> dg.MaterializeResult[dict[str, Any]]:
    """Whether the month's model becomes the champion, and the change of aliases if it does.

    Promoted: the first sound model; a better one; one not worse when drift is confirmed or the
    champion is old. Otherwise the champion stays. Materialize it by hand with a reason to release
    a model that was held.
    """
    registry = ModelRegistry(mlflow_tracking.client)
    cause = decision_cause(context.partition_key, registered_model["version"])
    row = metric_store.decision(cause)
    if row is None or (row["action"] == "held" and not _promoted(registry, registered_model)):
        champion = _champion_compared_with(registry, registered_model)
        situation = _situation(
            context.partition_key, settings, metric_store, champion, registered_model, drift_metrics
        )
        decision = decide(situation, config.reason)
        row = _carry_out(registry, decision, registered_model, champion)
        person = context.run.tags.get(PERSON_TAG)
        metric_store.record_decision(
            row | {"cause": cause, "at": datetime.now(UTC), "person": person}
        )
    registry.archive_beyond(settings.versions_kept)
    value = {
        name: row[name]
        for name in ("month", "action", "reason", "challenger", "champion_before", "champion_after")
    }
    metadata = _metadata(mlflow_tracking, value) | {"top_run": top_run(mlflow_tracking)}
    return dg.MaterializeResult(value=value, metadata=metadata)


def decision_cause(month: str, version: int) -> str:
    """The key of a decision in the champion's history: one for each month and version."""
    return f"decision {month} version {version}"


def _promoted(registry: ModelRegistry, registered_model: dict[str, Any]) -> bool:
    champion = registry.by_alias(CHAMPION)
    return champion is not None and champion.number == registered_model["version"]


def _champion_compared_with(
    registry: ModelRegistry, registered_model: dict[str, Any]
) -> ModelVersion | None:
    """The champion that the month's comparison was made with.

    Raises dg.Failure when another one serves by now. A champion that is this month's version means
    that an earlier attempt was cut off after moving the alias: the decision is made again.
    """
    champion, compared = registry.by_alias(CHAMPION), registered_model["incumbent"]
    if champion and champion.number == registered_model["version"]:
        return registry.version(compared["version"]) if compared else None
    serving = champion.number if champion else None
    if serving != (compared["version"] if compared else None):
        raise dg.Failure(
            f"The comparison was made with {compared or 'no champion'}, but version {serving} "
            "serves by now. Materialize registered_model again.",
            allow_retries=False,
        )
    return champion


def _situation(
    month: str,
    settings: Settings,
    store: MetricStore,
    champion: ModelVersion | None,
    registered_model: dict[str, Any],
    drift_metrics: dict[str, Any],
) -> Situation:
    dataset_drifted = drift_metrics["dataset"]["drifted"]
    before = store.latest_month_before(month)
    twice = before and store.drifted_columns(month) & store.drifted_columns(before)
    comparison = registered_model["comparison"]
    return Situation(
        month=month,
        champion_month=champion.month if champion else None,
        verdict=comparison["verdict"] if comparison else None,
        quality_faults=registered_model["quality_faults"],
        dataset_drifted=dataset_drifted,
        drift_confirmed=dataset_drifted or bool(twice),
        champion_age_months=months_apart(champion.month, month) if champion else 0,
        champion_max_age_months=settings.champion_max_age_months,
    )


def _carry_out(
    registry: ModelRegistry,
    decision: Decision,
    registered_model: dict[str, Any],
    champion: ModelVersion | None,
) -> dict[str, Any]:
    """Move the aliases if the decision says so; `previous` first, so that a rollback has a goal."""
    version, before = registered_model["version"], champion.number if champion else None
    if decision.promotes:
        if before is not None:
            registry.point(PREVIOUS, before)
        registry.point(CHAMPION, version)
    return {
        "month": registered_model["month"],
        **decision.to_dict(),
        "challenger": version,
        "champion_before": before,
        "champion_after": version if decision.promotes else before,
    }


def _metadata(tracking: MlflowTracking, value: dict[str, Any]) -> dict[str, Any]:
    serving = value["champion_after"]
    champion = f"champion is version {serving}" if serving else "no champion yet"
    metadata = {
        "summary": f"{value['action']}: {value['reason']}; {champion}",
        "action": value["action"],
        "challenger": value["challenger"],
    }
    if serving:
        metadata |= {"champion": serving, "mlflow_version": tracking.version_link(serving)}
    return metadata
