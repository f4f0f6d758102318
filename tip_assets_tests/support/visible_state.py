"""What a reader of a platform can see, as plain data to be compared: without times and ids.

Belongs here: looking. Does not belong here: what must be true of it.
"""

import hashlib
import json
import re
from collections import Counter
from typing import Any

import mlflow
import sqlalchemy as sa

from tip_assets.metric_store.tables import metadata
from tip_assets.settings import DRIFT_EXPERIMENT, TRAINING_EXPERIMENT, Settings

# Columns that say when, or by what marks a storage tells that files have changed, not what.
NOT_COMPARED = {
    "at",
    "since",
    "seen_at",
    "digest",
    "ended_at",
    "claimed_at",
    "claimed_by",
    "delivered_at",
    "run_id",
}
# Logs of runs, of which a killed one is one more, and of looks.
LOGS = {"run_outcome", "asset_success", "last_look"}
# Messages link to MLflow's pages of a run.
MLFLOW_ID = re.compile(r"\b[0-9a-f]{32}\b")
EXPERIMENTS = (TRAINING_EXPERIMENT, DRIFT_EXPERIMENT)


def visible_state(settings: Settings, tracking_uri: str = "") -> dict[str, Any]:
    """Files, rows, messages, and MLflow's runs, models and versions of a platform.

    Where the platform itself lies is replaced by words, so that platforms can be compared.
    `tracking_uri` stands for the settings' own.
    """
    uri = tracking_uri or settings.tracking_uri
    client = mlflow.MlflowClient(uri, uri)
    ids = [client.get_experiment_by_name(name).experiment_id for name in EXPERIMENTS]
    (model,) = client.search_registered_models()
    runs = client.search_runs(ids, max_results=1000)
    return {
        "files": _files(settings),
        "rows": _rows(settings),
        "notified": _notified(settings),
        "aliases": {alias: int(number) for alias, number in model.aliases.items()},
        "versions": sorted(
            (int(v.version), v.status, sorted(v.tags.items()))
            for v in client.search_model_versions("")
        ),
        "logged_models": Counter(
            (m.tags["tips.month"], str(m.status)) for m in client.search_logged_models(ids)
        ),
        "runs": sorted(
            (
                run.data.tags["tips.month"],
                run.data.tags["tips.kind"],
                run.info.status,
                str(sorted(run.data.metrics.items())),
                str(sorted(run.data.params.items())),
            )
            for run in runs
        ),
    }


def same(seen: dict[str, Any], expected: dict[str, Any]) -> None:
    """Two states are the same; what differs is named."""
    for kind, what in expected.items():
        if isinstance(what, dict):
            differing = {
                key
                for key in what.keys() | seen[kind].keys()
                if seen[kind].get(key) != what.get(key)
            }
            assert not differing, (kind, [(k, seen[kind].get(k), what.get(k)) for k in differing])
        assert seen[kind] == what, kind


def _files(settings: Settings) -> dict[str, str]:
    """Digests of the stored files; names with a dot are of writes that were cut off."""
    root = settings.storage_root
    kinds = ("landing", "assets", "reports", "quarantine")
    names = [name for kind in kinds for name in root.fs.find((root / kind).path)]
    return {
        name.removeprefix(root.path).lstrip("/"): _digest(root.fs.cat_file(name))
        for name in names
        if not name.rpartition("/")[2].startswith(".")
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _rows(settings: Settings) -> dict[str, list[str]]:
    """The rows of every table but the logs; messages of failures are of runs, not of months."""
    engine = sa.create_engine(settings.metric_store_url)
    found = {}
    with engine.connect() as connection:
        for name, table in metadata.tables.items():
            if name in LOGS:
                continue
            rows = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            found[name] = sorted(
                _anywhere(
                    str({key: row[key] for key in sorted(row.keys() - NOT_COMPARED)}), settings
                )
                for row in rows
                if row.get("kind") != "failure"
            )
    engine.dispose()
    return found


def _notified(settings: Settings) -> list[str]:
    lines = settings.outbox.read_text().splitlines()
    causes = [json.loads(line)["cause"] for line in lines]
    return sorted(cause for cause in causes if not cause.startswith("failure"))


def _anywhere(words: str, settings: Settings) -> str:
    for place in (str(settings.storage_root), str(settings.state_folder), settings.mlflow_ui_url):
        words = words.replace(place, "HERE")
    return MLFLOW_ID.sub("ID", words)
