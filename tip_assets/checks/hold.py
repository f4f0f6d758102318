"""Hold a month's version until a person decides, for the checks that a person may overrule."""

from typing import Any

from tip_assets.metric_store.store import MetricStore
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.descriptions import describe_decision
from tip_assets.tracking.registry import ModelRegistry


def hold(
    store: MetricStore, tracking: MlflowTracking, made: dict[str, Any], reason: str
) -> str | None:
    """Record that a month's version is held; returns the reason of its release, if any."""
    incumbent, version = made["incumbent"], made["version"]
    champion = incumbent["version"] if incumbent else None
    released = store.hold(made["month"], version, champion, reason)
    registry = ModelRegistry(tracking.client)
    describe_decision(registry, version, store.decision(made["month"], version))
    return released
