"""Work that the app does beside its pages, again and again.

Belongs here: a thread that survives whatever its work meets. Does not belong here: the work.
"""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_ENDS_WITHIN_SECONDS = 10.0


class Repeated:
    """Runs `work` every so many seconds in a thread of its own, and sooner when woken.

    A failure is logged, and the work is done again in its turn. The thread ends with the process.
    """

    def __init__(self, name: str, every_seconds: float, work: Callable[[], None]) -> None:
        self._every, self._work = every_seconds, work
        self._woken, self._stopped = threading.Event(), threading.Event()
        self._turn = threading.Condition()
        self._asked, self._answered = 0, 0
        self._succeeded_at = time.monotonic()
        self.failing = False  # whether the last try failed
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def seconds_since_success(self) -> float:
        """How long ago the work was last done without a failure, or begun for the first time."""
        return time.monotonic() - self._succeeded_at

    def wake(self) -> None:
        """Have the work done now."""
        with self._turn:
            self._asked += 1
        self._woken.set()

    def finish(self, within_seconds: float) -> bool:
        """Have the work done now and wait for it; False when it takes longer."""
        self.wake()
        with self._turn:
            mine = self._asked
            return self._turn.wait_for(lambda: self._answered >= mine, within_seconds)

    def stop(self) -> None:
        """End after the work that is being done, and wait for that for a bounded time."""
        self._stopped.set()
        self._woken.set()
        self._thread.join(_ENDS_WITHIN_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()
            asked = self._asked
            try:
                self._work()
                self._succeeded_at, self.failing = time.monotonic(), False
            except Exception:
                self.failing = True
                logger.exception("%s failed; it is tried again", self._thread.name)
            with self._turn:
                self._answered = asked
                self._turn.notify_all()
            self._woken.wait(self._every)
