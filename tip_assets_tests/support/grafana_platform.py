"""A Postgres and a Prometheus with something in every table and metric that a dashboard shows."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
from tip_assets import contract
from tip_assets.exporter import server as exporter
from tip_assets.ingestion.feedback import PREDICTION_ID, TIP, submit_feedback
from tip_assets.ingestion.simulate import UNCHANGED, Change, land_generated, land_sample
from tip_assets.metric_store import tables
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.runtime.database_roles import create_databases, owner_url
from tip_assets.settings import Settings
from tip_assets.tracking.registry import CHAMPION, ModelRegistry
from tip_assets.tracking.runs import example_records
from tip_assets_tests.support.grafana_queries import Grafana
from tip_assets_tests.support.ports import free_port
from tip_assets_tests.support.postgres import only_postgres, running, wait_for
from tip_assets_tests.support.processes import call, environment_of

ROOT = Path(__file__).parents[2]
PORTS = ("s3", "mlflow", "exporter", "prometheus", "alertmanager", "app_metrics")
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

    @property
    def log(self) -> PredictionLog:
        return PredictionLog(MetricStore(url=self.settings.metric_store_url))


@contextmanager
def grafana_place() -> Iterator[GrafanaPlace]:
    """A platform that has run its months and answers for as long as the block lasts."""
    ports = {f"{name}_port": free_port() for name in PORTS}
    begin = datetime.now(UTC) - timedelta(seconds=1)
    with only_postgres(**ports) as stack:
        environment = stack.environment()
        url = environment["TIPS_METRIC_STORE"]
        create_databases(stack.admin_url(), [url], environment["TIPS_METRIC_READER"])
        MetricStore(url=owner_url(stack.admin_url(), url)).engine.dispose()
        settings = Settings(
            storage=f"{stack.folder}/data",
            metric_store=url,
            metric_reader=environment["TIPS_METRIC_READER"],
            **ports,
        )
        _run_months(settings)
        registry = ModelRegistry(mlflow.MlflowClient(settings.tracking_uri, settings.tracking_uri))
        reader = sa.create_engine(settings.metric_reader)
        prometheus = f"http://127.0.0.1:{settings.prometheus_port}"
        place = GrafanaPlace(settings, registry, Grafana(reader, prometheus, begin, begin))
        _submit_tips(place)
        _land_a_month_that_waits(place)
        with _metrics(place, stack):
            place.grafana.end = datetime.now(UTC)
            yield place
        place.log.store.engine.dispose()
        place.grafana.postgres.dispose()


def _run_months(settings: Settings) -> None:
    storage = settings.storage_root
    land_sample(storage, MONTHS[0])
    land_generated(storage, MONTHS[1], 200, 2, UNCHANGED, broken=True)
    land_generated(storage, MONTHS[2], 200, 3, DRIFTED)
    variables = {"TIPS_METRIC_STORE": settings.metric_store, "TIPS_TRIALS": "4"}
    environment = environment_of(Path(settings.storage), **variables)
    done = call(["backfill"], environment)
    assert done.returncode == 3, done.stdout + done.stderr  # the last is held


def _submit_tips(place: GrafanaPlace) -> None:
    """Predictions of the drifted month and of now, half of their tips submitted."""
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
        tips_given = pd.DataFrame({PREDICTION_ID: list(tips), TIP: list(tips.values())})
        assert submit_feedback(place.log, tips_given, now).new == 5


def _land_a_month_that_waits(place: GrafanaPlace) -> None:
    store = place.log.store
    row = store.select(sa.select(tables.landing).where(tables.landing.c.month == MONTHS[-1]))[0]
    with store.engine.begin() as connection:
        connection.execute(sa.insert(tables.landing), [{**row, "month": "2024-04"}])


@contextmanager
def _metrics(place: GrafanaPlace, stack: Stack) -> Iterator[None]:
    """Exporter, app, Alertmanager, and Prometheus, which scrapes them every second."""
    champion = place.registry.by_alias(CHAMPION)
    assert champion is not None
    app: Any = AppMetrics()
    app.answers(SimpleNamespace(version=champion))
    assert expose(app, "127.0.0.1", place.settings.app_metrics_port)
    server, _ = exporter.start(place.settings)
    file = stack.folder / "monitoring" / "prometheus.yml"
    content = yaml.safe_load(file.read_text())
    content["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    file.write_text(yaml.safe_dump(content))
    try:
        with running(stack, "alertmanager"), running(stack, "prometheus"):
            scraped = "min(count_over_time(up[1m]))"
            for _ in range(SCRAPES):
                app.predicted(FORM)
                app.predicted(FILE, 20)
                app.took(0.004)
                app.refused(FILE, Counter({("total_bill", "not a number"): 3}))
                before = _number(place.grafana, scraped)
                wait_for("a scrape", lambda before=before: _number(place.grafana, scraped) > before)
            fires = 'count(ALERTS{alertstate="firing",severity!="none"})'
            wait_for("alerts", lambda: _number(place.grafana, fires) >= 2)
            yield
    finally:
        server.shutdown()
        server.server_close()


def _number(grafana: Grafana, expression: str) -> float:
    found = grafana.api("query", query=expression)["result"]
    return float(found[0]["value"][1]) if found else 0.0
