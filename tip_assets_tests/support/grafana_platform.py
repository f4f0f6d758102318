"""What Grafana asks: a Postgres and a Prometheus that know a platform of three months.

Belongs here: making them, with something in every table and every metric that a dashboard shows.
Does not belong here: Grafana's side (`grafana_queries.py`), or what must be true of its answers.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import pandas as pd
import sqlalchemy as sa
import yaml

from app.app_metrics import FILE, FORM, AppMetrics, expose
from deploy.stack.folder import Stack
from deploy.stack.grafana import metric_store_variables
from tip_assets import contract
from tip_assets.exporter.server import start
from tip_assets.ingestion.feedback import PREDICTION_ID, TIP, tell_tips
from tip_assets.ingestion.simulate import UNCHANGED, Change, land_generated, land_sample
from tip_assets.metric_store import tables
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.runtime.databases import create_databases
from tip_assets.runtime.supervisor import util_linux
from tip_assets.settings import Settings
from tip_assets.tracking.registry import CHAMPION, ModelRegistry
from tip_assets.tracking.runs import example_records
from tip_assets_tests.support.grafana_queries import Grafana
from tip_assets_tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
BINARIES = Path(sys.executable).parent
PORTS = ("postgres", "s3", "mlflow", "exporter", "prometheus", "alertmanager", "app_metrics")
# In the last of them bills and guests are others: its model is held, alerts fire.
MONTHS = ("2024-01", "2024-02", "2024-03")
DRIFTED = Change(prices=1.6, generosity=1.3, lunch_share=0.9, larger_parties=0.5)
SCRAPES = 8


@dataclass
class GrafanaPlace:
    """The platform, and Grafana's way in."""

    settings: Settings
    registry: ModelRegistry
    grafana: Grafana
    begin: datetime

    @property
    def log(self) -> PredictionLog:
        return PredictionLog(MetricStore(url=self.settings.metric_store_url))


@contextmanager
def grafana_place() -> Iterator[GrafanaPlace]:
    """A platform that has run its months and answers for as long as the block lasts."""
    # Not pytest's folder: Postgres, which refuses to be root, must get through to it.
    folder = Path(tempfile.mkdtemp(prefix="tips-grafana-"))
    ports = {f"{name}_port": free_port() for name in PORTS}
    stack = Stack(folder, Settings(**ports))
    begin = datetime.now(UTC) - timedelta(seconds=1)
    with ExitStack() as running:
        running.callback(shutil.rmtree, folder)
        stack.prepare()
        running.enter_context(postgres(stack))
        told = stack.environment()
        create_databases(stack.admin_url(), [told["TIPS_METRIC_STORE"]], told["TIPS_METRIC_READER"])
        settings = Settings(
            storage=f"{folder}/data",
            metric_store=told["TIPS_METRIC_STORE"],
            metric_reader=told["TIPS_METRIC_READER"],
            column_alarm="1 of 1",  # drift of a column is told of in its first month
            **ports,
        )
        _run_months(settings)
        registry = ModelRegistry(mlflow.MlflowClient(settings.tracking_uri, settings.tracking_uri))
        place = GrafanaPlace(settings, registry, _grafana(settings, begin), begin)
        _tell_tips(place)
        _land_a_month_that_waits(place)
        running.enter_context(_metrics(place, stack))
        place.grafana.end = datetime.now(UTC)
        yield place
        place.log.store.engine.dispose()
        place.grafana.postgres.dispose()


def _grafana(settings: Settings, begin: datetime) -> Grafana:
    """Grafana's connection, by what the data source's file is told."""
    told = metric_store_variables(settings.metric_reader, "disable")
    host, port = told["GRAFANA_POSTGRES_ADDRESS"].split(":")
    url = sa.URL.create(
        "postgresql+psycopg2",
        told["GRAFANA_POSTGRES_USER"],
        told["GRAFANA_POSTGRES_PASSWORD"],
        host,
        int(port),
        told["GRAFANA_POSTGRES_DATABASE"],
        {"sslmode": told["GRAFANA_POSTGRES_SSLMODE"]},
    )
    prometheus = f"http://127.0.0.1:{settings.prometheus_port}"
    return Grafana(sa.create_engine(url), prometheus, begin, begin)


