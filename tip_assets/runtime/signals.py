"""Let a long-running command end when it is asked to: Ctrl-C, SIGTERM, a closed terminal.

Belongs here: signal handlers of our own servers. Does not belong here: the time limit of a run
(`cli/run_month.py`).
"""

import signal
import sys
import threading
from types import FrameType

# Set when a person interrupts a run of this process.
interrupted = threading.Event()


def end_when_asked() -> None:
    """Handle SIGINT, SIGTERM and SIGHUP in this process, even if it was started ignoring them.

    Some shells start background processes with SIGINT and SIGTERM ignored, and Python keeps that.
    SIGINT raises KeyboardInterrupt, SIGTERM raises SystemExit with code 143. SIGHUP does what
    SIGTERM does at that moment, so it follows a handler that a server sets later; under `nohup`,
    which ignores it on purpose, it stays ignored.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _exit)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
