"""Months as partitions, and the window of months that a model is trained on."""

import warnings
from datetime import datetime

import dagster as dg

from tip_assets.settings import get_settings

MONTH_FORMAT = "%Y-%m"

months = dg.MonthlyPartitionsDefinition(
    start_date=get_settings().first_month,
    fmt=MONTH_FORMAT,
    end_offset=1,  # the month in progress is a partition, too
)

# Beta in Dagster 1.13, without an alternative; drop the filter when it is stable.
warnings.filterwarnings(
    "ignore", message=".*allow_nonexistent_upstream_partitions", category=dg.BetaWarning
)
training_window = dg.TimeWindowPartitionMapping(
    start_offset=1 - get_settings().window_months,
    end_offset=0,
    # Before the platform is twelve months old the window reaches past the first month.
    allow_nonexistent_upstream_partitions=True,
)

# One group: Dagster's lineage draws its assets at once, and several groups as closed boxes.
GROUP = "tips"
OWNERS = ["team:tip-platform"]
# The Dagster pool that lets one step at a time train or promote, across processes.
MODEL_POOL = "model"
# The pool in which every month starts; `runtime/drain.py` sets its limit to 0.
START_POOL = "month_start"

# Months without data leave a gap in the window, not an error.
window_input = {"allow_missing_partitions": True}


def months_apart(earlier: str, later: str) -> int:
    """Return the whole months between two month keys; negative if `later` is earlier."""
    a, b = (datetime.strptime(month, MONTH_FORMAT) for month in (earlier, later))
    return (b.year - a.year) * 12 + b.month - a.month


def month_after(month: str, count: int) -> str:
    """Return the month key `count` months later; earlier for a negative count."""
    start = datetime.strptime(month, MONTH_FORMAT)
    place = start.year * 12 + start.month - 1 + count
    return f"{place // 12:04d}-{place % 12 + 1:02d}"


def is_month(text: str) -> bool:
    """Return whether a text is a month key such as `2024-01`."""
    try:
        return datetime.strptime(text, MONTH_FORMAT).strftime(MONTH_FORMAT) == text
    except ValueError:
        return False
