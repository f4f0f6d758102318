"""Asset checks, each for the partition that was just made; `docs/checks.md` lists them.

A check compares an asset's own numbers with a threshold and describes the result so that a reader
can act on it. Computing those numbers is elsewhere. Each module has the checks of one subject.
"""

import warnings

import dagster as dg

# Preview in Dagster 1.13: without it a check loads every month. Drop the filter when it is stable.
warnings.filterwarnings(
    "ignore", message="Specifying a partitions_def on an AssetCheckSpec", category=dg.PreviewWarning
)
