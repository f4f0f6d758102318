"""What Prometheus reads: everything that the original showed, as it should be, in bounded time."""

import csv
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest

from benchmarks.scrape import TOLD, lengthen, predict
from tip_assets.exporter import collector, data, disk, limits, model, platform
from tip_assets.exporter.collector import MetricStoreCollector
from tip_assets.exporter.page import Page
from tip_assets.ingestion.landing import Landed
from tip_assets.ingestion.landing_log import LandingLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.metric_store.tables import metadata
from tip_assets.settings import Settings
from tip_assets_tests.support.exporter import (
    copy_of,
    parsed,
    samples,
    scraped,
    text_of,
    value,
)
from tip_assets_tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
GAUGES = ROOT / "prometheus" / "original_gauges.csv"
_LABEL = re.compile(r'(\w+)="([^"]*)"')
ORIGINAL = {
    "data_quality": 192,
    "regression_performance": 78,
    "num_target_drift": 16,
    "data_drift": 11,
}
METRICS = [
    *(
        *collector.METRICS,
        *data.METRICS,
        *disk.METRICS,
        *limits.METRICS,
        *model.METRICS,
        *platform.METRICS,
    )
]


@pytest.fixture
def settings(month_settings, tmp_path) -> Settings:
    """Settings of a platform with a metric store of its own."""
    return copy_of(month_settings, tmp_path)


@pytest.fixture
def store(settings) -> MetricStore:
    return MetricStore(url=settings.metric_store_url)


def mapped() -> list[tuple[str, str, int, str, dict[str, str]]]:
    """The rows of the file: family, gauge, number, and the selector of our series."""
    with GAUGES.open(encoding="utf-8", newline="") as file:
        rows = [(*row.values(),) for row in csv.DictReader(file)]
    return [
        (family, gauge, int(count), metric.partition("{")[0], dict(_LABEL.findall(metric)))
        for family, gauge, count, metric in rows
    ]


def test_each_of_the_297_gauges_has_a_labelled_equivalent(settings):
    """prometheus/original_gauges.csv, against what is exported and against the original."""
    found = samples(settings)
    counted = dict.fromkeys(ORIGINAL, 0)
    for family, words, count, name, selector in mapped():
        series = {
            frozenset((key, val) for key, val in labels if key != "category")
            for sample, labels in found
            if sample == name and selector.items() <= dict(labels).items()
        }
        assert len(series) == count, (family, words, name, sorted(map(sorted, series)))
        counted[family] += count
    assert counted == ORIGINAL
    assert sum(counted.values()) == 297


def test_promtool_has_nothing_to_say(settings, store):
    predict(store, 1)
    text = text_of(settings)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_disks_are_those_of_local_folders(settings, tmp_path):
    found = samples(settings)
    places = {"state", "storage"}
    for place in places:
        size = value(found, "tips_disk_size_bytes", place=place)
        assert 0 < value(found, "tips_disk_free_bytes", place=place) < size
        assert size == shutil.disk_usage(settings.state_folder).total
    on_s3 = Settings(storage="s3://tips/platform", state=str(tmp_path / "none yet"))
    page = Page()
    disk.add_disks(page, on_s3)
    assert list(page.families()) == []


def test_every_metric_is_exported_and_described(settings, store):
    lengthen(store, 2)
    predict(store, 1)
    far = datetime(2024, 3, 1, tzinfo=UTC)
    LandingLog(store).record_check({"2024-03": Landed("new", 1, far)})
    store.hold("2024-03", 9, 1, "poor")
    comparison = {"rows": 9, "rmse": 1, "champion_rmse": 1, "difference": 0, "low": -1, "high": 1}
    facts = {"version": 2, "champion": 1, "confidence": 0.95, "verdict": "not enough evidence"}
    store.replace_month("2024-02", {metadata.tables["comparison"]: [comparison | facts]})
    exported = {name.removesuffix("_total") for name, _ in samples(settings)}
    assert {metric.name.removesuffix("_total") for metric in METRICS} == exported
    assert all(metric.help.endswith(".") or "By " in metric.help for metric in METRICS)


def test_the_number_of_series_does_not_grow_with_months_and_versions(settings, store, tmp_path):
    lengthen(store, 3)
    predict(store, 3)
    few = samples(settings)
    wider = copy_of(settings, tmp_path / "longer")
    longer = MetricStore(url=wider.metric_store_url)
    for table in metadata.tables.values():  # back to the one month, then on to two years
        if "month" in table.c:
            with longer.engine.begin() as connection:
                connection.execute(sa.delete(table).where(table.c.month != "2024-01"))
    lengthen(longer, 24)
    predict(longer, 24)
    assert {_without_month(key) for key in samples(wider)} == {_without_month(key) for key in few}


