"""What Prometheus reads: everything the original showed and how the platform is, bounded and true.

The store is that of one real month; what happens to it is done by the functions that do it.
"""

import os
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.scrape import lengthen, predict
from tip_assets import contract
from tip_assets.exporter import collector, data, limits, model, platform
from tip_assets.exporter.collector import MetricStoreCollector
from tip_assets.resources.metric_store import MetricStore
from tip_assets.resources.metric_tables import metadata
from tip_assets.settings import Settings

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
ORIGINAL = {
    "data_quality": 192,
    "regression_performance": 78,
    "num_target_drift": 16,
    "data_drift": 11,
}
METRICS = [*(*collector.METRICS, *data.METRICS, *limits.METRICS, *model.METRICS, *platform.METRICS)]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def month(tmp_path_factory) -> sa.Engine:
    """The metric store of a platform that has run the sample month, to be copied."""
    storage = tmp_path_factory.mktemp("exporter") / "data"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TIPS_", "MLFLOW_"))}
    subprocess.run(
        [Path(sys.executable).parent / "tips", "run", "--month", "2024-01", "--sample"],
        env=clean | {"TIPS_STORAGE": str(storage), "TIPS_TRIALS": "4"},
        check=True,
        capture_output=True,
    )
    return sa.create_engine(Settings(storage=str(storage)).metric_store_url)


@pytest.fixture
def settings(month, tmp_path) -> Settings:
    """Settings of a platform with a copy of that store."""
    made = Settings(storage=str(tmp_path))
    with month.connect() as source, sa.create_engine(made.metric_store_url).connect() as copy:
        source.connection.driver_connection.backup(copy.connection.driver_connection)
    return made


@pytest.fixture
def store(settings) -> MetricStore:
    return MetricStore(url=settings.metric_store_url)


def text_of(settings: Settings, within_seconds: float = 20) -> str:
    registry = CollectorRegistry()
    registry.register(MetricStoreCollector(settings, within_seconds))
    return generate_latest(registry).decode()


def samples(settings: Settings) -> Samples:
    return parsed(text_of(settings))


