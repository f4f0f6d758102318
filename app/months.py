"""What the platform knows of a month, for its reports page: in the words that it has for it.

Belongs here: gathering what the metric store says. Does not belong here: wording
(`reporting/messages.py`, the checks) or showing (`views/reports.py`).
"""

from dataclasses import dataclass, field

import sqlalchemy as sa

from app.labels import labelled
from app.style import month_name
from tip_assets.metric_store import tables
from tip_assets.metric_store.holds import RELEASABLE
from tip_assets.metric_store.store import MetricStore, Row
from tip_assets.reporting.messages import what_it_stops, what_to_do
from tip_assets.reporting.run_facts import CheckFound
from tip_assets.reporting.status import held

_DECIDED = ("promoted", "kept", "released")


@dataclass(frozen=True)
class Month:
    """A month's rows of the metric store; None or empty where it has none.

    `decision` is the last one on the month's model, `overtaken_by` a later month that was decided
    while this one was held, `run_id` its last run and `failure` what ended it, `messages` those
    sent about it.
    """

    month: str
    decision: Row | None = None
    overtaken_by: str | None = None
    failure: str | None = None
    run_id: str | None = None
    ingested: Row | None = None
    model: Row | None = None
    comparison: Row | None = None
    dataset: Row | None = None
    charts: list[Row] = field(default_factory=list)
    checks: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)

    @property
    def stopped_by(self) -> list[Row]:
        """Blocking checks that fail."""
        return [check for check in self.checks if check["blocking"] and not check["passed"]]

    @property
    def warned_by(self) -> list[Row]:
        """Checks that fail and stop nothing."""
        return [check for check in self.checks if not (check["blocking"] or check["passed"])]

    @property
    def passed(self) -> list[Row]:
        return [check for check in self.checks if check["passed"]]

    @property
    def is_held(self) -> bool:
        return self.decision is not None and self.decision["action"] == "held"

    @property
    def can_be_released(self) -> bool:
        """Whether `tips release` would let the month's model serve."""
        beyond_release = [check for check in self.stopped_by if check["check"] not in RELEASABLE]
        return self.is_held and not (self.overtaken_by or beyond_release)

    @property
    def verdict(self) -> tuple[str, str]:
        """What became of the month in a word, and why, or what it stopped, in a sentence."""
        if self.failure:
            return "failed", self.failure
        if self.stopped_by and (self.decision is None or self.is_held):
            first = _found(self.stopped_by[0])
            action = self.decision["action"] if self.decision else "stopped"
            return action, what_it_stops(self.month, first)
        if self.decision:
            return self.decision["action"], labelled(self.decision["reason"])
        return "not decided", "this month has no decision yet"

    @property
    def to_do(self) -> list[str]:
        """What a person should do about it; commands stand between backticks."""
        words = [what_to_do(self.month, _found(check)) for check in self.stopped_by]
        if self.decision and not self.is_held:
            words = []  # somebody has
        elif self.overtaken_by:
            later = month_name(self.overtaken_by)
            words = [f"{later} has been decided since. There is nothing to do here."]
        if self.failure:
            words += [
                row["text"].splitlines()[-1] for row in self.messages if row["kind"] == "failure"
            ]
        return list(dict.fromkeys(words))


def months_known(store: MetricStore) -> list[str]:
    """Months of which the metric store knows anything, newest first."""
    of_month = (tables.ingestion, tables.check_result, tables.champion_history, tables.run_outcome)
    query = sa.union(*(sa.select(table.c.month) for table in of_month))
    with store.engine.connect() as connection:
        return sorted((m for m in connection.execute(query).scalars() if m), reverse=True)


def month_of(store: MetricStore, month: str) -> Month:
    """Everything that the metric store knows of a month."""

    def rows(table: sa.Table, *others: sa.ColumnElement[bool]) -> list[Row]:
        return store.select(sa.select(table).where(table.c.month == month, *others))

    def first(found: list[Row]) -> Row | None:
        return found[0] if found else None

    decisions = [row for row in store.history() if row["month"] == month and row["challenger"]]
    decided = [row for row in decisions if row["action"] != "refused"]
    runs = sorted(rows(tables.run_outcome), key=lambda row: row["ended_at"])
    decision = decided[-1] if decided else None
    return Month(
        month=month,
        decision=decision,
        overtaken_by=_overtaken_by(store, month) if decision else None,
        failure=runs[-1]["failure"] if runs else None,
        run_id=runs[-1]["run_id"] if runs else None,
        ingested=first(rows(tables.ingestion)),
        model=first(rows(tables.model_quality, tables.model_quality.c.part == "test")),
        comparison=first(rows(tables.comparison)),
        dataset=first(rows(tables.dataset_drift)),
        charts=rows(tables.drift_chart),
        checks=store.checks(month),
        messages=sorted(rows(tables.notification), key=lambda row: row["at"]),
    )


def _overtaken_by(store: MetricStore, month: str) -> str | None:
    """The newest later month with a decision; None for a month that still waits for a person."""
    if month in {state.about for state in held(store)}:
        return None
    decided = [row for row in store.history() if row["challenger"] and row["action"] in _DECIDED]
    return max((row["month"] for row in decided if row["month"] > month), default=None)


def _found(check: Row) -> CheckFound:
    names = ("check", "asset", "blocking", "passed", "words")
    return CheckFound(**{name: check[name] for name in names})
