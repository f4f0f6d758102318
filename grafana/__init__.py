"""Grafana's dashboards as code, and the configuration that it is started with.

Belongs here: what people see of months, platform and serving. Does not belong here: numbers that
nobody stored: panels ask the metric store for history and Prometheus for the present.

`python -m grafana` writes `dashboards/*.json`, which Grafana reads; `provisioning/` and
`grafana.ini` are written by hand.
"""
