"""Pure functions that measure a month's drift and the errors of the model that served it.

Nothing in this package imports Dagster or reads storage. Only `evidently_reports.py` imports
Evidently.
"""
