"""Servers of ours end when they are asked to, however they were started."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SERVER = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
from tip_assets.runtime.signals import end_on_signal
end_on_signal()
print("ready", flush=True)
signal.pause()
print("still there", flush=True)
"""


@contextmanager
def server(*ignored: str) -> Iterator[subprocess.Popen[str]]:
    """A server that is ready, having started with some signals ignored."""
    command = [sys.executable, "-c", SERVER, *ignored]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def ending(asked: signal.Signals, *ignored: str) -> tuple[int, str]:
    """Exit code and output of a server that starts with some signals ignored."""
    with server(*ignored) as process:
        process.send_signal(asked)
        printed, _ = process.communicate(timeout=30)
    return process.returncode, printed


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP])
def test_a_server_started_ignoring_signals_ends_when_asked(asked):
    assert ending(asked, "SIGTERM", "SIGINT") == (143, "")


def test_ctrl_c_ends_a_server_in_the_background():
    assert ending(signal.SIGINT, "SIGTERM", "SIGINT") == (-signal.SIGINT, "")


def test_nohup_keeps_a_server_running_when_the_terminal_is_closed():
    with server("SIGHUP") as process:
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.wait(30) == 143
