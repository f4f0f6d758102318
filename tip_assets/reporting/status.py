"""Find the states that last until a person acts, each with what to do.

A month's result is a message instead (`messages.py`).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tip_assets.ingestion.landing_log import unprocessed
from tip_assets.metric_store import tables
from tip_assets.metric_store.holds import RELEASABLE, TRAINING_WINDOW_IS_WHOLE
from tip_assets.metric_store.store import MetricStore, Row
from tip_assets.partitions import month_after, months_apart
from tip_assets.settings import Settings


@dataclass(frozen=True)
class State:
    """A lasting state: its name, subject, reason, and what to do."""

    name: str
    about: str
    why: str
    to_do: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def states(store: MetricStore, settings: Settings, now: datetime) -> list[State]:
    """Return every state that needs a person, the most urgent first."""
    return [
        *held(store),
        *_stopped(store, settings.window_months),
        *_failed(store),
        *_waiting(store, now - timedelta(hours=settings.max_processing_hours)),
        *_silent(store, now - timedelta(days=settings.max_silent_days)),
        *_old_champion(store, settings.max_champion_age_months),
        *_undelivered(store),
    ]


def states_line(found: list[State]) -> str:
    """Return the states as a line of JSON for a log: deploy/terraform makes a metric of it."""
    return json.dumps({"tips_states": len(found), "names": [state.name for state in found]})


def held(store: MetricStore) -> Iterator[State]:
    """Yield held promotions newer than any other decision; older ones are superseded."""
    last = {row["month"]: row for row in _decisions(store)}
    decided = max((month for month, row in last.items() if row["action"] != "held"), default="")
    for month, row in last.items():
        if month > decided:
            to_do = f"tips release --month {month} --reason '...', or leave it"
            yield State("held", month, row["reason"], to_do)


def _stopped(store: MetricStore, window_months: int) -> Iterator[State]:
    """Yield months of the training window in which a check failed that cannot be released."""
    found = tables.check_result.c
    newest = store.select(sa.select(sa.func.max(found.month).label("month")))[0]["month"]
    if newest is None:
        return
    releasable = (*RELEASABLE, TRAINING_WINDOW_IS_WHOLE)
    query = sa.select(tables.check_result).where(
        found.blocking,
        sa.not_(found.passed),
        found.check.not_in(releasable),
        found.month >= month_after(newest, 1 - window_months),
    )
    for row in store.select(query.order_by(found.month, found.check)):
        to_do = f"tips quarantine --month {row['month']}; land corrected files"
        if row["asset"] == "registered_model":
            to_do = f"tips run --month {row['month']} trains the model again"
        yield State("stopped", row["month"], f"{row['check']}: {row['words']}", to_do)


def _failed(store: MetricStore) -> Iterator[State]:
    """Yield months whose last run failed."""
    run = tables.run_outcome.c
    rows = store.select(
        sa.select(run.month, run.failure, run.status)
        .where(run.month.is_not(None))
        .order_by(run.ended_at)
    )
    last = {row["month"]: row for row in rows}
    for month, row in sorted(last.items()):
        if row["failure"]:
            yield State("failed", month, row["failure"], f"tips run --month {month}")


def _waiting(store: MetricStore, longest: datetime) -> Iterator[State]:
    for month, since in sorted(unprocessed(store.select).items()):
        if since > longest:
            continue
        why = f"files landed {since:%Y-%m-%d %H:%M} UTC and no run has finished on them"
        yield State("not processed", month, why, f"tips run --month {month}")


def _silent(store: MetricStore, since: datetime) -> Iterator[State]:
    newest = store.select(sa.select(sa.func.max(tables.landing.c.at).label("at")))[0]["at"]
    if newest is not None and newest.replace(tzinfo=UTC) < since:
        yield State(
            "silent",
            "landing",
            f"the newest file is of {newest:%Y-%m-%d}",
            "contact the producers; the platform itself works",
        )


def _old_champion(store: MetricStore, most_months: int) -> Iterator[State]:
    decisions = _decisions(store)
    history = sorted(store.history(), key=lambda row: row["at"])
    serving = history[-1]["champion_after"] if history else None
    trained = next((r["month"] for r in decisions if r["challenger"] == serving), None)
    if trained is None:
        return
    age = months_apart(trained, max(row["month"] for row in decisions))
    if age > most_months:
        yield State(
            "old champion",
            f"version {serving}",
            f"trained for {trained}, {age} months before the newest month",
            "tips history shows why no later model replaced it",
        )


def _undelivered(store: MetricStore) -> Iterator[State]:
    message = tables.notification.c
    for row in store.select(sa.select(tables.notification).where(message.delivered_at.is_(None))):
        why = row["trouble"] or "not tried yet"
        yield State(
            "undelivered",
            row["subject"],
            why,
            "every run tries again; see tips notifications",
        )


def _decisions(store: MetricStore) -> list[Row]:
    """Return decisions on models by month and time, without refused releases."""
    return [
        row
        for row in store.history()
        if row["challenger"] is not None and row["action"] != "refused"
    ]
