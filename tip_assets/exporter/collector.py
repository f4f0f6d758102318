"""Read the metric store at each scrape, in bounded time."""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from tip_assets.exporter.data import add_data
from tip_assets.exporter.disk import add_disks
from tip_assets.exporter.limits import add_limits
from tip_assets.exporter.model import add_models
from tip_assets.exporter.page import Metric, Page
from tip_assets.exporter.platform import add_platform
from tip_assets.exporter.reader import Reader
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.schema import UnusableSchema
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import MONTH_FORMAT
from tip_assets.settings import Settings

UP = Metric("tips_metric_store_up", "1 if this scrape could read the metric store, else 0.")
ERRORS = Metric(
    "tips_exporter_scrape_errors_total",
    "Scrapes since the exporter started that could not read the metric store.",
)
SECONDS = Metric("tips_exporter_scrape_seconds", "Duration of this scrape in the exporter.")
METRICS = (UP, ERRORS, SECONDS)
# Prometheus gives up after ten seconds.
WITHIN_SECONDS = 5.0
_log = logging.getLogger(__name__)


class MetricStoreCollector(Collector):
    """Collects the metrics from the metric store at each scrape.

    A scrape waits at most `within_seconds`. A read that hangs holds one thread, and no other read
    starts until it ends.
    """

    def __init__(self, settings: Settings, within_seconds: float = WITHIN_SECONDS) -> None:
        self._settings, self._within = settings, within_seconds
        url = settings.metric_reader or settings.metric_store_url
        self._store = MetricStore(url=_bounded(url, within_seconds))
        self._thread = ThreadPoolExecutor(1)
        self._lock = threading.Lock()
        self._pending: Future[Page] | None = None
        self._errors = 0

    def collect(self) -> Iterator[Family]:
        """Yield every metric; if the store cannot be read, only the limits and `UP` as 0."""
        begun = time.perf_counter()
        collected = self._read_in_time()
        # Concurrent scrapes share this page: add nothing to it.
        own, page = Page(), collected or Page()
        if collected is None:
            add_limits(page, self._settings)
        add_disks(own, self._settings)
        own.add(UP, collected is not None)
        own.add(ERRORS, self._errors)
        own.add(SECONDS, time.perf_counter() - begun)
        yield from page.families()
        yield from own.families()

    def describe(self) -> list[Family]:
        """Describe no metrics, so that registering the collector does not query the store."""
        return []

    def _read_in_time(self) -> Page | None:
        """Return the metrics of the store; None when it cannot be read."""
        try:
            return self._start_read().result(self._within)
        except TookTooLong:
            problem = f"has not answered for {self._within:g} seconds"
        except (SQLAlchemyError, OSError, UnusableSchema) as error:
            problem = str(error).partition("\n")[0]
        with self._lock:
            self._errors += 1
        _log.warning("the metric store cannot be read: %s", problem)
        return None

    def _start_read(self) -> Future[Page]:
        with self._lock:
            if self._pending is None or self._pending.done():
                self._pending = self._thread.submit(self._read)
            return self._pending

    def _read(self) -> Page:
        page = Page()
        add_limits(page, self._settings)
        log, this_month = PredictionLog(self._store), datetime.now(UTC).strftime(MONTH_FORMAT)
        newest = ended = log.newest_realised()
        if newest is not None and newest.month >= this_month:
            ended = log.newest_realised(before=this_month)
        with _at_one_moment(self._store.engine) as connection:
            reader = Reader(connection)
            add_data(page, reader)
            add_platform(page, reader, self._settings, newest)
            add_models(page, reader, {"newest": newest, "ended": ended})
        return page


@contextmanager
def _at_one_moment(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a connection whose queries all see the same snapshot: no month is half replaced."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def _bounded(url: str, seconds: float) -> str:
    """Return the URL with libpq's timeouts, so that a hanging thread ends eventually."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return url
    options = [parsed.query.get("options", ""), f"-c statement_timeout={round(1000 * seconds)}"]
    bounds = {
        "connect_timeout": str(max(2, round(seconds))),  # libpq takes no less than two
        "tcp_user_timeout": str(round(2000 * seconds)),
        "options": " ".join(map(str, options)).strip(),
    }
    return parsed.update_query_dict(bounds).render_as_string(hide_password=False)
