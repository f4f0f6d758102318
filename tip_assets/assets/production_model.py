"""`production_model`: decide on the promotion and carry it out."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from tip_assets.assets.links import app_page, model_page
from tip_assets.metric_store.champion_lock import champion_lock
from tip_assets.metric_store.store import PERSON_TAG, MetricStore, decision_cause
from tip_assets.modelling.boundary_inputs import unservable
from tip_assets.modelling.comparison import POWER_NOTE
from tip_assets.modelling.promotion import Decision, Situation, better_on_drifted_months, decide
from tip_assets.partitions import GROUP, MODEL_POOL, OWNERS, months, months_apart
from tip_assets.settings import Settings
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.descriptions import describe_decision
from tip_assets.tracking.registry import (
    CHAMPION,
    PREVIOUS,
    ModelRegistry,
    ModelVersion,
)
from tip_assets.tracking.runs import top_run


class Release(dg.Config):
    """Run config to release a held model."""

    reason: str = Field(
        "",
        description="Reason to release this month's model although a check holds it; recorded in "
        "the champion's history. Empty: the promotion rule decides.",
    )


@dg.asset(
    partitions_def=months,
    group_name=GROUP,
    kinds={"mlflow"},
    metadata=model_page() | app_page("history"),
    owners=OWNERS,
    io_manager_key="json_files",
    code_version="2",
    pool=MODEL_POOL,
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
    """The decision whether the month's model becomes the champion, with the alias change.

    Promotes the first sound model, a better one, or one shown to be not worse when drift is
    confirmed or the champion is old. Otherwise the champion stays. Materialize this asset with a
    reason to release a held model. A model with implausible predictions is never released.
    """
    registry = ModelRegistry(mlflow_tracking.client)
    month, version = context.partition_key, registered_model["version"]
    faults, person = unservable(registered_model), context.run.tags.get(PERSON_TAG)
    if faults:
        raise _refusal(registry, metric_store, registered_model, "; ".join(faults), person)
    with champion_lock(metric_store):
        row = metric_store.decision(month, version)
        serving = registry.by_alias(CHAMPION)
        serves = serving is not None and serving.number == version
        released_anew = config.reason and not serves
        if row is None or row["action"] == "held" or released_anew:
            champion = _champion(
                registry, metric_store, registered_model, released=bool(config.reason)
            )
            situation = _situation(
                month, settings, metric_store, champion, registered_model, drift_metrics
            )
            decision = decide(situation, config.reason)
            if config.reason and not decision.promotes:
                raise _refusal(registry, metric_store, registered_model, decision.reason, person)
            row = _carry_out(registry, decision, registered_model, champion)
            now, cause = datetime.now(UTC), decision_cause(month, version)
            if config.reason:
                cause = f"release {month} version {version} {now.isoformat()}"
            metric_store.record_decision(row | {"cause": cause, "at": now, "person": person})
        describe_decision(registry, version, row)
        registry.archive_beyond(settings.versions_kept)
    value = {
        name: row[name]
        for name in ("month", "action", "reason", "challenger", "champion_before", "champion_after")
    }
    after = row["champion_after"]
    value["champion_month"] = registry.version(after).month if after else None
    metadata = _metadata(mlflow_tracking, value) | {"top_run": top_run(mlflow_tracking)}
    return dg.MaterializeResult(value=value, metadata=metadata)


def _refusal(
    registry: ModelRegistry,
    store: MetricStore,
    registered_model: dict[str, Any],
    faults: str,
    person: str | None,
) -> dg.Failure:
    """Record a release that is not allowed, and return the failure that says why."""
    month, version = registered_model["month"], registered_model["version"]
    serving = registry.by_alias(CHAMPION)
    champion = serving.number if serving else None
    store.record_decision(
        {
            "cause": f"refusal {month} version {version}",
            "month": month,
            "at": datetime.now(UTC),
            "action": "refused",
            "challenger": version,
            "champion_before": champion,
            "champion_after": champion,
            "reason": faults,
            "person": person,
        }
    )
    message = f"Version {version} cannot be released: {faults}."
    return dg.Failure(message, allow_retries=False)


def _champion(
    registry: ModelRegistry,
    store: MetricStore,
    registered_model: dict[str, Any],
    released: bool,
) -> ModelVersion | None:
    """Return the champion to replace or keep.

    If this month's version is already the champion, an earlier attempt was interrupted after it
    moved the alias: returns the champion before it. Raises dg.Failure when the champion is not the
    one that the month's model was compared with, unless a person releases the model or a newer
    month's champion stays anyway.
    """
    champion, compared = registry.by_alias(CHAMPION), registered_model["incumbent"]
    if champion and champion.number == registered_model["version"]:
        return registry.version(compared["version"]) if compared else None
    if champion and champion.month > registered_model["month"]:
        return champion
    serving = champion.number if champion else None
    if not released and serving != (compared["version"] if compared else None):
        raise _compared_with_another(store, registered_model, serving)
    return champion


def _compared_with_another(
    store: MetricStore, registered_model: dict[str, Any], serving: int | None
) -> dg.Failure:
    """Return the failure for a champion that changed after the comparison."""
    compared = registered_model["incumbent"]
    change = store.change_to(serving) if serving else None
    why = f" ({change['action']}: {change['reason']})" if change else ""
    return dg.Failure(
        f"Version {registered_model['version']} was compared with "
        f"{_named(compared['version'] if compared else None)}, but {_named(serving)} serves now"
        f"{why}. Run the month again to repeat the comparison.",
        allow_retries=False,
    )


def _named(version: int | None) -> str:
    return f"version {version}" if version else "no champion"


def _situation(
    month: str,
    settings: Settings,
    store: MetricStore,
    champion: ModelVersion | None,
    registered_model: dict[str, Any],
    drift_metrics: dict[str, Any],
) -> Situation:
    comparison = registered_model["comparison"]
    return Situation(
        month=month,
        champion_month=champion.month if champion else None,
        verdict=comparison["verdict"] if comparison else None,
        quality_faults=registered_model["quality_faults"],
        dataset_drifted=drift_metrics["dataset"]["drifted"],
        drift_confirmed=drift_metrics["drift_confirmed"],
        better_on_drifted_months=settings.promote_on_confirmed_drift
        and better_on_drifted_months(drift_metrics),
        champion_age_months=months_apart(champion.month, month) if champion else 0,
        max_champion_age_months=settings.max_champion_age_months,
        champion_contract=champion.contract if champion else None,
        power_note=comparison.get(POWER_NOTE, "") if comparison else "",
    )


def _carry_out(
    registry: ModelRegistry,
    decision: Decision,
    registered_model: dict[str, Any],
    champion: ModelVersion | None,
) -> dict[str, Any]:
    """Move the aliases on a promotion; `previous` first, so that a rollback has a target."""
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
        "challenger": _named(value["challenger"]),
    }
    if serving:
        metadata |= {"champion": serving, "mlflow_version": tracking.version_link(serving)}
    return metadata
