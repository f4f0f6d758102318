"""Interrupt a run in this process: by its time limit, or by a person's Ctrl-C."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tip_assets.runtime.signals import interrupted

# Dagster retries an interrupted step after up to twenty seconds, unless it is interrupted while it
# waits.
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
    """Interrupt the block after a time limit: the daemon only ends its own runs.

    Sends SIGINT, repeatedly, because a library may swallow the first one.
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

    Dagster replaces the handler of SIGINT, so the signal is read from the interpreter's wake-up
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
