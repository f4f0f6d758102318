"""Grafana's dashboards as code, and the configuration of its server.

`make dashboards` writes `dashboards/*.json`, which Grafana reads and people import. It needs
`grafana-foundation-sdk`, whose types mypy checks. `provisioning/` and `grafana.ini` are written by
hand.
"""
