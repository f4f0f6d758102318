"""Hold a month's version until a person decides; names of the checks that a person may overrule."""

from typing import Any

from tip_assets.metric_store.store import MetricStore

# Blocking checks that a person may overrule. What the others stop is broken and cannot be released.
MODEL_IS_SOUND = "model_is_sound"
DATASET_HAS_NOT_DRIFTED = "dataset_has_not_drifted"
RELEASABLE = (MODEL_IS_SOUND, DATASET_HAS_NOT_DRIFTED)
# The check that defers a month while earlier ones are pending.
TRAINING_WINDOW_IS_WHOLE = "training_window_is_whole"


def hold(store: MetricStore, made: dict[str, Any], reason: str) -> str | None:
    """Record that a month's version is held; returns the reason of its release, if any."""
    incumbent = made["incumbent"]
    champion = incumbent["version"] if incumbent else None
    return store.hold(made["month"], made["version"], champion, reason)


def describe(found: str, released: str | None) -> str:
    """Describe what a check found and, if a person released it, why."""
    return f"{found}; {released}" if released else found
