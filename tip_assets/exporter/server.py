"""The exporter's port: what `tips exporter` starts.

Belongs here: that. Does not belong here: what is read from it.
"""

from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from tip_assets.exporter.collector import MetricStoreCollector
from tip_assets.settings import Settings


def registry(settings: Settings) -> CollectorRegistry:
    """Everything that is exported: the platform's numbers, and those of this process."""
    made = CollectorRegistry()
    made.register(MetricStoreCollector(settings))
    ProcessCollector(registry=made)
    return made


def start(settings: Settings) -> tuple[WSGIServer, Thread]:
    """Serve `/metrics` from now on. Raises OSError when the port is taken."""
    made = registry(settings)
    server, thread = start_http_server(
        settings.exporter_port, settings.exporter_host, registry=made
    )
    return server, thread
