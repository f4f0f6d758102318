"""What happens in the months of a rehearsal, written as `prices:+20%@7`.

Belongs here: reading scenarios, and what a month is then like. Does not belong here: playing
months (`play.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.ingestion.simulate import UNCHANGED, Change

QUIET = "quiet"
# What a poisoned month's guests pay, and how many of them.
_POISONED_TIP, _POISONED_SHARE = 4.0, 0.3
_EVENT = re.compile(
    r"(?P<kind>prices|tips|mix|outage|dirty|poison)"
    r"(?::(?:lunch)?(?P<size>[+-]?\d+(?:\.\d+)?)%?)?@(?P<month>\d+)"
)
_ALL = 100  # percent
_NEEDS_SIZE = ("prices", "tips", "mix", "dirty")


class UnknownScenario(ValueError):
    """The words of a scenario cannot be read; the message shows those that can."""


@dataclass(frozen=True)
class Event:
    """One thing that happens from a month on (the first is 1); `size` is in percent.

    `prices`, `tips` and `mix` (of lunches) stay; `outage`, `dirty` and `poison` are of one month.
    """

    kind: str
    month: int
    size: float = 0.0

    @property
    def lasts(self) -> bool:
        return self.kind in ("prices", "tips", "mix")


@dataclass(frozen=True)
class Scenario:
    """All that happens in a history of months."""

    events: tuple[Event, ...] = ()

    @staticmethod
    def parse(text: Sequence[str]) -> "Scenario":
        """Read scenarios such as `prices:+20%@7`. Raises UnknownScenario."""
        return Scenario(tuple(_event(word) for word in text if word != QUIET))

    @property
    def first_change(self) -> int | None:
        """The month of the first change of the records; None if there is none."""
        return min((e.month for e in self.events if e.lasts or e.kind == "poison"), default=None)

    def change(self, month: int, lunch_share: float) -> Change:
        """How a month's records differ from the first's; `lunch_share` is the usual one."""
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
        """Whether no file lands in the month."""
        return any(e.kind == "outage" and e.month == month for e in self.events)

    def refused_share(self, month: int) -> float:
        """The share of the month's rows that break the contract."""
        return sum(e.size / 100 for e in self.events if e.kind == "dirty" and e.month == month)

    def poison(self, records: pd.DataFrame, month: int, rng: np.random.Generator) -> pd.DataFrame:
        """Records in which some tips are several times too high, if the month is poisoned."""
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
            f"{text!r} is no scenario; known are quiet, prices:+20%@7, tips:-10%@5, "
            "mix:lunch+15@4, outage@6, dirty:10%@3, poison@8 (the number after @ is the month)"
        )
    return Event(found["kind"], int(found["month"]), float(found["size"] or 0))


def _is_possible(kind: str, size: str | None, month: int) -> bool:
    """Whether an event has a size if it needs one, and one that leaves bills, tips and rows."""
    if month < 1 or (kind in _NEEDS_SIZE) != bool(size):
        return False
    percent = float(size or 0)
    return 0 <= percent <= _ALL if kind == "dirty" else percent > -_ALL
