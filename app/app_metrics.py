"""The app's own numbers, for Prometheus.

Belongs here: their names and the port they are read from. Does not belong here: the platform's
numbers, which its own exporter reads from the metric store.
"""

import logging
from collections import Counter as Counted

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from tip_assets.serving.loaded_model import LoadedModel

logger = logging.getLogger(__name__)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_LOGGERS = ("app.scoring_jobs", "streamlit.error_util")
FORM, FILE = "form", "file"


class AppMetrics:
    """Counters since the app was started, and facts about the model that answers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._predictions = Counter(
            "tips_app_predictions",
            "Predictions made, by where they were asked for.",
            ["source"],
            registry=self.registry,
        )
        self._refused = Counter(
            "tips_app_refused_rows",
            "Records refused, by where they were asked for, column and first reason.",
            ["source", "column", "reason"],
            registry=self.registry,
        )
        # Its series are there from the start: one that is born at its full value has not
        # increased, to Prometheus.
        self._refusals = Counter(
            "tips_app_refusals",
            "Records refused, by where they were asked for.",
            ["source"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "tips_app_prediction_seconds",
            "Time that a prediction for one form takes, interval and contributions included.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._model = Gauge(
            "tips_app_model_info",
            "1 for the registry version that answers.",
            ["version", "month"],
            registry=self.registry,
        )
        self._registered = Gauge(
            "tips_app_model_registered_timestamp_seconds",
            "When the version that answers was registered.",
            registry=self.registry,
        )
        self._registered.set(float("nan"))
        self.exceptions = Counter(
            "tips_app_exceptions",
            "Pages that failed, and files that could not be scored, by a fault.",
            registry=self.registry,
        )
        for source in (FORM, FILE):
            self._predictions.labels(source)
            self._refusals.labels(source)

    def predicted(self, source: str, count: int = 1) -> None:
        """Count predictions that were made."""
        self._predictions.labels(source).inc(count)

    def refused(self, source: str, reasons: Counted[tuple[str, str]]) -> None:
        """Count refused records by column and reason; both are the contract's words, so few."""
        for (column, reason), count in reasons.items():
            self._refused.labels(source, column, reason).inc(count)
        self._refusals.labels(source).inc(reasons.total())

    def took(self, seconds: float) -> None:
        """Note how long a prediction for one form took."""
        self._seconds.observe(seconds)

    def answers(self, model: LoadedModel) -> None:
        """Note which model answers from now on."""
        self._model.clear()
        self._model.labels(str(model.version.number), model.version.month).set(1)
        self._registered.set(model.version.registered_at.timestamp())


def count_exceptions(metrics: AppMetrics) -> None:
    """Count what people met: pages that failed, which Streamlit logs, and files not scored."""

    def count(record: logging.LogRecord) -> bool:
        if record.exc_info:
            metrics.exceptions.inc()
        return True

    # Not a handler: where a logger has one, Python no longer prints what it logs by itself.
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(count)


def expose(metrics: AppMetrics, host: str, port: int) -> bool:
    """Let Prometheus read the numbers; False when the port is taken: the app goes on without."""
    try:
        start_http_server(port, host, registry=metrics.registry)
    except OSError as error:
        logger.warning(
            "port %d, meant for the app's own numbers, cannot be opened (%s): Prometheus cannot "
            "read them; stop who has it or set TIPS_APP_METRICS_PORT",
            port,
            error.strerror,
        )
        return False
    return True