def parsed(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def mapped() -> list[tuple[str, str, int, str, dict[str, str]]]:
    """The rows of the document's table: family, gauge, number, and the selector of our series."""
    row = r"^\| `(\w+)` \| ([^|]+) \| (\d+) \| `(\w+)(?:\{([^}]*)\})?` \|"
    rows = re.findall(row, DOCUMENT, re.M)
    return [
        (family, words, int(count), name, dict(re.findall(r'(\w+)="([^"]*)"', selector)))
        for family, words, count, name, selector in rows
    ]


def test_each_of_the_297_gauges_has_a_labelled_equivalent(settings):
    """The table in docs/monitoring.md, held against what is exported and against the original."""
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


def test_every_metric_is_exported_and_in_the_document_with_its_labels(settings, store):
    lengthen(store, 2)
    predict(store, 1)
    far = datetime(2024, 3, 1, tzinfo=UTC)
    store.record_landing({"2024-03": {"files": 1, "at": far}})
    store.hold("2024-03", 9, 1, "poor")
    comparison = {"rows": 9, "rmse": 1, "champion_rmse": 1, "difference": 0, "low": -1, "high": 1}
    facts = {"version": 2, "champion": 1, "confidence": 0.95, "verdict": "not enough evidence"}
    store.replace_month("2024-02", {metadata.tables["comparison"]: [comparison | facts]})
    exported = {name.removesuffix("_total") for name, _ in samples(settings)}
    assert {metric.name.removesuffix("_total") for metric in METRICS} == exported
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        assert re.search(rf"^\| `{metric.name}` \| {re.escape(labels)} \|", DOCUMENT, re.M), metric
    assert all(metric.help.endswith(".") or "By " in metric.help for metric in METRICS)


def test_the_number_of_series_does_not_grow_with_months_and_versions(settings, store):
    lengthen(store, 3)
    predict(store, 3)
    few = samples(settings)
    wider = settings.model_copy(update={"storage": settings.storage + "-long"})
    with (
        store.engine.connect() as source,
        sa.create_engine(_made(wider).metric_store_url).connect() as copy,
    ):
        source.connection.driver_connection.backup(copy.connection.driver_connection)
    longer = MetricStore(url=wider.metric_store_url)
    for table in metadata.tables.values():  # back to the one month, then on to two years
        if "month" in table.c:
            with longer.engine.begin() as connection:
                connection.execute(sa.delete(table).where(table.c.month != "2024-01"))
    lengthen(longer, 24)
    predict(longer, 24)
    assert {_without_month(key) for key in samples(wider)} == {_without_month(key) for key in few}


def _made(settings: Settings) -> Settings:
    Path(settings.storage).mkdir()
    return settings


def _without_month(key: tuple[str, frozenset[tuple[str, str]]]) -> tuple[str, frozenset]:
    return key[0], frozenset(pair for pair in key[1] if pair[0] not in ("month", "version"))


def test_a_store_that_hangs_is_told_in_bounded_time_with_the_limits():
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
            assert value(found, "tips_kept_rows") is None, "what is not known is not told"


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


def test_a_new_platform_has_no_month_and_no_trouble(tmp_path):
    found = samples(Settings(storage=str(tmp_path)))
    assert value(found, "tips_metric_store_up") == 1
    assert value(found, "tips_promotions_held") == 0
    assert not [name for name, _ in found if name.startswith(("tips_month", "tips_drift_score"))]


def test_the_month_shows_as_it_is_in_the_store(settings, store):
    found = samples(settings)
    assert value(found, "tips_kept_rows") == 244
    assert value(found, "tips_quarantined_rows") == 0
    assert value(found, "tips_month_info", stage="decided", month="2024-01") == 1
    end = datetime(2024, 2, 1, tzinfo=UTC).timestamp()
    assert value(found, "tips_month_end_timestamp_seconds", stage="ingested") == end
    assert value(found, "tips_champion_info", version="1", month="2024-01") == 1
    assert value(found, "tips_runs_total", outcome="success") == 1
    drift = metadata.tables["drift"]
    for row in store.select(sa.select(drift)):
        of_column = {"column": row["column"], "role": row["role"]}
        assert value(found, "tips_drift_score", **of_column, test=row["test"]) == row["score"]
    checks = store.checks("2024-01")
    assert len(checks) == 14
    for check in checks:
        labels = {"asset": check["asset"], "check": check["check"]}
        blocking = str(check["blocking"]).lower()
        assert value(found, "tips_check_passed", **labels, blocking=blocking) == check["passed"]


def test_drift_of_a_column_is_counted_in_the_window_of_the_setting(settings, store):
    lengthen(store, 4)
    drift = metadata.tables["drift"]
    with store.engine.begin() as connection:
        of_bill = drift.c.column == contract.BILL
        drifted = drift.c.month.in_(["2024-01", "2024-03", "2024-04"])
        connection.execute(sa.update(drift).where(of_bill, drifted).values(drifted=True))
    bill, tip = ({"column": contract.BILL, "role": "feature"}, {"column": "tip", "role": "target"})
    found = samples(settings)
    assert value(found, "tips_column_drifted_months", **bill) == 2
    assert value(found, "tips_column_drifted_months", **tip) == 0
    assert value(found, "tips_column_drifted_months_limit") == 2
    wider = samples(settings.model_copy(update={"column_alarm": "3 of 4"}))
    assert value(wider, "tips_column_drifted_months", **bill) == 3
    assert value(wider, "tips_column_drifted_months_limit") == 3


def test_a_held_promotion_waits_until_it_is_released_or_a_newer_month_is_decided(settings, store):
    def held() -> tuple[float | None, float | None]:
        found = samples(settings)
        since = value(found, "tips_promotion_held_since_timestamp_seconds")
        return value(found, "tips_promotions_held"), since

    assert held() == (0, None)
    store.hold("2024-02", 2, 1, "drifted")
    (first,) = [row["at"] for row in store.history() if row["month"] == "2024-02"]
    store.hold("2024-03", 3, 1, "drifted")
    assert held() == (2, first.replace(tzinfo=UTC).timestamp())
    decision = {"challenger": 3, "champion_before": 1, "reason": "fine", "person": "somebody"}
    now = datetime.now(UTC)
    store.record_decision(
        {"cause": "release", "month": "2024-03", "at": now, "action": "released"}
        | decision
        | {"champion_after": 3}
    )
    assert held() == (0, None)
    found = samples(settings)
    assert value(found, "tips_champion_info", version="3", month="2024-03") == 1
    assert value(found, "tips_champion_age_months") == 0


def test_a_rollback_shows_who_serves_and_how_old_it_is(settings, store):
    lengthen(store, 3)
    found = samples(settings)
    assert value(found, "tips_champion_info", version="3", month="2024-03") == 1
    later = max(row["at"] for row in store.history()).replace(tzinfo=UTC) + timedelta(days=1)
    store.record_decision(
        {
            **{"cause": "rollback", "month": "2024-03", "at": later, "action": "rolled back"},
            **{"challenger": None, "champion_before": 3, "champion_after": 1},
            **{"reason": "worse in the restaurant", "person": "somebody"},
        }
    )
    found = samples(settings)
    assert value(found, "tips_champion_info", version="1", month="2024-01") == 1
    assert value(found, "tips_champion_info", version="3", month="2024-03") is None
    assert value(found, "tips_champion_age_months") == 2
    assert value(found, "tips_champion_since_timestamp_seconds") == later.timestamp()
    assert value(found, "tips_decisions", action="rolled back") == 1


@pytest.mark.parametrize(
    ("status", "failure", "waits"),
    [
        ("SUCCESS", None, False),
        ("FAILURE", None, False),
        ("FAILURE", "raw_tips: the disk is full", True),
        ("CANCELED", "the run was canceled", True),
    ],
    ids=["done", "stopped by a check", "failed", "canceled"],
)
def test_a_month_waits_until_a_run_has_finished_on_its_files(
    settings, store, status, failure, waits
):
    landed = datetime.now(UTC).replace(microsecond=0)
    assert value(samples(settings), "tips_unprocessed_months") == 0
    store.record_landing({"2024-02": {"files": 1, "at": landed}})
    found = samples(settings)
    assert value(found, "tips_unprocessed_months") == 1
    assert value(found, "tips_unprocessed_since_timestamp_seconds") == landed.timestamp()
    assert value(found, "tips_landing_newest_file_timestamp_seconds") == landed.timestamp()
    outcome = {"run_id": "r", "month": "2024-02", "job": "monthly", "failure": failure}
    ended = {"status": status, "ended_at": landed + timedelta(minutes=1)}
    store.record_run(outcome | ended, {})
    assert value(samples(settings), "tips_unprocessed_months") == waits
    store.record_landing({"2024-02": {"files": 2, "at": landed + timedelta(hours=1)}})
    assert value(samples(settings), "tips_unprocessed_months") == 1, "a late file waits again"
