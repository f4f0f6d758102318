"""Asset checks, each for the partition that was just made; `docs/checks.md` lists them.

Belongs here: comparing an asset's own numbers with a threshold, in words that let one act. Does not
belong here: computing those numbers. A module holds the checks of one subject.
"""

import warnings

import dagster as dg

# In preview in Dagster 1.13: without it a check loads every month. Drop the filter when stable.
warnings.filterwarnings(
    "ignore", message="Specifying a partitions_def on an AssetCheckSpec", category=dg.PreviewWarning
)
