"""When a finding is worth waking somebody: in k of the last n months, the newest included.

Belongs here: that rule, on findings by month. Does not belong here: what a finding is (`checks`,
`drift`) or how messages are delivered (`outbox.py`).
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class AlarmRule:
    """So many (`least`) of the last so many months (`window`) that were measured."""

    least: int
    window: int

    @staticmethod
    def of(words: str) -> "AlarmRule":
        """The rule in words such as `2 of 3`."""
        least, window = (int(number) for number in words.split(" of "))
        return AlarmRule(least, window)


def alarming(found: Mapping[str, Set[str]], rule: AlarmRule, month: str) -> set[str]:
    """What is an alarm in a month: found in it, and often enough in the months before it.

    `found` has every month that was measured, with the names of what was found in it.
    """
    last = [found[other] for other in sorted(found) if other <= month][-rule.window :]
    here = found.get(month, set())
    return {name for name in here if sum(name in names for names in last) >= rule.least}
