"""Holding a month's version until a person decides, and the words of it.

Belongs here: names of checks that others than the checks ask for, and what those have in common
that a person may overrule.
"""

from typing import Any

from tip_assets.metric_store.store import MetricStore

# Blocking checks that a person may overrule; what the others stop is broken, not in doubt.
MODEL_IS_SOUND = "model_is_sound"
DATASET_HAS_NOT_DRIFTED = "dataset_has_not_drifted"
RELEASABLE = (MODEL_IS_SOUND, DATASET_HAS_NOT_DRIFTED)
# The check that stops a month which came before earlier ones were done.
TRAINING_WINDOW_IS_WHOLE = "training_window_is_whole"


def hold(store: MetricStore, made: dict[str, Any], reason: str) -> str | None:
    """Record that a month's version is held; gives the words of its release, if it was released."""
    incumbent = made["incumbent"]
    champion = incumbent["version"] if incumbent else None
    return store.hold(made["month"], made["version"], champion, reason)


def describe(found: str, released: str | None) -> str:
    """What a check found, and who let it pass."""
    return f"{found}; {released}" if released else found
