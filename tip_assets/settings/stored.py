"""Read settings that the environment does not set from the Parameter Store.

The platform's own parameters are written by `runtime/published_parameters.py`.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from tip_assets.settings.parameter_store import PREFIX, ParameterError, ParameterStore

TRACKING_SERVER_PORT = 5000


def tracking_uri_of(host: str) -> str:
    """Return the URI of a tracking server; the default is HTTP on port 5000."""
    if "://" in host:
        return host
    return f"http://{host}" if ":" in host else f"http://{host}:{TRACKING_SERVER_PORT}"


def storage_of(initial_paths: str) -> str:
    """Return the storage in a JSON object of paths. Raises ValueError when there is none."""
    paths = json.loads(initial_paths)
    storage = paths.get("storage") if isinstance(paths, dict) else None
    if not storage or not isinstance(storage, str):
        raise ValueError("it names no `storage`")
    return storage


# By setting: its parameter, and the function that parses it.
STORED: dict[str, tuple[str, Callable[[str], str]]] = {
    "storage": ("initial_paths", storage_of),
    "mlflow_tracking_uri": ("tracking_server_host", tracking_uri_of),
    "sns_topic_arn": ("sns_topic_arn", str),
}


class StoredSettings(PydanticBaseSettingsSource):
    """Reads missing settings with one request; without a prefix or missing settings, with none.

    If a parameter does not exist, the default applies. Raises ParameterError.
    """

    def __call__(self) -> dict[str, Any]:
        prefix = str(self.current_state.get("parameter_prefix", ""))
        fields = {
            name: field
            for name, field in self.settings_cls.model_fields.items()
            if name in STORED and not {name, self._key(name, field)} & self.current_state.keys()
        }
        # The setting's pattern reports an invalid prefix.
        if not prefix or not fields or not re.fullmatch(PREFIX, prefix):
            return {}
        stored = ParameterStore(prefix).read(*(STORED[name][0] for name in fields))
        self._texts = {name: found.value.strip() for name, found in stored.items()}
        given = (self.get_field_value(field, name) for name, field in fields.items())
        return {key: value for value, key, _ in given if value is not None}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return a setting's value if its parameter exists, and its key."""
        parameter, read = STORED[field_name]
        key, text = self._key(field_name, field), self._texts.get(parameter)
        if text is None:
            return None, key, False
        try:
            return read(text), key, False
        except ValueError as error:
            prefix = self.current_state["parameter_prefix"]
            raise ParameterError(
                f"the parameter {prefix}/{parameter} cannot be read, {error}: {text[:100]!r}"
            ) from error

    @staticmethod
    def _key(name: str, field: FieldInfo) -> str:
        """Return the key of a setting in all sources: its alias, or its name."""
        return field.validation_alias if isinstance(field.validation_alias, str) else name
