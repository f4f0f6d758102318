"""Create the databases that the settings name, and upgrade the schemas of all tools.

Only this changes tables on a Postgres server whose administrator the settings name: the tools'
users cannot (`database_roles.py`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from tip_assets.metric_store.store import MetricStore
from tip_assets.runtime.database_roles import create_databases, owner_url
from tip_assets.runtime.instance import DAGSTER_STORAGE, prepare_instance
from tip_assets.settings import Settings
from tip_assets.tracking.connection import prepare_tracking_database


def prepare_databases(settings: Settings) -> None:
    """Create missing databases and users, and upgrade all schemas.

    Without an administrator's URL the databases must exist, and their users own the schemas.
    """
    if settings.postgres_admin:
        urls = [settings.dagster_storage, settings.mlflow_backend, settings.metric_store]
        on_server = [url for url in urls if _on_server(url)]
        create_databases(settings.postgres_admin, on_server, settings.metric_reader)
    store = MetricStore(url=_url_to_upgrade(settings, settings.metric_store_url))
    store.engine.dispose()  # opening it upgraded its schema
    _upgrade_dagster(settings)
    mlflow = settings.mlflow_backend or settings.tracking_uri
    if "://" in mlflow and not mlflow.startswith("http"):  # else its server upgrades it
        prepare_tracking_database(mlflow)
        _upgrade_mlflow(_url_to_upgrade(settings, mlflow))


def _on_server(url: str) -> bool:
    return url.startswith("postgresql")


def _url_to_upgrade(settings: Settings, url: str) -> str:
    admin = settings.postgres_admin
    return owner_url(admin, url) if admin and _on_server(url) else url


def _upgrade_dagster(settings: Settings) -> None:
    with _environment_for_upgrade(settings):
        prepare_instance(settings)
        with dg.DagsterInstance.get() as instance:
            instance.upgrade(print_fn=lambda _line: None)


@contextmanager
def _environment_for_upgrade(settings: Settings) -> Iterator[None]:
    """Let Dagster's configuration, which names a variable, find the owner's URL in it."""
    if not settings.dagster_storage:
        yield
        return
    before = os.environ.get(DAGSTER_STORAGE)
    os.environ[DAGSTER_STORAGE] = _url_to_upgrade(settings, settings.dagster_storage)
    try:
        yield
    finally:
        if before is None:
            del os.environ[DAGSTER_STORAGE]
        else:
            os.environ[DAGSTER_STORAGE] = before


def _upgrade_mlflow(backend: str) -> None:
    # Not the command itself: other users could read the password on its command line.
    from mlflow.db import upgrade

    upgrade.main([backend], standalone_mode=False)
