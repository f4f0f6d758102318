"""The platform's Prometheus metrics, read from the metric store at each scrape.

Defines the metrics (`data.py`, `model.py`, `platform.py`), reads them in bounded time
(`collector.py`) and serves them (`server.py`). Values that the pipeline can store are computed
there; the app has its own counters (`app/app_metrics.py`).

Only the newest month is exported, so the number of series does not grow with months or versions.
Grafana reads history from the metric store. `docs/monitoring.md` lists the metrics.
"""
