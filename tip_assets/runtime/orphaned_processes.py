"""Find and end orphaned processes: those that outlived the killed server that started them.

Finds them by the environment that Supervisor sets for its programs. As a program, ends the orphans
of its own server, then becomes that server. Imports nothing of the platform: it runs at every
start.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path


def orphaned_processes(supervisor: str, program: str = "") -> list[int]:
    """Return the processes of a Supervisor (by URL) or one of its programs, without this one."""
    marks = {f"SUPERVISOR_SERVER_URL={supervisor}".encode()}
    if program:
        marks.add(f"SUPERVISOR_PROCESS_NAME={program}".encode())
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or belongs to another user
            environment = set((process / "environ").read_bytes().split(b"\0"))
            if marks <= environment and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found


def end(processes: list[int]) -> None:
    """Kill processes: the server that would have stopped them cleanly is gone."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def main(command: list[str]) -> None:
    """End the predecessor's orphaned processes and become the server."""
    end(
        orphaned_processes(
            os.environ["SUPERVISOR_SERVER_URL"], os.environ["SUPERVISOR_PROCESS_NAME"]
        )
    )
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
