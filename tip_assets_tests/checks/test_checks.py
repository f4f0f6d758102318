"""A blocking check that fails stops what comes after it, for the month just made and no other."""

import dagster as dg
import pandas as pd
import pytest
from upath import UPath

from tip_assets.assets import raw_tips, splits, transformed_tips
from tip_assets.checks import ingestion
from tip_assets.definitions import defs, resources
from tip_assets.ingestion.landing import landing_folder
from tip_assets.partitions import months
from tip_assets.runtime.storage import write_atomically
from tip_assets.settings import Settings
from tip_assets_tests.checks.test_model_checks import SPOILS

ASSETS = dg.load_assets_from_modules([raw_tips, transformed_tips, splits])
CHECKS = [
    ingestion.rows_satisfy_the_contract,
    ingestion.enough_rows,
    ingestion.few_rows_are_quarantined,
    ingestion.no_row_is_on_both_sides,
]


@pytest.fixture
def ingest(tmp_path):
    """Ingest a month from a table; gives the result of the run."""
    settings = Settings(storage=str(tmp_path))
    instance = dg.DagsterInstance.ephemeral()

    def run(month: str, table: pd.DataFrame) -> dg.ExecuteInProcessResult:
        path = landing_folder(UPath(tmp_path), month) / "tips.csv"
        write_atomically(path, table.to_csv(index=False).encode())
        definitions = dg.Definitions(
            assets=ASSETS,
            asset_checks=CHECKS,
            resources=resources(settings),
            executor=dg.in_process_executor,
        )
        return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            partition_key=month, instance=instance, raise_on_error=False
        )

    return run


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    events = result.get_asset_materialization_events()
    return {event.asset_key.to_user_string() for event in events}


def failed(result: dg.ExecuteInProcessResult) -> list[str]:
    return [e.check_name for e in result.get_asset_check_evaluations() if not e.passed]


def test_a_sound_month_passes_every_check(ingest, sample):
    result = ingest("2024-01", sample)
    assert result.success
    assert made(result) == {"raw_tips", "transformed_tips", "splits"}
    assert len(result.get_asset_check_evaluations()) == len(CHECKS)
    assert failed(result) == []


def few(sample: pd.DataFrame) -> pd.DataFrame:
    return sample.head(20)


def dirty(sample: pd.DataFrame) -> pd.DataFrame:
    return sample.assign(day=sample["day"].where(sample.index % 3 > 0, "Someday"))


@pytest.mark.parametrize(
    ("spoil", "check"), [(few, "enough_rows"), (dirty, "few_rows_are_quarantined")]
)
def test_a_spoilt_month_stops_after_ingestion_and_no_other_does(ingest, sample, spoil, check):
    assert ingest("2024-01", sample).success
    spoilt = ingest("2024-02", spoil(sample))
    assert not spoilt.success
    assert failed(spoilt) == [check]
    assert made(spoilt) == {"raw_tips"}
    assert ingest("2024-03", sample).success
    assert ingest("2024-02", sample).success


def test_a_row_on_both_sides_is_seen(rows):
    trained_on = rows[rows["part"] == "train"].head(1)
    leaked = pd.concat([rows, trained_on.assign(part="test")])
    assert ingestion.no_row_is_on_both_sides(rows).passed
    result = ingestion.no_row_is_on_both_sides(leaked)
    assert not result.passed
    assert result.description == "1 different rows are both train and test rows"


def test_a_kept_row_that_breaks_the_contract_is_seen(sample):
    assert ingestion.rows_satisfy_the_contract(sample).passed
    broken = sample.assign(size=sample["size"].where(sample.index != 7, 99))
    result = ingestion.rows_satisfy_the_contract(broken)
    assert not result.passed
    assert "'size'" in result.description


@pytest.mark.parametrize(
    ("check", "real", "spoil"),
    [
        (
            ingestion.rows_satisfy_the_contract,
            raw_tips.raw_tips,
            lambda rows: rows.assign(size=rows["size"] + 20),
        ),
        (
            ingestion.no_row_is_on_both_sides,
            splits.splits,
            lambda rows: pd.concat([rows, rows.assign(part="test")]),
        ),
    ],
)
def test_rows_that_ingestion_itself_would_not_give_are_stopped(
    tmp_path, sample, rows, check, real, spoil
):
    good = sample if real is raw_tips.raw_tips else rows
    values = {"2024-01": good, "2024-02": spoil(good), "2024-03": good}

    @dg.asset(key=real.key, partitions_def=months, io_manager_key="parquet_files")
    def stand_in(context: dg.AssetExecutionContext) -> pd.DataFrame:
        return values[context.partition_key]

    @dg.asset(partitions_def=months, io_manager_key="json_files", deps=[real.key])
    def next_asset() -> int:
        return 1

    definitions = dg.Definitions(
        assets=[stand_in, next_asset],
        asset_checks=[check],
        resources=resources(Settings(storage=str(tmp_path))),
        executor=dg.in_process_executor,
    )
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        runs = {
            month: job.execute_in_process(
                partition_key=month, instance=instance, raise_on_error=False
            )
            for month in values
        }
    assert [month for month, run in runs.items() if "next_asset" in made(run)] == [
        "2024-01",
        "2024-03",
    ]
    assert failed(runs["2024-02"]) == [check.check_key.name]


def test_every_blocking_check_is_shown_to_stop_its_month():
    """`training_window_is_whole` has tests of its own: whose turn it is."""
    graph = defs().resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get(key).blocking}
    shown = {check.check_key.name for check in CHECKS} | set(SPOILS.values())
    assert blocking - shown <= {"training_window_is_whole"}
