"""A moment at which no run is under way: databases saved then agree with one another.

Belongs here: waiting for it, and telling whether it has passed. A run that is cut off at any moment
is completed by its next one; databases of two different moments of a run are nothing that a run
leaves behind.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from deploy.backup import Refused
from tip_assets.runtime.instance import close_dead_runs, prepare_instance
from tip_assets.settings import Settings

_POLL_SECONDS = 2.0
_LOOKED_AT = 50  # newest runs; no more are begun while databases are saved
_UNDER_WAY = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@contextmanager
def runs_of(settings: Settings) -> Iterator["Runs"]:
    """The runs that Dagster knows of."""
    prepare_instance(settings)
    with dg.DagsterInstance.get() as instance:
        yield Runs(instance)


class Runs:
    """Dagster's runs, looked at from outside."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def wait(self, seconds: float) -> None:
        """Wait until none is under way. Raises Refused."""
        close_dead_runs(self.instance)
        deadline = time.monotonic() + seconds
        while running := self.instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY)):
            if time.monotonic() > deadline:
                raise Refused(
                    f"run {running[0].run_id} has not ended within {seconds:.0f} s: try again later"
                )
            time.sleep(_POLL_SECONDS)

    def mark(self) -> list[tuple[str, str]]:
        """What changes with every run that begins or ends."""
        newest = self.instance.get_runs(limit=_LOOKED_AT)
        return [(run.run_id, run.status.value) for run in newest]
