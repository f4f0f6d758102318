"""Progress lines on the terminal while a month runs."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

_LINE_EVERY_TRIALS = 10


class Progress(logging.Handler):
    """Prints a line per finished asset, and the trials of the search as they finish.

    `assets` is the number of assets in the run.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.DEBUG)
        self.stream, self.assets = stream, 0
        self.done = 0
        self.started: dict[str, float] = {}
        self.live = stream.isatty()

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_event", None)
        if event is not None:
            self._on_event(event)
        elif record.name.endswith(".search"):
            self._on_trial(record)

    def _on_event(self, event: Any) -> None:
        if event.event_type_value == "STEP_START":
            self.started[event.step_key] = time.monotonic()
            self._overwrite(f"  {event.step_key} ...")
        elif event.event_type_value == "ASSET_MATERIALIZATION":
            self.done += 1
            name = event.asset_key.to_user_string()
            summary = event.materialization.metadata.get("summary")
            seconds = time.monotonic() - self.started.get(event.step_key, time.monotonic())
            text = summary.value if summary else ""
            self._line(f"[{self.done}/{self.assets}] {name:<17} {seconds:5.1f} s  {text}")
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.event_specific_data
            if not check.passed:
                word = "HELD" if check.blocking else "WARNING"
                self._line(f"      {word}: {check.check_name}: {check.description}")

    def _on_trial(self, record: logging.LogRecord) -> None:
        number, total = cast("tuple[int, int]", cast("tuple[object, ...]", record.args)[:2])
        if self.live:
            self._overwrite(f"  best_params: {record.getMessage()}")
        elif number == total or number % _LINE_EVERY_TRIALS == 0:
            self._line(f"      {record.getMessage()}")

    def _overwrite(self, text: str) -> None:
        if self.live:
            self.stream.write(f"\r\033[K{text}")
            self.stream.flush()

    def _line(self, text: str) -> None:
        self.stream.write(f"\r\033[K{text}\n" if self.live else f"{text}\n")
        self.stream.flush()


@contextmanager
def progress(stream: TextIO) -> Iterator[Progress]:
    """Show progress on a duplicate of a stream while the block runs."""
    stream.flush()
    with os.fdopen(os.dup(stream.fileno()), "w") as terminal:
        handler = Progress(terminal)
        logger = logging.getLogger("tip_assets")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield handler
        finally:
            logger.removeHandler(handler)
