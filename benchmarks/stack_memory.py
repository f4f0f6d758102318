"""Memory of the stack while a month runs: `make stack`, then `python -m benchmarks.stack_memory`.

Sums the proportional set size (proc(5), smaps_rollup) of every process of the stack, each second:
what the machine would gain if all of them were gone. The month is one that has landed already, run
again through Dagster's daemon, or any other that its sensor finds meanwhile.
"""

import sys
import time
from pathlib import Path

from tip_assets.settings import Settings


def of_the_stack(process: Path, folder: str) -> bool:
    """Whether a process has the stack's folder in its environment or on its command line."""
    try:
        words = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    except OSError:  # it has ended
        return False
    return f"{folder}/".encode() in words


def megabytes(process: Path) -> float:
    """The proportional set size of a process; 0 when it has ended."""
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main(seconds: float) -> None:
    """Print the least and the most of so many seconds."""
    folder = str(Path(Settings().stack_folder).resolve())
    seen, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        processes = [p for p in Path("/proc").glob("[0-9]*") if of_the_stack(p, folder)]
        seen.append(sum(megabytes(process) for process in processes))
        time.sleep(1)
    print(f"least {min(seen):.0f} MB, most {max(seen):.0f} MB, over {seconds:.0f} s")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
