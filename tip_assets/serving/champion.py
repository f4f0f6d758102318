"""Roll back the champion, and rebuild a version: what a person does outside of the monthly run.

The monthly decision is in `modelling/promotion.py`.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pandas as pd
from upath import UPath

from tip_assets.metric_store.champion_lock import champion_lock
from tip_assets.metric_store.store import MetricStore
from tip_assets.modelling.recipe import Recipe, recipe_for
from tip_assets.modelling.split import PART, TRAIN
from tip_assets.runtime.io_managers import OtherContract, ParquetFiles, joined
from tip_assets.settings import Settings
from tip_assets.tracking.registry import (
    BOOSTER,
    CHAMPION,
    PREVIOUS,
    ModelRegistry,
    ModelVersion,
)


class NothingToDo(LookupError):
    """The request cannot be carried out; the message says why and what to do instead."""


@dataclass(frozen=True)
class Rebuilt:
    """The result of rebuilding a version: equal bytes, or the inputs that differ."""

    version: int
    identical: bool
    differences: list[str]


def serving_version(registry: ModelRegistry) -> ModelVersion:
    """Return the champion. Raises NothingToDo when there is none."""
    champion = registry.by_alias(CHAMPION)
    if champion is None:
        raise NothingToDo("there is no champion yet: run a month first (tips run --month 2024-01)")
    return champion


def roll_back(
    registry: ModelRegistry, store: MetricStore, to: int | None, reason: str, person: str
) -> tuple[ModelVersion, ModelVersion]:
    """Let an earlier version serve again; returns the versions before and after.

    `to` defaults to the version that served before the champion. The champion becomes `previous`,
    so that a rollback can be rolled back. Records the rollback in the champion's history. Raises
    NothingToDo, also when another version became champion meanwhile, and ChampionLocked.
    """
    meant = serving_version(registry)
    with champion_lock(store):
        before = serving_version(registry)
        if to is None and before.number != meant.number:
            raise NothingToDo(
                f"version {before.number} replaced version {meant.number} meanwhile: check "
                "it, then repeat"
            )
        after = registry.version(to) if to is not None else _previous(registry, store, before)
        if after is None:
            raise NothingToDo(
                f"version {before.number} is the first champion: no version served before it"
            )
        if after.number == before.number:
            raise NothingToDo(f"version {before.number} serves already")
        registry.point(PREVIOUS, before.number)
        registry.point(CHAMPION, after.number)
        _record_rollback(store, before, after, reason, person)
    return before, after


def _record_rollback(
    store: MetricStore, before: ModelVersion, after: ModelVersion, reason: str, person: str
) -> None:
    now = datetime.now(UTC)
    newest = max((row["month"] for row in store.history()), default=before.month)
    store.record_decision(
        {
            "cause": f"rollback {now.isoformat(timespec='microseconds')}",
            "month": max(newest, before.month),
            "at": now,
            "action": "rolled back",
            "challenger": None,
            "champion_before": before.number,
            "champion_after": after.number,
            "reason": reason,
            "person": person,
        }
    )


def _previous(
    registry: ModelRegistry, store: MetricStore, champion: ModelVersion
) -> ModelVersion | None:
    """Return the version before the champion; from the history if a rollback was interrupted."""
    previous = registry.by_alias(PREVIOUS)
    if previous is not None and previous.number != champion.number:
        return previous
    change = store.change_to(champion.number)
    before = change["champion_before"] if change else None
    return registry.version(before) if before else None


def rebuild(registry: ModelRegistry, settings: Settings, number: int) -> Rebuilt:
    """Rebuild a version from its tagged recipe and the stored data, and compare the bytes.

    If data or a library differ, names them and builds nothing: the bytes would differ. If the code
    differs, the bytes decide: most code changes do not change a model.
    """
    from tip_assets.modelling.search import best_of, search
    from tip_assets.modelling.training import train_booster

    version = registry.version(number)
    recipe = version.recipe
    window = _window(settings.storage_root, recipe)
    today = _today(recipe, window)
    differences = recipe.differences(today)
    if recipe.differences(replace(today, code=recipe.code)):
        return Rebuilt(number, identical=False, differences=differences)
    trials = search(window[window[PART] == TRAIN], recipe)
    ubj = train_booster(version.month, window, best_of(trials), recipe)
    same = hashlib.sha256(ubj).hexdigest() == version.tags[BOOSTER]
    if not same and not differences:
        differences = ["the bytes, although every recorded input is the same"]
    return Rebuilt(number, identical=same, differences=[] if same else differences)


def _window(storage: UPath, recipe: Recipe) -> pd.DataFrame:
    files = ParquetFiles(storage)
    months = []
    for month in recipe.months:
        path = storage / "assets" / "splits" / f"{month}.parquet"
        if not path.exists():
            raise NothingToDo(f"the data of {month} is gone: {path}")
        try:
            months.append(files.read(path))
        except OtherContract as error:
            raise NothingToDo(str(error)) from error
    return joined(months)


def _today(recipe: Recipe, window: pd.DataFrame) -> Recipe:
    """Return the recipe with today's data, code and libraries; other inputs as recorded."""
    return replace(recipe_for(window, **recipe.options), threads=recipe.threads)
