"""Functions that run in the process of `worker.py`, apart from the reports.

Imports no Dagster, which would take 0.4 s and 30 MB.
"""

import atexit
import ctypes
import gc
import os
import signal
import sys
from typing import Any

import numpy as np
import pandas as pd

from tip_assets.drift.evidently_reports import import_evidently
from tip_assets.modelling.search import Trial
from tip_assets.tracking.trial_runs import log_trials


def end_with(parent: int) -> None:
    """End this process when its parent ends or is killed."""
    # Linux sends the signal (prctl's PR_SET_PDEATHSIG is 1).
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the prctl call
        os._exit(1)
    # The run waits for the end of this process, and a clean exit takes 0.1 s.
    atexit.register(os._exit, 0)


def import_libraries(tracking_uri: str) -> None:
    """Import the libraries while other processes work."""
    # Imports create millions of permanent objects: garbage collection would find nothing.
    gc.disable()
    import_evidently()
    import mlflow.pyfunc
    import xgboost  # noqa: F401
    from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

    if not tracking_uri.startswith("http"):
        # What a client imports for a database. The client itself would write to a new database,
        # possibly at the same time as the run's own client.
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    # Loading a model compares its requirements with the installed packages: listing takes 0.2 s.
    warn_dependency_requirement_mismatches(["mlflow"])
    gc.freeze()
    gc.enable()


def predict_by_version(tracking_uri: str, number: int, records: pd.DataFrame) -> np.ndarray:
    """Load a version from the registry and predict raw records, in dollars."""
    from tip_assets.tracking.registry import ModelRegistry

    return ModelRegistry(_client(tracking_uri)).predict(number, records)


def log_some_trials(
    tracking_uri: str, experiment_id: str, run_id: str, month: str, trials: list[Trial]
) -> None:
    """Log some trials of a month's search."""
    log_trials(_client(tracking_uri), experiment_id, run_id, month, trials)


def _client(tracking_uri: str) -> Any:
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    return mlflow.MlflowClient()
