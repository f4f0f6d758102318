"""Grafana's dashboards as code, and the configuration of its server.

`make dashboards` writes `dashboards/*.json`, which Grafana reads and people import. It builds them
with `grafana-foundation-sdk`, whose types mypy checks; nothing else but the tests needs that.
`provisioning/` and `grafana.ini` are written by hand.
"""
