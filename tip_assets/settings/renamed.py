"""Old names of settings: still read for one release, with a warning."""

import os
import warnings
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

# By setting; remove with the next release.
OLD_NAMES = {
    "min_rows": "TIPS_LEAST_ROWS",
    "max_quarantined_share": "TIPS_MOST_QUARANTINED",
    "max_run_minutes": "TIPS_MOST_RUN_MINUTES",
    "max_processing_hours": "TIPS_PROCESSED_WITHIN_HOURS",
    "max_champion_age_months": "TIPS_CHAMPION_MAX_AGE_MONTHS",
    "max_report_rows": "TIPS_REPORT_ROWS",
    "max_upload_mb": "TIPS_APP_UPLOAD_MB",
    "max_upload_rows": "TIPS_APP_UPLOAD_ROWS",
    "max_silent_days": "TIPS_LANDING_SILENT_DAYS",
}


class RenamedSettings(PydanticBaseSettingsSource):
    """Reads settings by their old names if the new ones are not set."""

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(self.settings_cls.model_fields[name], name)[0]
            for name in OLD_NAMES.keys() - self.current_state.keys()
        }
        return {name: value for name, value in found.items() if value}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value under the setting's old name, with a warning that has the new one."""
        old = OLD_NAMES[field_name]
        value = os.environ.get(old)
        if value:
            # A FutureWarning is shown to users, not only to developers.
            new = f"TIPS_{field_name.upper()}"
            warnings.warn(f"{old} is now {new}", FutureWarning, stacklevel=2)
        return value, field_name, False
