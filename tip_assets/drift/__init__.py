"""Pure functions that say whether a month's data has drifted, and how well the model served it.

Nothing in this package knows Dagster or where data is stored; Evidently stays in
`evidently_reports.py`.
"""
