"""A process of its own, started with the run and warm when it is needed.

Belongs here: the process. Does not belong here: what it does (`in_fresh_process.py`,
`drift/evidently_reports.py`).

It draws the reports: importing Evidently takes 2.5 s of CPU; here it happens on the second core
while the search runs, and its memory goes when the run ends. It has trained nothing, so it is also
the one to ask whether a registered version can be served from the registry alone.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import dagster as dg
import numpy as np
import pandas as pd
from pydantic import PrivateAttr

from tip_assets.drift.evidently_reports import draw_reports
from tip_assets.drift.rule import Thresholds
from tip_assets.drift.sides import Sides
from tip_assets.resources.in_fresh_process import get_ready, predict_by_version


class FreshProcess(dg.ConfigurableResource):
    """A child process that lives as long as the run; its errors are raised here.

    `tracking_uri` is where MLflow's registry is.
    """

    tracking_uri: str
    _pool: ProcessPoolExecutor | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Start the process and let it import its libraries."""
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self._pool.submit(get_ready, self.tracking_uri)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """End the process; after a failure elsewhere, without waiting for its import."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def draw(
        self, sides: Sides, thresholds: Thresholds, most_rows: int, seed: int
    ) -> dict[str, str]:
        """Draw the four reports."""
        return self._running.submit(draw_reports, sides, thresholds, most_rows, seed).result()

    def predict(self, number: int, records: pd.DataFrame) -> np.ndarray:
        """Predict raw records by a registry version, in dollars."""
        asked = self._running.submit(predict_by_version, self.tracking_uri, number, records)
        return asked.result()

    @property
    def _running(self) -> ProcessPoolExecutor:
        if self._pool is None:
            raise RuntimeError("the process lives as long as a run of Dagster, and there is none")
        return self._pool
