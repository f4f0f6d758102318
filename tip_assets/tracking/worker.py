"""A process of its own, started with the run and warm when it is needed.

Belongs here: the process. Does not belong here: what it does (`worker_process.py`,
`drift/evidently_reports.py`).

It draws the reports: importing Evidently takes 2.5 s of CPU; here it happens on the second core
while the search runs, and its memory goes when the process ends. Then it logs the trials of that
search, while more are made. It has trained nothing, so it is also the one to ask whether a
registered version can be served from the registry alone.
"""

import multiprocessing
import multiprocessing.util
import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import dagster as dg
import numpy as np
import pandas as pd
from pydantic import PrivateAttr

from tip_assets.drift.alarm import ChartResult
from tip_assets.drift.datasets import Datasets
from tip_assets.drift.evidently_reports import draw_reports
from tip_assets.modelling.search import Trial
from tip_assets.tracking.worker_process import (
    end_with,
    import_libraries,
    log_some_trials,
    predict_by_version,
)

Work = Future[None]
# Few, so that the last are logged soon after the search.
_TRIALS_AT_ONCE = 10
# Months that one process runs one after the other share it.
_warm: list[ProcessPoolExecutor] = []


class TrialLog:
    """Takes the trials of a search, and logs them in the worker while the search makes more.

    `run` is the experiment, the run and the month; what was sent is added to `work`.
    """

    def __init__(self, tracking_uri: str, run: tuple[str, str, str], work: list[Work]) -> None:
        self._run = (tracking_uri, *run)
        self._waiting: list[Trial] = []
        self._sent: list[Work] = []
        self._work = work

    def add(self, trial: Trial) -> None:
        """Take a trial; raises what went wrong with earlier ones."""
        self._waiting.append(trial)
        if len(self._waiting) == _TRIALS_AT_ONCE:
            self._send()
        self._check([sent for sent in self._sent if sent.done()])

    def finish(self) -> None:
        """Wait until every trial is logged; raises what went wrong."""
        self._send()
        self._check(self._sent)

    def _send(self) -> None:
        if self._waiting:
            sent = _running().submit(log_some_trials, *self._run, self._waiting)
            self._sent.append(sent)
            self._work.append(sent)
            self._waiting = []

    def _check(self, done: list[Work]) -> None:
        try:
            for sent in done:
                sent.result()
        except BaseException:
            for sent in self._sent:  # each would wait for a server that does not answer
                sent.cancel()
            raise


class FreshProcess(dg.ConfigurableResource):
    """A child process that lives as long as this one; its errors are raised here.

    `tracking_uri` is where MLflow's registry is.
    """

    tracking_uri: str
    _work: list[Work] = PrivateAttr(default_factory=list)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Start the process and let it import its libraries, unless an earlier run has."""
        if not _lives():
            pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
            _warm[:] = [pool]
            # The daemon runs a month in a child of multiprocessing, which waits for its own
            # children before Python would shut the pool down: it would wait for ever. Early, while
            # the pool's queues (priority 10) still carry the word.
            multiprocessing.util.Finalize(None, pool.shutdown, exitpriority=100)
            pool.submit(end_with, os.getpid())
            self._work.append(pool.submit(import_libraries, self.tracking_uri))

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """After a failure, end the process without waiting for what it still does."""
        if _warm and not all(work.done() for work in self._work):
            # Leaving Python would wait for it; Python 3.14 has a public name for this.
            for process in list(_warm.pop()._processes.values()):
                process.kill()

    def draw(
        self, datasets: Datasets, charts: Sequence[ChartResult], most_rows: int, seed: int
    ) -> dict[str, str]:
        """Draw the four reports."""
        return _running().submit(draw_reports, datasets, charts, most_rows, seed).result()

    def trial_log(self, experiment_id: str, run_id: str, month: str) -> TrialLog:
        """Where the trials of a month's search are handed in, to be logged under its run."""
        return TrialLog(self.tracking_uri, (experiment_id, run_id, month), self._work)

    def predict(self, number: int, records: pd.DataFrame) -> Future[np.ndarray]:
        """Predict raw records by a registry version, in dollars, while this process goes on."""
        return _running().submit(predict_by_version, self.tracking_uri, number, records)


def _lives() -> bool:
    """Whether an earlier run's process answers; one that was killed does not."""
    try:
        return bool(_warm) and _warm[0].submit(int).result() == 0
    except BrokenProcessPool:
        return False


def _running() -> ProcessPoolExecutor:
    if not _warm:
        raise RuntimeError("the process is started by a run of Dagster, and there is none")
    return _warm[0]
