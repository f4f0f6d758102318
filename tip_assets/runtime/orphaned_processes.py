"""Processes that outlived the server that started them, because it was killed.

Belongs here: finding them by what Supervisor puts into its programs' environment, and ending them.
Run as a program it does that for its own server, then becomes it. Does not belong here: anything
that needs an import of the platform; it runs at every start.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path


def orphaned_processes(supervisor: str, program: str = "") -> list[int]:
    """Processes of a Supervisor, by its URL, and of one of its programs; this one excepted."""
    marks = {f"SUPERVISOR_SERVER_URL={supervisor}".encode()}
    if program:
        marks.add(f"SUPERVISOR_PROCESS_NAME={program}".encode())
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            environment = set((process / "environ").read_bytes().split(b"\0"))
            if marks <= environment and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found


def end(processes: list[int]) -> None:
    """End processes at once: who would have asked them politely is gone."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def main(command: list[str]) -> None:
    """End what a predecessor left, and become the server."""
    end(
        orphaned_processes(
            os.environ["SUPERVISOR_SERVER_URL"], os.environ["SUPERVISOR_PROCESS_NAME"]
        )
    )
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
