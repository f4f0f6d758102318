"""What Prometheus would read of a platform, as plain data, and a platform to read it of.

Belongs here: making and reading it, for the tests of the exporter. Does not belong here: what must
be true of it.
"""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tip_assets.exporter.collector import MetricStoreCollector
from tip_assets.settings import Settings

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def platform_of_a_month(storage: Path) -> None:
    """Let a platform run the sample month."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TIPS_", "MLFLOW_"))}
    subprocess.run(
        [Path(sys.executable).parent / "tips", "run", "--month", "2024-01", "--sample"],
        env=clean | {"TIPS_STORAGE": str(storage), "TIPS_TRIALS": "4"},
        check=True,
        capture_output=True,
    )


def copy_of(settings: Settings, storage: Path) -> Settings:
    """A platform with a copy of the metric store of another, and nothing else."""
    storage.mkdir(parents=True, exist_ok=True)
    copied = settings.model_copy(update={"storage": str(storage)})
    source, copy = (sa.create_engine(s.metric_store_url).connect() for s in (settings, copied))
    with source, copy:
        source.connection.driver_connection.backup(copy.connection.driver_connection)
    return copied


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


def scraped(address: str) -> Samples:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return parsed(answer.read().decode())