def test_predictions_without_a_tip_are_not_read(settings, store):
    """There may be millions of them in a month; a scrape finds the others by an index of theirs."""
    predict(store, 2)
    asked: list[tuple] = []

    def note(_connection, _cursor, statement, parameters, *_rest) -> None:
        if "FROM prediction_log" in statement:
            asked.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        assert value(samples(settings), "tips_realised_tips", period="newest") == TOLD
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    (statement, parameters), *others = asked
    assert not others, "the newest month is one that has ended, and is asked for once"
    with store.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"explain query plan {statement}", parameters)
        reads = [detail for *_, detail in plan if "prediction_log" in detail]
    assert len(reads) == 2
    assert all("COVERING INDEX ix_prediction_log_told_month" in detail for detail in reads), reads


def _without_month(key: tuple[str, frozenset[tuple[str, str]]]) -> tuple[str, frozenset]:
    return key[0], frozenset(pair for pair in key[1] if pair[0] not in ("month", "version"))


def test_a_store_that_hangs_is_reported_in_bounded_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        away = Settings(metric_store=f"postgresql+psycopg2://tips:x@127.0.0.1:{port}/metrics")
        registry = CollectorRegistry()
        registry.register(MetricStoreCollector(away, within_seconds=0.5))
        for errors in (1, 2):
            begun = time.monotonic()
            found = parsed(generate_latest(registry).decode())
            assert time.monotonic() - begun < 1.5
            assert value(found, "tips_metric_store_up") == 0
            assert value(found, "tips_exporter_scrape_errors_total") == errors
            assert value(found, "tips_quarantined_ratio_limit") == 0.2
            assert value(found, "tips_kept_rows") is None, "what is not known is not exported"


def test_two_scrapes_at_once_share_the_answer_and_nothing_else(settings, monkeypatch):
    collector, registry = MetricStoreCollector(settings), CollectorRegistry()
    registry.register(collector)
    asked, answers = threading.Barrier(3), threading.Event()
    question = collector._start_read

    def asks() -> Future[Page]:
        answer = question()
        asked.wait(20)
        return answer

    monkeypatch.setattr(collector, "_start_read", asks)
    collector._thread.submit(answers.wait)  # the store answers when both have asked
    with ThreadPoolExecutor(2) as prometheus:
        scrapes = [prometheus.submit(generate_latest, registry) for _ in range(2)]
        asked.wait(20)
        answers.set()
    lines = [scrape.result().decode().splitlines() for scrape in scrapes]
    for page in lines:
        assert page.count("tips_metric_store_up 1.0") == 1
        assert page.count("tips_exporter_scrape_errors_total 0.0") == 1
        assert page.count("tips_kept_rows 244.0") == 1


def test_a_store_that_comes_back_is_read_again(settings):
    database = Path(sa.make_url(settings.metric_store_url).database)
    registry = CollectorRegistry()
    registry.register(MetricStoreCollector(settings))
    hidden = database.rename(database.with_suffix(".away"))
    database.mkdir()
    assert value(parsed(generate_latest(registry).decode()), "tips_metric_store_up") == 0
    database.rmdir()
    hidden.rename(database)
    found = parsed(generate_latest(registry).decode())
    assert value(found, "tips_metric_store_up") == 1
    assert value(found, "tips_exporter_scrape_errors_total") == 1
    assert value(found, "tips_kept_rows") == 244


def test_a_new_platform_has_no_month_and_no_error(tmp_path):
    found = samples(Settings(storage=str(tmp_path)))
    assert value(found, "tips_metric_store_up") == 1
    assert value(found, "tips_promotions_held") == 0
    assert not [name for name, _ in found if name.startswith(("tips_month", "tips_drift_score"))]


@pytest.mark.services
def test_the_command_serves_what_is_in_the_store_at_that_moment(settings, store):
    """What changes shows at the next scrape; a second exporter says why it cannot start."""
    port = free_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TIPS_", "MLFLOW_"))}
    environment = clean | {"TIPS_STORAGE": settings.storage, "TIPS_EXPORTER_PORT": str(port)}
    command = [str(Path(sys.executable).parent / "tips"), "exporter"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = f"http://127.0.0.1:{port}/metrics"
            assert address in process.stdout.readline()
            assert value(scraped(address), "tips_promotions_held") == 0
            store.hold("2024-02", 2, 1, "drifted")
            found = scraped(address)
            assert value(found, "tips_promotions_held") == 1
            assert value(found, "process_resident_memory_bytes")
            second = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            assert second.returncode == 1
            assert f"port {port}, meant for the exporter, cannot be opened" in second.stderr
            assert "TIPS_EXPORTER_PORT" in second.stderr
        finally:
            process.terminate()
