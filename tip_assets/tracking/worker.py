"""The worker: a child process that starts with the run and imports its libraries early.

It draws the reports. Importing Evidently takes 2.5 s of CPU, which it does on the second core while
the search runs; its memory is freed when the process ends. It logs the trials during the search. It
has trained nothing, so it also checks that a version can be served from the registry alone.
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
# Small, so that the last trials are logged soon after the search.
_TRIALS_AT_ONCE = 10
# Shared by the months that one process runs in sequence.
_warm: list[ProcessPoolExecutor] = []


class TrialLog:
    """Logs the trials of a search in the worker while the search continues.

    `run` is the experiment, the run and the month. Adds each task it sends to `work`.
    """

    def __init__(self, tracking_uri: str, run: tuple[str, str, str], work: list[Work]) -> None:
        self._run = (tracking_uri, *run)
        self._waiting: list[Trial] = []
        self._sent: list[Work] = []
        self._work = work

    def add(self, trial: Trial) -> None:
        """Add a trial; raises errors of earlier ones."""
        self._waiting.append(trial)
        if len(self._waiting) == _TRIALS_AT_ONCE:
            self._send()
        self._check([sent for sent in self._sent if sent.done()])

    def finish(self) -> None:
        """Wait until every trial is logged; raises their errors."""
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
            for sent in self._sent:  # each would wait for an unreachable server
                sent.cancel()
            raise


class FreshProcess(dg.ConfigurableResource):
    """A child process that lives as long as this one; its errors are raised here.

    `tracking_uri` is that of MLflow's registry.
    """

    tracking_uri: str
    _work: list[Work] = PrivateAttr(default_factory=list)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Start the process and import its libraries, unless an earlier run did."""
        if not _lives():
            pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
            _warm[:] = [pool]
            # The daemon runs a month in a child of multiprocessing, which waits for its own
            # children before Python shuts the pool down: a deadlock. So shut it down early, while
            # the pool's queues (priority 10) still work.
            multiprocessing.util.Finalize(None, pool.shutdown, exitpriority=100)
            pool.submit(end_with, os.getpid())
            self._work.append(pool.submit(import_libraries, self.tracking_uri))

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """After a failure, end the process without waiting for its tasks."""
        if _warm and not all(work.done() for work in self._work):
            # Python's exit would wait for it; Python 3.14 has a public method for this.
            for process in list(_warm.pop()._processes.values()):
                process.kill()

    def draw(self, datasets: Datasets, charts: Sequence[ChartResult]) -> dict[str, str]:
        """Draw the four reports."""
        return _running().submit(draw_reports, datasets, charts).result()

    def trial_log(self, experiment_id: str, run_id: str, month: str) -> TrialLog:
        """Return the log of a month's search, whose trials go under the month's run."""
        return TrialLog(self.tracking_uri, (experiment_id, run_id, month), self._work)

    def predict(self, number: int, records: pd.DataFrame) -> Future[np.ndarray]:
        """Predict raw records with a registry version, in dollars, in the background."""
        return _running().submit(predict_by_version, self.tracking_uri, number, records)


def _lives() -> bool:
    """Return whether an earlier run's process is alive."""
    try:
        return bool(_warm) and _warm[0].submit(int).result() == 0
    except BrokenProcessPool:
        return False


def _running() -> ProcessPoolExecutor:
    if not _warm:
        raise RuntimeError("the worker process starts with a Dagster run, and there is none")
    return _warm[0]
