"""Signal handlers that end our servers on Ctrl-C, SIGTERM or a closed terminal."""

import signal
import sys
import threading
from types import FrameType

# Set when a person interrupts a run of this process.
interrupted = threading.Event()


def end_on_signal() -> None:
    """Handle SIGINT, SIGTERM and SIGHUP in this process, even if it was started ignoring them.

    Some shells start background processes with SIGINT and SIGTERM ignored, and Python keeps that.
    SIGINT raises KeyboardInterrupt, SIGTERM raises SystemExit with code 143. SIGHUP does what
    SIGTERM currently does, so it follows a handler that a server sets later. Under `nohup` SIGHUP
    stays ignored.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _exit)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
