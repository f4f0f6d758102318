"""Holding a month's version until a person decides, and the words of it.

Belongs here: what the checks have in common that a person may overrule.
"""

from typing import Any

from tip_assets.metric_store.store import MetricStore


def hold(store: MetricStore, made: dict[str, Any], reason: str) -> str | None:
    """Record that a month's version is held; gives the words of its release, if it was released."""
    incumbent = made["incumbent"]
    champion = incumbent["version"] if incumbent else None
    return store.hold(made["month"], made["version"], champion, reason)


def words(found: str, released: str | None) -> str:
    """What a check found, and who let it pass."""
    return f"{found}; {released}" if released else found
