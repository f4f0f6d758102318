"""How long a scrape of the exporter takes with years in the metric store, and how much work it is.

A real month is run once and its rows are repeated under other months and versions, with checks,
decisions, runs and predictions as many as so many months leave. Usage:
python -m benchmarks.scrape [MONTHS]
"""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from tip_assets.exporter.server import start
from tip_assets.metric_store import tables
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import month_after
from tip_assets.settings import Settings

MONTH, SCRAPES, WARM_UP, TARGET_MS = "2024-01", 200, 5, 100
PREDICTIONS, TOLD = 1_000, 250  # a month
IN_NEWEST = 200_000  # predictions of the newest month: of files, whose tips are not known yet
_VERSIONS = ("version", "champion", "served_by", "challenger", "champion_after", "champion_before")


def lengthen(store: MetricStore, months: int) -> None:
    """Repeat the rows of the store's only month under the months after it, versions counted on.

    Keys that are no month get the month's number behind them.
    """
    for table in tables.metadata.tables.values():
        if "month" not in table.c or table is tables.prediction_log:
            continue
        rows = store.select(sa.select(table).where(table.c.month == MONTH))
        new = [_repeated(table, row, n) for n in range(1, months) for row in rows]
        if new:
            with store.engine.begin() as connection:
                connection.execute(sa.insert(table), new)


def _repeated(table: sa.Table, row: Mapping[str, Any], number: int) -> dict[str, Any]:
    later = {"month": month_after(MONTH, number)}
    for column in table.primary_key.columns:
        if column.name in ("cause", "run_id"):
            later[column.name] = f"{row[column.name]} {number}"
    for name in _VERSIONS:
        if row.get(name) is not None:
            later[name] = row[name] + number
    for name in ("at", "ended_at", "since"):
        if row.get(name) is not None:
            later[name] = row[name] + timedelta(days=30 * number)
    return {**row, **later}


def predict(store: MetricStore, months: int, in_newest: int = PREDICTIONS) -> None:
    """Fill the log of predictions, some of each month with their tips."""
    log, rng = PredictionLog(store), np.random.default_rng(0)
    for n in range(months):
        month, at = month_after(MONTH, n), datetime(2024, 1, 1, tzinfo=UTC)
        count = in_newest if n == months - 1 else PREDICTIONS
        ids = [f"{month}-{place}" for place in range(count)]
        answer = {"predicted": 3.0, "low": 1.0, "high": 5.0, "coverage": 0.9}
        asked = {"at": at, "month": month, "version": n + 1, "inputs": {}, "contract": "1.0"}
        log.record([{"id": key, **asked, **answer} for key in ids])
        log.record_tips(dict(zip(ids, map(float, rng.normal(3, 1, TOLD)), strict=False)), at)


def main(months: int) -> None:
    """Run a month, repeat it, and print how long scrapes take."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"TIPS_STORAGE": folder, "TIPS_TRIALS": "4"}
        run = [str(Path(sys.executable).parent / "tips"), "run", "--month", MONTH, "--sample"]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
        settings = Settings(storage=folder, exporter_port=0)
        store = MetricStore(url=settings.metric_store_url)
        print("months in the store   series   kB   cpu ms   p50 ms   p99 ms   most ms")
        _measure(settings, 1)
        lengthen(store, months)
        predict(store, months, IN_NEWEST)
        p99 = _measure(settings, months)
        print(f"with {IN_NEWEST} predictions in the newest month, tips known of {TOLD}")
        print(f"p99 {p99:.0f} ms with {months} months (target: under {TARGET_MS} ms)")


def _measure(settings: Settings, months: int) -> float:
    server, _ = start(settings)
    address = f"http://127.0.0.1:{server.server_port}/metrics"
    took, text, worked = [], b"", 0.0
    for scrape in range(SCRAPES + WARM_UP):
        if scrape == WARM_UP:
            worked = time.process_time()
        begun = time.perf_counter()
        with urllib.request.urlopen(address, timeout=30) as answer:
            text = answer.read()
        took.append(1000 * (time.perf_counter() - begun))
    cpu = 1000 * (time.process_time() - worked) / SCRAPES
    server.shutdown()
    server.server_close()
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    low, high, most = np.quantile(took[WARM_UP:], [0.5, 0.99, 1])
    print(
        f"{months:19}   {series:6}  {len(text) / 1000:3.0f}  {cpu:7.1f}  "
        f"{low:7.1f}  {high:7.1f}  {most:8.1f}"
    )
    return float(high)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
