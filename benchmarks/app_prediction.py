"""One form answered in the app's process, beside `mlflow models serve` on the same model; a file.

Both answer in turn, so that a busy machine slows both. Usage: python -m benchmarks.app_prediction
[ANSWERS]
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

MONTH, ROWS, SEED = "2024-01", 1_000_000, 7
WARM_UP = 20
HERE, HTTP = "app: tip, interval, parts, logged", "mlflow models serve: tip"
BINARIES = Path(sys.executable).parent


def main(answers: int) -> None:
    """Make a champion, measure, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"TIPS_STORAGE": folder, "TIPS_APP_METRICS_PORT": "0"}
        run = [str(BINARIES / "tips"), "run", "--month", MONTH, "--sample"]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
        _forms(answers)
        _file(Path(folder))


def _forms(answers: int) -> None:
    from app.predictions import predictions
    from app.sources import registry
    from tip_assets.ingestion.simulate import UNCHANGED, generate
    from tip_assets.modelling.boundary_inputs import SAME_WITHIN_USD
    from tip_assets.serving.champion import serving_version

    bills = generate(answers + WARM_UP, SEED, UNCHANGED).to_dict("records")
    room = predictions()
    begun = time.perf_counter()
    room.predict(bills[0])
    first = time.perf_counter() - begun
    with _served(serving_version(registry()).source) as address:
        took: dict[str, list[float]] = {HERE: [], HTTP: []}
        for bill in bills:
            here, predicted = _timed(room.predict, bill)
            there, other = _timed(_over_http, address, bill)
            mine = predicted.answer.prediction
            if abs(mine - other) > SAME_WITHIN_USD:
                raise SystemExit(f"{mine} USD in the app, {other} USD over HTTP for {bill}")
            took[HERE].append(here)
            took[HTTP].append(there)
    print(f"one form, {answers} answers each (ms)        p50    p99    most")
    for name, seconds in took.items():
        low, high, most = 1000 * np.quantile(seconds[WARM_UP:], [0.5, 0.99, 1])
        print(f"{name:<38}{low:7.2f}{high:7.2f}{most:8.2f}")
    print(f"the first form of a process, model loaded: {first:.1f} s")
    room.writer.finish(30)


def _file(folder: Path) -> None:
    from app.predictions import predictions
    from tip_assets import contract
    from tip_assets.ingestion.simulate import UNCHANGED, generate

    room, idle = predictions(), _resident()
    bills = generate(ROWS, SEED, UNCHANGED)[contract.FEATURE_NAMES]
    files = {suffix: folder / f"bills{suffix}" for suffix in (".csv", ".parquet")}
    bills.to_csv(files[".csv"], index=False)
    bills.to_parquet(files[".parquet"], index=False)
    del bills
    print(f"{ROWS:,} rows                                 s    MB above idle")
    for suffix, file in files.items():
        for log, words in ((False, "scored"), (True, "scored and logged")):
            with _peak(idle) as megabytes:
                seconds, _ = _timed(room.score, file, folder, _nobody, log)
            print(
                f"{suffix.removeprefix('.') + ', ' + words:<38}{seconds:7.1f}{megabytes[0]:10.0f}"
            )


def _nobody(_rows: int) -> None:
    """Ignores the progress."""


def _timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - begun, result


@contextmanager
def _peak(idle: float) -> Iterator[list[float]]:
    """The most memory of this process above what it had idle, in MB; a list that is filled."""
    megabytes, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            megabytes[0] = max(megabytes[0], _resident() - idle)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield megabytes
    finally:
        ended.set()
        watcher.join()


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def _served(model: str) -> Iterator[str]:
    """The address of `mlflow models serve` on a model."""
    from tip_assets.settings import get_settings

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [BINARIES / "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    server = subprocess.Popen(
        [*map(str, command), "-h", "127.0.0.1", "-p", str(port)],
        env=os.environ
        | {
            "PATH": f"{BINARIES}:{os.environ['PATH']}",
            "MLFLOW_TRACKING_URI": get_settings().tracking_uri,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 90
        while not _answers(f"http://127.0.0.1:{port}/ping"):
            if time.monotonic() > deadline or server.poll() is not None:
                raise SystemExit("mlflow models serve does not answer")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _over_http(address: str, bill: dict[str, Any]) -> float:
    body = json.dumps({"dataframe_records": [bill]}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return float(json.load(answer)["predictions"][0])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
