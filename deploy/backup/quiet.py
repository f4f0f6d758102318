"""Wait until no run is active, so that the saved databases are consistent with each other.

A rerun completes a run that was interrupted at any time. But databases saved at two different
times of one run are a state that no run leaves behind.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from deploy.backup import Refused
from tip_assets.runtime.instance import close_dead_runs, prepare_instance
from tip_assets.settings import Settings

_POLL_SECONDS = 2.0
_NEWEST = 50  # newest runs; fewer start while databases are saved
_UNDER_WAY = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@contextmanager
def runs_of(settings: Settings) -> Iterator["Runs"]:
    """Yield access to Dagster's runs."""
    prepare_instance(settings)
    with dg.DagsterInstance.get() as instance:
        yield Runs(instance)


class Runs:
    """Dagster's runs, as seen from another process."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def wait(self, seconds: float) -> None:
        """Wait until none is active. Raises Refused."""
        close_dead_runs(self.instance)
        deadline = time.monotonic() + seconds
        while running := self.instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY)):
            if time.monotonic() > deadline:
                raise Refused(
                    f"run {running[0].run_id} has not ended within {seconds:.0f} s: try again later"
                )
            time.sleep(_POLL_SECONDS)

    def mark(self) -> list[tuple[str, str]]:
        """Return a value that changes when a run starts or ends."""
        newest = self.instance.get_runs(limit=_NEWEST)
        return [(run.run_id, run.status.value) for run in newest]
