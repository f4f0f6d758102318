"""Servers of ours end when they are asked to, however they were started."""

import signal
import subprocess
import sys

import pytest

SERVER = """
import signal, sys
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
from tip_assets.signals import end_when_asked
end_when_asked()
print("ready", flush=True)
signal.pause()
print("still there", flush=True)
"""


def ending(asked: signal.Signals, *ignored: str) -> tuple[int, str]:
    """Exit code and output of a server that starts with some signals ignored."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, *ignored],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        server.send_signal(asked)
        printed, _ = server.communicate(timeout=30)
    return server.returncode, printed


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP])
def test_a_server_started_ignoring_signals_ends_when_asked(asked):
    assert ending(asked, "SIGTERM", "SIGINT") == (143, "")


def test_ctrl_c_ends_a_server_in_the_background():
    assert ending(signal.SIGINT, "SIGTERM", "SIGINT") == (-signal.SIGINT, "")


def test_nohup_keeps_a_server_running_when_the_terminal_is_closed():
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, "SIGHUP"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        server.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait(0.5)
        server.terminate()
        assert server.wait(30) == 143