@contextmanager
def postgres(stack: Stack, *options: str) -> Iterator[None]:
    """Run the Postgres of a prepared stack with `options`, such as `log_statement=ddl`."""
    (server,) = [server for server in stack.servers if server.name == "postgres"]
    command = [*server.command.split(), *(f"--{option}" for option in ("fsync=off", *options))]
    if server.user:
        command = [util_linux("setpriv"), f"--reuid={server.user}", "--clear-groups", *command]
    with _process(command, stack.folder / "logs" / "postgres.log", signal.SIGINT):
        _wait("Postgres", server.answers)
        yield


def _run_months(settings: Settings) -> None:
    storage = settings.storage_root
    land_sample(storage, MONTHS[0])
    land_generated(storage, MONTHS[1], 200, 2, UNCHANGED, broken=True)
    land_generated(storage, MONTHS[2], 200, 3, DRIFTED)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TIPS_", "MLFLOW_"))}
    told = {
        "TIPS_STORAGE": settings.storage,
        "TIPS_METRIC_STORE": settings.metric_store,
        "TIPS_TRIALS": "4",
    }
    done = subprocess.run(
        [BINARIES / "tips", "backfill"],
        env=clean | told,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr  # the last is held


def _tell_tips(place: GrafanaPlace) -> None:
    """Predictions of the drifted month and of now, half of their tips told."""
    records = example_records().to_dict("records")
    now = datetime.now(UTC)
    for month_of in (datetime(2024, 3, 15, 12, tzinfo=UTC), now):
        rows = [
            {
                "id": f"{month_of:%Y%m}{number:02}",
                "at": month_of - timedelta(seconds=0.1 * number),
                "month": f"{month_of:%Y-%m}",
                "version": 1,
                "inputs": {k: getattr(v, "item", lambda v=v: v)() for k, v in record.items()},
                "contract": contract.VERSION,
                "predicted": 3.0,
                "low": 2.0,
                "high": 5.0,
                "coverage": 0.9,
            }
            for number, record in enumerate((records * 10)[:10])
        ]
        place.log.record(rows)
        tips = {row["id"]: 2.5 + number for number, row in enumerate(rows[:5])}
        told = pd.DataFrame({PREDICTION_ID: list(tips), TIP: list(tips.values())})
        assert tell_tips(place.log, told, now).new == 5


def _land_a_month_that_waits(place: GrafanaPlace) -> None:
    store = place.log.store
    row = store.select(sa.select(tables.landing).where(tables.landing.c.month == MONTHS[-1]))[0]
    with store.engine.begin() as connection:
        connection.execute(sa.insert(tables.landing), [{**row, "month": "2024-04"}])


@contextmanager
def _metrics(place: GrafanaPlace, stack: Stack) -> Iterator[None]:
    """Exporter, app and Prometheus, which scrapes them every second."""
    champion = place.registry.by_alias(CHAMPION)
    assert champion is not None
    app: Any = AppMetrics()
    app.answers(SimpleNamespace(version=champion))
    assert expose(app, "127.0.0.1", place.settings.app_metrics_port)
    server, _ = start(place.settings)
    file = stack.folder / "monitoring" / "prometheus.yml"
    content = yaml.safe_load(file.read_text())
    content["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    file.write_text(yaml.safe_dump(content))
    (prometheus,) = [server for server in stack.servers if server.name == "prometheus"]
    try:
        with _process(prometheus.command.split(), stack.folder / "logs" / "prometheus.log"):
            _wait("Prometheus", prometheus.answers)
            scraped = "min(count_over_time(up[1m]))"
            for _ in range(SCRAPES):
                app.predicted(FORM)
                app.predicted(FILE, 20)
                app.took(0.004)
                app.refused(FILE, Counter({("total_bill", "not a number"): 3}))
                before = _number(place.grafana, scraped)
                _wait("a scrape", lambda before=before: _number(place.grafana, scraped) > before)
            fires = 'count(ALERTS{alertstate="firing"})'
            _wait("alerts", lambda: _number(place.grafana, fires) >= 3)
            yield
    finally:
        server.shutdown()
        server.server_close()


def _number(grafana: Grafana, expression: str) -> float:
    found = grafana.api("query", query=expression)["result"]
    return float(found[0]["value"][1]) if found else 0.0


@contextmanager
def _process(
    command: list[str], log: Path, stop: signal.Signals = signal.SIGTERM
) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd="/")
        try:
            yield
        finally:
            process.send_signal(stop)
            process.wait(30)


def _wait(what: str, until: Any) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)
