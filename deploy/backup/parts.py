"""What to back up: the databases and folders that the settings name.

Refuses settings under which a backup would be incomplete.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from upath import UPath

from deploy.backup import Refused
from tip_assets.settings import Settings


@dataclass(frozen=True)
class Parts:
    """Databases of a server, and folders, by their names in a backup.

    A later database may reference what an earlier one does not know yet, never the other way round,
    and both reference files. So databases are saved in this order, files last, and restored in
    reverse.
    """

    servers_databases: dict[str, sa.URL]
    folders: dict[str, UPath]

    def hold(self, path: Path) -> bool:
        """Return whether a local path is in one of the folders."""
        return any(_within(str(path), folder) for folder in self.folders.values())


def parts_of(settings: Settings) -> Parts:
    """Return everything that the settings name. Raises Refused."""
    folders = _folders(settings)
    _check_artifacts(settings)
    on_server = {}
    for name, url in _databases(settings).items():
        if url.get_backend_name() == "postgresql":
            on_server[name] = url
        elif not any(_within(str(url.database), folder) for folder in folders.values()):
            raise Refused(
                f"the database {name} ({url.database}) is outside of the storage and the state "
                "folder: a backup would miss it"
            )
    return Parts(on_server, folders)


def _databases(settings: Settings) -> dict[str, sa.URL]:
    """Return the databases in saving order: Dagster's, the metric store, MLflow's."""
    mlflow = settings.mlflow_backend or settings.tracking_uri
    if mlflow.startswith("http"):
        raise Refused(
            f"MLflow is a server ({mlflow}): set MLFLOW_BACKEND_STORE_URI to its database"
        )
    dagster = {"dagster": settings.dagster_storage} if settings.dagster_storage else {}
    urls = {**dagster, "metrics": settings.metric_store_url, "mlflow": mlflow}
    return {name: sa.make_url(url) for name, url in urls.items()}


def _folders(settings: Settings) -> dict[str, UPath]:
    """Return the storage, and the local folders that are not inside it or one another."""
    folders = {"storage": settings.storage_root}
    for name, path in (("state", settings.state_folder), ("dagster", settings.dagster_folder)):
        if not any(_within(str(path), folder) for folder in folders.values()):
            folders[name] = UPath(path)
    return folders


def _check_artifacts(settings: Settings) -> None:
    """Check that all experiments keep their artifacts in the storage. Raises Refused."""
    root = os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT", "")
    if root and not f"{root}/".startswith(f"{settings.storage.rstrip('/')}/"):
        raise Refused(
            f"MLflow's artifacts ({root}) are outside of the storage ({settings.storage}): a "
            "backup would miss them"
        )


def _within(path: str, folder: UPath) -> bool:
    return folder.protocol in ("", "file") and Path(path).resolve().is_relative_to(folder.path)
