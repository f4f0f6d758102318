"""The names that settings had in the release before: read for one more, with a warning.

Belongs here: old names. Does not belong here: the settings (`__init__.py`).
"""

import os
import warnings
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

# Remove with the next release.
OLD_NAMES = {
    "TIPS_LEAST_ROWS": "min_rows",
    "TIPS_MOST_QUARANTINED": "max_quarantined_share",
    "TIPS_MOST_RUN_MINUTES": "max_run_minutes",
    "TIPS_PROCESSED_WITHIN_HOURS": "max_processing_hours",
    "TIPS_CHAMPION_MAX_AGE_MONTHS": "max_champion_age_months",
    "TIPS_REPORT_ROWS": "max_report_rows",
    "TIPS_APP_UPLOAD_MB": "max_upload_mb",
    "TIPS_APP_UPLOAD_ROWS": "max_upload_rows",
    "TIPS_LANDING_SILENT_DAYS": "max_silent_days",
}


class RenamedSettings(PydanticBaseSettingsSource):
    """Reads settings by their old names where the new one is not set."""

    def __call__(self) -> dict[str, Any]:
        found = {}
        for old, name in OLD_NAMES.items():
            if os.environ.get(old) and name not in self.current_state:
                new = f"TIPS_{name.upper()}"
                # Shown once for each name, to users and not only to developers.
                warnings.warn(f"{old} is now {new}", FutureWarning, stacklevel=2)
                found[name] = os.environ[old]
        return found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError("all settings are read at once")
