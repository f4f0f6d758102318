"""A cold month of the platform beside the same library calls in a plain script.

Both run in fresh processes, alternately, so that a busy machine slows both. Reported is the median
of the ratios of neighbours. Usage: python -m benchmarks.month [REPEATS]
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

LINE = re.compile(r"^\[\d/9\] (\w+) +([\d.]+) s", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """Wall and CPU seconds, peak memory in MB, and what was printed."""

    wall: float
    cpu: float
    memory: float
    printed: str


def measure(command: list[str], environment: dict[str, str]) -> Measured:
    """Run a command to its end and measure it with its children, memory twice a second."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        memory, ended, looked = 0.0, 0, started
        while not ended:
            # Reading it stops the process for some milliseconds, so seldom.
            if time.monotonic() - looked > 0.5:
                memory, looked = max(memory, proportional_memory(process.pid)), time.monotonic()
            time.sleep(0.02)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{printed}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, memory, printed)


def proportional_memory(pid: int) -> float:
    """Memory of a process and its descendants in MB, shared pages counted once (PSS)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        # Each thread lists the children that it has started itself.
        threads = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    own = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return own + sum(proportional_memory(int(child)) for child in " ".join(threads).split())


def main(repeats: int) -> None:
    """Measure, and print the table."""
    tips = str(Path(sys.executable).parent / "tips")
    plain_script = str(Path(__file__).with_name("plain_month.py"))
    months, plains = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            environment = {k: v for k, v in os.environ.items() if not k.startswith("TIPS_")}
            environment["TIPS_STORAGE"] = folder
            plains.append(measure([sys.executable, plain_script, folder], environment))
            run = [tips, "run", "--month", "2024-01", "--sample"]
            months.append(measure(run, environment))
    print(f"median of {repeats} cold runs each   wall s   CPU s   peak MB")
    for name, runs in (("plain script", plains), ("the month", months)):
        wall, cpu, memory = (
            statistics.median(getattr(run, fact) for run in runs)
            for fact in ("wall", "cpu", "memory")
        )
        print(f"{name:<30} {wall:7.1f} {cpu:7.1f} {memory:9.0f}")
    ratios = [month.wall / plain.wall for month, plain in zip(months, plains, strict=True)]
    print(f"ratio of wall times {statistics.median(ratios):.2f} (target: at most 1.45)")
    print("share of each asset in the month's wall time")
    for name in dict(LINE.findall(months[0].printed)):
        shares = [float(dict(LINE.findall(m.printed))[name]) / m.wall for m in months]
        print(f"  {name:<20} {100 * statistics.median(shares):5.1f} %")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
