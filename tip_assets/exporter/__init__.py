"""The platform's numbers for Prometheus, read from the metric store at each scrape.

Belongs here: names, help texts and labels of the metrics (`data.py`, `model.py`, `platform.py`),
reading them in bounded time (`collector.py`) and serving them (`server.py`). Does not belong here:
computing anything that the pipeline could store, or the app's own counters (`app/app_metrics.py`).

Only the newest month is exported, so the number of series does not grow with months or versions;
Grafana reads history from the metric store itself. Names are listed in `docs/monitoring.md`.
"""
