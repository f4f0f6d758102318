"""A process of its own for Evidently, started with the run and warm when it is needed.

Belongs here: the process. Does not belong here: what is drawn (`drift/evidently_reports.py`).
Importing Evidently takes 2.5 s of CPU; here it happens on the second core while the search runs,
and its memory goes when the run ends.
"""

import ctypes
import gc
import multiprocessing
import signal
import sys
from concurrent.futures import ProcessPoolExecutor

import dagster as dg
from pydantic import PrivateAttr

from tip_assets.drift.evidently_reports import draw_reports, import_evidently
from tip_assets.drift.rule import Thresholds
from tip_assets.drift.sides import Sides


class ReportProcess(dg.ConfigurableResource):
    """Draws reports in a child process that lives as long as the run."""

    _pool: ProcessPoolExecutor | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Start the process and let it import Evidently."""
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self._pool.submit(_warm_up)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """End the process; after a failure elsewhere, without waiting for its import."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def draw(
        self, sides: Sides, thresholds: Thresholds, most_rows: int, seed: int
    ) -> dict[str, str]:
        """Draw the four reports; errors of the child are raised here."""
        if self._pool is None:
            return draw_reports(sides, thresholds, most_rows, seed)
        return self._pool.submit(draw_reports, sides, thresholds, most_rows, seed).result()


def _warm_up() -> None:
    # Linux ends this process with the run's own, however that ends (prctl's PR_SET_PDEATHSIG is 1).
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    # An import makes millions of objects that stay: collecting garbage meanwhile finds nothing.
    gc.disable()
    import_evidently()
    gc.freeze()
    gc.enable()
