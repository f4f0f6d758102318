"""Months as partitions, and the window of months that a model is trained on.

Belongs here: what a month key is and which months map to which. Nothing here reads data.
"""

import warnings
from datetime import datetime

import dagster as dg

from tip_assets.settings import get_settings

MONTH_FORMAT = "%Y-%m"

months = dg.MonthlyPartitionsDefinition(
    start_date=get_settings().first_month,
    fmt=MONTH_FORMAT,
    end_offset=1,  # the month in progress can already be looked at
)

# Beta in Dagster 1.13, and the only way to say this; drop the filter when it is stable.
warnings.filterwarnings(
    "ignore", message=".*allow_nonexistent_upstream_partitions", category=dg.BetaWarning
)
training_window = dg.TimeWindowPartitionMapping(
    start_offset=1 - get_settings().window_months,
    end_offset=0,
    # Before the platform is twelve months old the window reaches past the first month.
    allow_nonexistent_upstream_partitions=True,
)

OWNERS = ["team:tip-platform"]
# One step at a time trains or promotes, in whatever process: Dagster's pool of the instance.
MODEL_POOL = "model"

# Months without data leave a gap in the window, not an error.
window_input = {"allow_missing_partitions": True}


def months_apart(earlier: str, later: str) -> int:
    """Whole months from one month key to another; negative when `later` is the earlier one."""
    a, b = (datetime.strptime(month, MONTH_FORMAT) for month in (earlier, later))
    return (b.year - a.year) * 12 + b.month - a.month


def month_after(month: str, count: int) -> str:
    """The month key so many months later; earlier ones for a negative number."""
    start = datetime.strptime(month, MONTH_FORMAT)
    place = start.year * 12 + start.month - 1 + count
    return f"{place // 12:04d}-{place % 12 + 1:02d}"


def is_month(text: str) -> bool:
    """Whether a text is a month key such as `2024-01`."""
    try:
        return datetime.strptime(text, MONTH_FORMAT).strftime(MONTH_FORMAT) == text
    except ValueError:
        return False
