"""Redirect a run's output: Dagster's events to Python's logging, libraries' output to a file."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

EVENTS = "tip_assets.events"


@dg.logger(
    config_schema=None,
    description="Sends Dagster's events to Python's logging, for progress on a terminal.",
)
def progress_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """Return Dagster's logger for runs started from the command line."""
    logger = logging.getLogger(EVENTS)
    logger.setLevel(logging.DEBUG)  # Dagster logs its events as debug messages
    return logger


@contextmanager
def noise_to(log: Path) -> Iterator[None]:
    """Send the output of libraries and child processes to a log file while the block runs."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])
