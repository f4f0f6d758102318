"""The Dagster instance of this machine: its folder and its configuration file.

Belongs here: preparing DAGSTER_HOME. Does not belong here: running anything on it.
"""

import os
from importlib.resources import files

from tip_assets.settings import Settings


def prepare_instance(settings: Settings) -> None:
    """Make DAGSTER_HOME with its `dagster.yaml` if it is not there, and export it."""
    home = settings.dagster_folder
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    if not configuration.exists():
        configuration.write_text(files("tip_assets").joinpath("dagster.yaml").read_text("utf-8"))
    os.environ["DAGSTER_HOME"] = str(home)
