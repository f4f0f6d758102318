"""The exporter's HTTP server, started by `tips exporter`."""

from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from tip_assets.exporter.collector import MetricStoreCollector
from tip_assets.settings import Settings


def registry(settings: Settings) -> CollectorRegistry:
    """Return the registry of the platform's metrics and those of this process."""
    made = CollectorRegistry()
    made.register(MetricStoreCollector(settings))
    ProcessCollector(registry=made)
    return made


def start(settings: Settings) -> tuple[WSGIServer, Thread]:
    """Start serving `/metrics`. Raises OSError when the port is taken."""
    made = registry(settings)
    server, thread = start_http_server(
        settings.exporter_port, settings.exporter_host, registry=made
    )
    return server, thread
