"""The result of one scrape: metrics with their samples."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from tip_assets.metric_store.store import in_utc


@dataclass(frozen=True)
class Metric:
    """A metric with name, help text and labels; a gauge unless the name ends in `_total`."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    def family(self) -> Family:
        kind = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        return kind(self.name, self.help, labels=self.labels)


class Page:
    """Samples collected metric by metric."""

    def __init__(self) -> None:
        self._families: dict[Metric, Any] = {}

    def add(self, metric: Metric, value: Any, **labels: Any) -> None:
        """Add a sample; unknown values (None, NaN) are left out.

        A bool becomes 0 or 1, a time its seconds since 1970.
        """
        if isinstance(value, datetime):
            value = in_utc(value).timestamp()
        if value is None or not math.isfinite(value):
            return
        if metric not in self._families:
            self._families[metric] = metric.family()
        names = [str(labels[name]) for name in metric.labels]
        self._families[metric].add_metric(names, float(value))

    def families(self) -> Iterator[Family]:
        yield from self._families.values()
