"""Interrupting a run in this process: by its time limit, or by a person's Ctrl-C.

Belongs here: signals until the run has ended. Does not belong here: executing it (`run_month.py`).
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tip_assets.runtime.signals import interrupted

# Dagster runs an interrupted step again, after up to twenty seconds, unless it is interrupted while
# it waits.
_INTERRUPTED_AGAIN_SECONDS = 5
_REPEAT_CTRL_C_SECONDS = 1.5


@dataclass
class Limit:
    minutes: float
    exceeded: bool = False

    def __str__(self) -> str:
        return f"the run took longer than {self.minutes:g} minutes (TIPS_MAX_RUN_MINUTES)"


@contextmanager
def at_most(minutes: float) -> Iterator[Limit]:
    """Interrupt what runs longer: the daemon, which ends its own runs, does not know this process.

    Like a person would, and again when that was not heard: no library may take it for an error of
    its own.
    """
    limit = Limit(minutes)

    def interrupt(*_: object) -> None:
        limit.exceeded = True
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGALRM, interrupt)
    timer = signal.setitimer(signal.ITIMER_REAL, minutes * 60, _INTERRUPTED_AGAIN_SECONDS)
    try:
        yield limit
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


@contextmanager
def repeated_interrupts() -> Iterator[None]:
    """Repeat a person's Ctrl-C until the run has ended.

    Dagster replaces the handler of SIGINT, so its arrival is read from the interpreter's wake-up
    socket.
    """
    arrived, wake_up = socket.socketpair()
    wake_up.setblocking(False)
    ended = threading.Event()

    def repeat() -> None:
        while numbers := arrived.recv(1):
            if numbers[0] == signal.SIGINT:
                interrupted.set()
                while not ended.wait(_REPEAT_CTRL_C_SECONDS):
                    os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=repeat, daemon=True)
    before = signal.set_wakeup_fd(wake_up.fileno(), warn_on_full_buffer=False)
    interrupted.clear()
    thread.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        wake_up.close()
        thread.join()
        arrived.close()
