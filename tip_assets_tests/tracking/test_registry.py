"""Aliases move, versions stay; a new tracking database is whole or not there."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from mlflow.exceptions import MlflowException

from tip_assets.tracking.connection import MlflowTracking, prepare_tracking_database
from tip_assets.tracking.descriptions import describe_decision
from tip_assets.tracking.registry import (
    ARCHIVED,
    CHAMPION,
    FINGERPRINT,
    LOCK,
    MONTH,
    RECIPE,
    ModelRegistry,
)


@pytest.fixture
def registry(tmp_path):
    """A registry with four versions."""
    tracking = MlflowTracking(
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifact_root=str(tmp_path), ui_url=""
    )
    made = ModelRegistry(tracking.client)
    made._make_model()
    for number in range(1, 5):
        tags = {MONTH: f"2024-0{number}", FINGERPRINT: f"recipe {number}"}
        made.client.create_model_version("waiter-tips", str(tmp_path), tags=tags)
    return made


def test_no_champion_is_none_and_an_outage_is_an_error(registry, tmp_path):
    """Any error while loading Production meant promotion in the original system."""
    assert registry.by_alias(CHAMPION) is None
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("drop table registered_model_aliases")
    with pytest.raises(MlflowException, match="no such table"):
        registry.by_alias(CHAMPION)


def test_a_version_is_found_by_month_and_recipe(registry):
    assert registry.by_fingerprint("2024-03", "recipe 3").number == 3
    assert registry.by_fingerprint("2024-03", "recipe 2") is None


def test_tags_are_read_alike_however_a_release_wrote_them(registry, tmp_path):
    pinned = {MONTH: "2024-05", RECIPE: "{}", LOCK: "a lock"}
    new = registry.register(str(tmp_path), "", "", pinned)
    old = registry.client.create_model_version("waiter-tips", str(tmp_path), tags=pinned)
    assert new.tags == registry.version(int(old.version)).tags == pinned
    shown = registry.client.get_model_version("waiter-tips", str(new.number)).tags
    assert [name for name in shown if not name.startswith("mlflow.")] == [MONTH]


def test_the_decision_is_described_once_also_on_a_version_of_an_earlier_release(registry):
    registry.client.update_model_version("waiter-tips", "1", "Trained for 2024-01.")
    for action in ("held", "released"):
        describe_decision(registry, 1, {"action": action, "reason": "prices rose"})
        expected = f"**Decision**: {action}: prices rose.\n\nTrained for 2024-01."
        assert registry.version(1).description == expected


def test_old_versions_are_archived_never_deleted_and_never_the_champion(registry):
    registry.point(CHAMPION, 1)
    registry.archive_beyond(2)
    archived = [version.number for version in registry.versions() if ARCHIVED in version.tags]
    assert archived == [2]
    assert len(registry.versions()) == 4


def test_databases_made_at_the_same_moment_are_one(tmp_path):
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(prepare_tracking_database, [uri] * 8))
    with closing(sqlite3.connect(tmp_path / "new" / "mlflow.db")) as connection:
        assert connection.execute("select count(*) from alembic_version").fetchone() == (1,)
    assert {path.stem for path in (tmp_path / "new").iterdir()} == {"mlflow"}
