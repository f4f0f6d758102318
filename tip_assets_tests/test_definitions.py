"""The graph loads fast, validates, and maps months as the design says."""

import re
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from tip_assets import assets
from tip_assets.definitions import defs
from tip_assets.partitions import GROUP, is_month, months, months_apart, training_window
from tip_assets.runtime.instance import CHOSEN_ASSETS_JOB, JOBS
from tip_assets.settings import Settings
from tip_assets.settings.renamed import OLD_NAMES

LOAD = """
import sys, time
started = time.process_time()
import dagster
alone = time.process_time() - started
from tip_assets.definitions import defs
defs()
heavy = {"mlflow", "evidently", "xgboost", "hyperopt", "matplotlib", "boto3", "distributed"}
heavy &= set(sys.modules)
print((time.process_time() - started) / alone, *sorted(heavy))
"""


def test_loading_imports_no_heavy_library_and_takes_a_few_times_what_dagster_does():
    printed = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True
    ).stdout.split()
    assert printed[1:] == []
    assert float(printed[0]) < 6


def test_the_definitions_validate_and_hold_the_nine_assets():
    dg.Definitions.validate_loadable(defs())
    graph = defs().resolve_asset_graph()
    made = {key.to_user_string() for key in graph.materializable_asset_keys}
    files = {path.stem for path in Path(assets.__file__).parent.glob("[a-z]*.py")}
    assert made == files - {"links", "plots"}
    assert len(made) == 9
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.partitions_def == months
        assert node.description
        assert node.owners
        assert node.kinds
        assert node.group_name != "default"


def test_dagsters_pages_describe_the_landing_link_to_the_app_and_open_the_lineage_at_once():
    graph = defs().resolve_asset_graph()
    landing = graph.get(dg.AssetKey("landing_tips"))
    assert landing.description
    assert landing.freshness_policy_or_from_metadata
    assert {graph.get(key).group_name for key in graph.get_all_asset_keys()} == {GROUP}
    linked = graph.get(dg.AssetKey("production_model")).metadata
    assert linked["app"].value == "http://127.0.0.1:8501/history"
    assert linked["mlflow_model"].value == "http://127.0.0.1:5000/#/models/waiter-tips"


def test_every_job_is_known_as_one_of_ours():
    jobs = {job.name for job in defs().resolve_all_job_defs()}
    assert {name for name in jobs if not name.startswith("__")} | {CHOSEN_ASSETS_JOB} == JOBS
    assert CHOSEN_ASSETS_JOB in jobs


def test_every_check_is_per_partition():
    """Without partitions a check on a partitioned asset loads all months."""
    graph = defs().resolve_asset_graph()
    assert graph.asset_check_keys
    for key in graph.asset_check_keys:
        assert graph.get(key).partitions_def == months


def test_every_check_is_in_the_table_with_its_severity():
    """Dagster knows which checks block; what they do when they fail is for people to read."""
    graph = defs().resolve_asset_graph()
    expected = {
        (key.asset_key.to_user_string(), key.name): graph.get(key).blocking
        for key in graph.asset_check_keys
    }
    page = (Path(__file__).parents[1] / "docs" / "checks.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| `")
    ]
    assert {len(row) for row in rows} == {5}
    assert all(all(row) for row in rows)
    severities = {(row[0].strip("`"), row[1].strip("`")): row[3] for row in rows}
    assert severities.keys() == expected.keys()
    for check, blocking in expected.items():
        assert severities[check].startswith("ERROR, blocks" if blocking else "WARN"), check


def test_every_setting_in_the_table_of_checks_exists():
    page = (Path(__file__).parents[1] / "docs" / "checks.md").read_text("utf-8")
    named = set(re.findall(r"`TIPS_(\w+)`", page))
    assert named
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


@pytest.mark.parametrize(
    ("month", "first", "count"), [("2024-01", "2024-01", 1), ("2025-06", "2024-07", 12)]
)
def test_the_training_window_ends_with_its_month(month, first, count):
    subset = months.subset_with_partition_keys([month])
    mapped = training_window.get_upstream_mapped_partitions_result_for_partitions(
        subset, months, months
    ).partitions_subset
    keys = sorted(mapped.get_partition_keys())
    assert (keys[0], keys[-1], len(keys)) == (first, month, count)


def test_the_month_in_progress_can_be_looked_at():
    assert months.has_partition_key(time.strftime("%Y-%m", time.gmtime()))


def test_months_are_counted_over_years():
    assert months_apart("2024-11", "2025-02") == 3
    assert months_apart("2025-02", "2024-11") == -3
    assert is_month("2024-01")
    assert not any(is_month(text) for text in ("2024-1", "2024-13", "January", "2024-01-01"))


def test_settings_are_read_by_their_old_names_with_a_warning(monkeypatch):
    monkeypatch.setenv("TIPS_LEAST_ROWS", "12")
    with pytest.warns(FutureWarning, match="TIPS_LEAST_ROWS is now TIPS_MIN_ROWS"):
        assert Settings().min_rows == 12
    monkeypatch.setenv("TIPS_MIN_ROWS", "13")
    assert Settings().min_rows == 13
    assert OLD_NAMES.keys() <= Settings.model_fields.keys()
