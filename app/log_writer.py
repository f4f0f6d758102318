"""Predictions on their way into the log: nobody waits for the database.

Belongs here: keeping them until they are written. Does not belong here: the log's table
(`tip_assets/metric_store/prediction_log.py`).
"""

import threading
from collections import deque
from collections.abc import Callable

from app.background import Repeated
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import Row

# Hours of a busy restaurant; a few megabytes.
MOST_WAITING = 10_000
RETRIED_AFTER_SECONDS = 5.0
_AT_ONCE = 500


class LogWriter:
    """Writes predictions in the background, in the order they were made.

    While the database is away they wait in memory; of too many the oldest are dropped and counted.
    """

    def __init__(self, log: Callable[[], PredictionLog]) -> None:
        self._log = log
        self._rows: deque[Row] = deque()
        self._changed = threading.Lock()
        self.dropped = 0
        self._writing = Repeated("prediction log", RETRIED_AFTER_SECONDS, self._write)

    @property
    def waiting(self) -> int:
        """How many predictions are not written yet."""
        return len(self._rows)

    @property
    def problem(self) -> str:
        """What is missing, as a sentence; empty while predictions are written as they come."""
        if not self._writing.failing:
            return ""
        words = f"The metric store cannot be reached. Predictions that wait for it: {self.waiting}"
        return words + (f", and lost: {self.dropped}." if self.dropped else ".")

    def add(self, row: Row) -> None:
        """Have a prediction written; returns at once."""
        with self._changed:
            self._rows.append(row)
            if len(self._rows) > MOST_WAITING:
                self._rows.popleft()
                self.dropped += 1
        self._writing.wake()

    def finish(self, within_seconds: float) -> bool:
        """Wait until everything is written; False when that takes longer."""
        return self._writing.finish(within_seconds) and not self._rows

    def stop(self) -> None:
        self._writing.stop()

    def _write(self) -> None:
        while self._rows:
            with self._changed:
                batch = [self._rows[place] for place in range(min(_AT_ONCE, len(self._rows)))]
            self._log().record(batch)
            with self._changed:
                # Those that were dropped meanwhile are gone from the front already.
                written = {row["id"] for row in batch}
                while self._rows and self._rows[0]["id"] in written:
                    self._rows.popleft()
