"""A server of the stack that was killed leaves children: they end before it starts again."""

import os
import signal
import subprocess
import sys


def test_only_what_its_own_server_left_is_ended():
    """Not what other servers of the stack run, and not the same server of another stack."""
    begun = {
        (url, name): subprocess.Popen(
            ["sleep", "60"],
            env=os.environ | {"SUPERVISOR_SERVER_URL": url, "SUPERVISOR_PROCESS_NAME": name},
        )
        for url in ("unix:///one.sock", "unix:///other.sock")
        for name in ("mlflow", "dagster")
    }
    own = {"SUPERVISOR_SERVER_URL": "unix:///one.sock", "SUPERVISOR_PROCESS_NAME": "mlflow"}
    command = [
        sys.executable,
        "-m",
        "tip_assets.runtime.orphaned_processes",
        "/bin/echo",
        "started",
    ]
    try:
        done = subprocess.run(
            command, env=os.environ | own, check=True, capture_output=True, text=True
        )
        assert done.stdout == "started\n"
        assert begun.pop(("unix:///one.sock", "mlflow")).wait(5) == -signal.SIGKILL
        assert [process.poll() for process in begun.values()] == [None] * 3
    finally:
        for process in begun.values():
            process.kill()
            process.wait()
