"""What is known of the model that serves and of all versions.

Belongs here: gathering it from the loaded model, the registry and the metric store. Does not belong
here: drawing (`model_plots.py`) or any change: the registry is only read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from tip_assets.metric_store import tables
from tip_assets.metric_store.store import MetricStore, Row
from tip_assets.modelling.training import TrainingReport
from tip_assets.serving.loaded_model import LoadedModel
from tip_assets.tracking.registry import (
    ARCHIVED,
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    ModelRegistry,
)


@dataclass(frozen=True)
class Period:
    """When a version served; `until` is None while it does."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Registered:
    """A registry version: the months it learned from, and what the registry calls it."""

    number: int
    run_id: str
    month: str
    months: Sequence[str]
    registered_at: datetime
    aliases: Sequence[str]
    archived: bool


@dataclass(frozen=True)
class Measured:
    """What the metric store knows of versions.

    `test` is the quality of each version on the held-out rows of its window, `groups` the errors by
    group of each version, `served` the periods in which each was the champion, `comparisons` the
    challengers that were held against a champion on the same rows, `drift` the columns of each
    month.
    """

    test: Mapping[int, Row]
    groups: Mapping[int, Sequence[Row]]
    served: Mapping[int, Sequence[Period]]
    comparisons: Sequence[Row]
    drift: Mapping[str, Sequence[Row]] = field(default_factory=dict)


def report_of(model: LoadedModel) -> TrainingReport:
    """The training report that lies inside a loaded model's booster."""
    return TrainingReport(**json.loads(model.model.booster.attr("report")))


def registered_versions(registry: ModelRegistry) -> list[Registered]:
    """All versions in the registry, newest first."""
    pointed = {name: registry.by_alias(name) for name in (CHAMPION, PREVIOUS, CHALLENGER)}
    return [
        Registered(
            number=version.number,
            run_id=version.run_id,
            month=version.month,
            months=version.recipe.months,
            registered_at=version.registered_at,
            aliases=[n for n, found in pointed.items() if found and found.number == version.number],
            archived=ARCHIVED in version.tags,
        )
        for version in reversed(registry.versions())
    ]


def measured_versions(store: MetricStore) -> Measured:
    """Quality, errors by group and periods of service of every version in the metric store."""
    quality, groups = tables.model_quality, tables.group_quality
    tested = store.select(sa.select(quality).where(quality.c.part == "test"))
    by_version: dict[int, list[Row]] = {}
    for row in store.select(sa.select(groups)):
        by_version.setdefault(row["version"], []).append(row)
    drift: dict[str, list[Row]] = {}
    for row in store.select(sa.select(tables.drift)):
        drift.setdefault(row["month"], []).append(row)
    return Measured(
        test={row["version"]: row for row in tested},
        groups=by_version,
        served=periods(store.history()),
        comparisons=store.select(sa.select(tables.comparison)),
        drift=drift,
    )


def periods(history: Sequence[Row]) -> dict[int, list[Period]]:
    """When each version was the champion, by the champion's history, oldest first.

    Rows count in the order of their time: a rollback belongs to an old month and came last.
    """
    found: dict[int, list[Period]] = {}
    serving: tuple[int, datetime] | None = None
    for row in sorted(history, key=lambda row: row["at"]):
        after = row["champion_after"]
        if after is None or (serving and serving[0] == after):
            continue
        if serving:
            found.setdefault(serving[0], []).append(Period(serving[1], row["at"]))
        serving = after, row["at"]
    if serving:
        found.setdefault(serving[0], []).append(Period(serving[1], None))
    return found
