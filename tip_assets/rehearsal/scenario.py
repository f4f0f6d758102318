"""Scenarios: the events in the months of a rehearsal, written as `prices:+20%@7`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.ingestion.simulate import UNCHANGED, Change

QUIET = "quiet"
# The factor on a poisoned month's tips, and the share of tips.
_POISONED_TIP, _POISONED_SHARE = 4.0, 0.3
_EVENT = re.compile(
    r"(?P<kind>prices|tips|mix|outage|dirty|poison)"
    r"(?::(?:lunch)?(?P<size>[+-]?\d+(?:\.\d+)?)%?)?@(?P<month>\d+)"
)
_ALL = 100  # percent
_NEEDS_SIZE = ("prices", "tips", "mix", "dirty")


class UnknownScenario(ValueError):
    """A scenario cannot be parsed; the message lists the known forms."""


@dataclass(frozen=True)
class Event:
    """An event in a month (the first is 1); `size` is in percent.

    `prices`, `tips` and `mix` (of lunches) persist; `outage`, `dirty` and `poison` last one month.
    """

    kind: str
    month: int
    size: float = 0.0

    @property
    def lasts(self) -> bool:
        return self.kind in ("prices", "tips", "mix")


@dataclass(frozen=True)
class Scenario:
    """All events in a history of months."""

    events: tuple[Event, ...] = ()

    @staticmethod
    def parse(text: Sequence[str]) -> "Scenario":
        """Parse events such as `prices:+20%@7`. Raises UnknownScenario."""
        return Scenario(tuple(_event(word) for word in text if word != QUIET))

    @property
    def first_change(self) -> int | None:
        """Return the month of the first change of the records; None if there is none."""
        return min((e.month for e in self.events if e.lasts or e.kind == "poison"), default=None)

    def change(self, month: int, lunch_share: float) -> Change:
        """Return a month's change relative to the first month; `lunch_share` is the usual share."""
        change = UNCHANGED
        for event in self.events:
            if not event.lasts or event.month > month:
                continue
            if event.kind == "prices":
                change = replace(change, prices=change.prices * (1 + event.size / 100))
            elif event.kind == "tips":
                change = replace(change, generosity=change.generosity * (1 + event.size / 100))
            else:
                share = min(max(lunch_share + event.size / 100, 0.0), 1.0)
                change = replace(change, lunch_share=share)
        return change

    def has_outage(self, month: int) -> bool:
        """Return whether no file lands in the month."""
        return any(e.kind == "outage" and e.month == month for e in self.events)

    def refused_share(self, month: int) -> float:
        """Return the share of the month's rows that break the contract."""
        return sum(e.size / 100 for e in self.events if e.kind == "dirty" and e.month == month)

    def poison(self, records: pd.DataFrame, month: int, rng: np.random.Generator) -> pd.DataFrame:
        """Return records with some tips multiplied, if the month is poisoned."""
        if not any(e.kind == "poison" and e.month == month for e in self.events):
            return records
        label = contract.LABEL
        wrong = rng.random(len(records)) < _POISONED_SHARE
        tips = records[label.name].where(~wrong, records[label.name] * _POISONED_TIP)
        return records.assign(**{label.name: tips.clip(upper=label.maximum)})


def _event(text: str) -> Event:
    found = _EVENT.fullmatch(text)
    if not found or not _is_possible(found["kind"], found["size"], int(found["month"])):
        raise UnknownScenario(
            f"{text!r} is not a scenario; use quiet, prices:+20%@7, tips:-10%@5, "
            "mix:lunch+15@4, outage@6, dirty:10%@3, poison@8 (the number after @ is the month)"
        )
    return Event(found["kind"], int(found["month"]), float(found["size"] or 0))


def _is_possible(kind: str, size: str | None, month: int) -> bool:
    """Return whether an event has a valid size: one that leaves bills, tips and rows."""
    if month < 1 or (kind in _NEEDS_SIZE) != bool(size):
        return False
    percent = float(size or 0)
    return 0 <= percent <= _ALL if kind == "dirty" else percent > -_ALL
