"""The limits of checks and alerts as metrics, so that no rule file repeats a setting."""

from tip_assets.exporter.page import Metric, Page
from tip_assets.settings import Settings

_DAY, _HOUR = 24 * 60 * 60, 60 * 60
_MISSED_CHECKS = 20


def _limit(name: str, text: str, setting: str) -> Metric:
    return Metric(f"tips_{name}", f"{text} Setting TIPS_{setting.upper()}.")


QUARANTINED = _limit(
    "quarantined_ratio_limit",
    "Limit of the share of refused rows; a month above it is stopped.",
    "max_quarantined_share",
)
LEAST_ROWS = _limit(
    "kept_rows_limit", "Limit of valid rows; a month below it is stopped.", "min_rows"
)
CHAMPION_AGE = _limit(
    "champion_age_months_limit",
    "Age limit of the champion; a model shown to be not worse replaces it then.",
    "max_champion_age_months",
)
SILENT = _limit(
    "landing_silent_seconds_limit",
    "Limit of the time without a new landing file.",
    "max_silent_days",
)
UNPROCESSED = _limit(
    "unprocessed_seconds_limit",
    "Limit of the time from landing to the end of a run.",
    "max_processing_hours",
)
UNWATCHED = Metric(
    "tips_landing_unwatched_seconds_limit",
    f"Limit of the time since the landing was last checked: {_MISSED_CHECKS} times the setting "
    "TIPS_LANDING_CHECK_SECONDS.",
)
PREDICTION = _limit(
    "prediction_seconds_limit",
    "Limit of the time within which the app predicts 99 of 100 forms.",
    "max_prediction_seconds",
)
FREE_DISK = _limit(
    "disk_free_ratio_limit", "Limit of the free share of a disk.", "min_free_disk_share"
)
METRICS = (
    QUARANTINED, LEAST_ROWS, CHAMPION_AGE, SILENT, UNPROCESSED, UNWATCHED, PREDICTION, FREE_DISK,
)  # fmt: skip


def add_limits(page: Page, settings: Settings) -> None:
    """Add every limit; this needs no metric store."""
    page.add(QUARANTINED, settings.max_quarantined_share)
    page.add(LEAST_ROWS, settings.min_rows)
    page.add(CHAMPION_AGE, settings.max_champion_age_months)
    page.add(SILENT, settings.max_silent_days * _DAY)
    page.add(UNPROCESSED, settings.max_processing_hours * _HOUR)
    page.add(UNWATCHED, settings.landing_check_seconds * _MISSED_CHECKS)
    page.add(PREDICTION, settings.max_prediction_seconds)
    page.add(FREE_DISK, settings.min_free_disk_share)
