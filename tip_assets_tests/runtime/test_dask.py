"""Months on a Dask cluster: the same rows, quarantine and digests as in one process.

A real scheduler with two workers, and data on a real S3 server.
"""

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from tip_assets import contract
from tip_assets.assets.raw_tips import data_version, raw_tips
from tip_assets.assets.splits import split, splits
from tip_assets.assets.transformed_tips import transform, transformed_tips
from tip_assets.ingestion import row_groups
from tip_assets.ingestion.landing import MonthOfLanding, landing_folder, read_month
from tip_assets.ingestion.simulate import UNCHANGED, Change, generate, land_generated
from tip_assets.modelling import dask_training
from tip_assets.modelling.dask_training import TOLERANCE
from tip_assets.modelling.recipe import recipe_for
from tip_assets.modelling.search import Trial
from tip_assets.modelling.split import fingerprint
from tip_assets.modelling.training import TrainingReport, read_report, train_booster
from tip_assets.runtime import dask_cluster
from tip_assets.runtime.engine import Engine
from tip_assets.runtime.resources import resources
from tip_assets.settings import Settings
from tip_assets_tests.runtime.test_s3 import environment, on_s3, server  # noqa: F401
from tip_assets_tests.support.dask_cluster import DaskCluster
from tip_assets_tests.support.ports import free_port

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]
MONTH = "2024-01"
TRIAL = Trial(0, {"max_depth": 2, "learning_rate": 0.05, "min_child_weight": 10}, 0.0, 0.0, 60)


@pytest.fixture(scope="module")
def processes(server, tmp_path_factory) -> Iterator[DaskCluster]:  # noqa: F811
    made = DaskCluster(tmp_path_factory.mktemp("dask"), os.environ | environment(server))
    yield made
    made.stop()


@pytest.fixture
def cluster(processes) -> DaskCluster:
    """Two workers, whatever the test before has killed."""
    processes.complete()
    return processes


@pytest.fixture
def engine(cluster) -> Iterator[Engine]:
    made = Engine(name="dask", scheduler=cluster.address)
    yield made
    made.close()


@pytest.fixture
def many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small files have parts, as large ones do."""
    cut = row_groups.row_groups_of
    monkeypatch.setattr("tip_assets.ingestion.file_parts.row_groups_of", _small_parts(cut))


def _small_parts(cut: Any) -> Any:
    def small(path: Any) -> Any:
        return cut(path, rows=2_000)

    return small


def land(settings: Settings) -> None:
    """Land Parquet files of many row groups, some values broken, and dirty files."""
    root = settings.storage_root
    records = generate(30_000, 1, UNCHANGED)
    records["size"] = records["size"].astype("Int64")
    records.loc[[5, 2_500, 29_999], "size"] = None
    records.loc[[6, 12_345], "total_bill"] = -1.0
    records["till"] = 7
    parquet = io.BytesIO()
    records.to_parquet(parquet, index=False, row_group_size=700)
    land_generated(root, MONTH, rows=300, seed=2, change=Change(), broken=True)
    damaged = bytearray(parquet.getvalue())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 2_000] = bytes(2_000)
    for name, data in (("many.parquet", parquet.getvalue()), ("torn.parquet", bytes(damaged))):
        (landing_folder(root, MONTH) / name).write_bytes(data)


def assert_same(read: MonthOfLanding, local: MonthOfLanding) -> None:
    pd.testing.assert_frame_equal(read.rows, local.rows, check_exact=True)
    pd.testing.assert_frame_equal(read.quarantine, local.quarantine, check_exact=True)
    assert (read.files, read.ignored_columns, read.read_as) == (
        *(local.files, local.ignored_columns, local.read_as),
    )
    assert data_version(read.rows) == data_version(local.rows)


def test_workers_read_what_one_process_reads(on_s3, engine, many_parts):  # noqa: F811
    land(on_s3)
    local = read_month(on_s3.storage_root, MONTH)
    assert len(local.rows) > 30_000
    assert {"many.parquet", "torn.parquet"} < set(local.quarantine["file"])
    assert_same(read_month(on_s3.storage_root, MONTH, engine.each), local)


def test_a_worker_that_dies_while_reading_costs_no_row(
    on_s3,  # noqa: F811
    cluster,
    engine,
    many_parts,
):
    land(on_s3)
    read: list[Any] = []

    def each(function: Any, arguments: Any) -> Iterator[Any]:
        for result in engine.each(function, arguments):
            read.append(result)
            if function.__name__ == "read_part" and len(cluster.living()) == 2:
                cluster.kill_one()  # with tasks, and with results that nobody has taken
            yield result

    month = read_month(on_s3.storage_root, MONTH, each)
    assert len(cluster.living()) == 1
    assert len(read) > 20
    assert_same(month, read_month(on_s3.storage_root, MONTH))


@pytest.fixture(scope="module")
def window() -> pd.DataFrame:
    """Rows whose bills have more values than an xgboost histogram has bins."""
    records = generate(60_000, 3, UNCHANGED)
    drawn = np.random.default_rng(3).uniform(0.95, 1.05, len(records))
    records["total_bill"] = (records["total_bill"] * drawn).round(2)
    return split(transform(contract.check(records).accepted), MONTH)


def report_with(learn: Any, rows: pd.DataFrame, rounds: int = 60) -> TrainingReport:
    recipe = recipe_for(rows, **Settings(engine="dask").recipe_options)
    best = Trial(**(TRIAL.to_dict() | {"rounds": rounds}))
    return read_report(train_booster(MONTH, rows, best, recipe, learn))


def assert_as_good(report: TrainingReport, local: TrainingReport) -> None:
    assert report.test["rmse"] == pytest.approx(local.test["rmse"], rel=TOLERANCE)
    assert report.test["rows"] == local.test["rows"]
    assert report.baselines == local.baselines


@pytest.mark.parametrize("target", ["tip_above_share", "tip_rate", "tip"])
def test_workers_train_as_good_a_booster(engine, window, target):
    recipe = recipe_for(window, **Settings(engine="dask", target=target).recipe_options)
    mine, local = (
        read_report(train_booster(MONTH, window, TRIAL, recipe, one.learn))
        for one in (engine, Engine())
    )
    assert_as_good(mine, local)
    assert mine.test["rmse"] < mine.baselines["mean_tip"]


@pytest.mark.parametrize("trained_before", [False, True], ids=["connecting", "training"])
def test_a_worker_that_dies_costs_no_month(cluster, engine, window, monkeypatch, trained_before):
    monkeypatch.setattr(dask_training, "WAITS_SECONDS", 30)
    if trained_before:
        report_with(engine.learn, window)
    else:
        cluster.renew()  # workers that have to import xgboost first
    tries: list[list[str]] = []
    original = dask_training.learn_on

    def learn_on(client: Any, workers: list[str], **rest: Any) -> Any:
        tries.append(workers)
        return original(client, workers, **rest)

    monkeypatch.setattr(dask_training, "learn_on", learn_on)

    def kill() -> None:
        cluster.wait_until_both_train()
        time.sleep(0.3 * trained_before)
        cluster.kill_one()

    killer = threading.Thread(target=kill)
    killer.start()
    report = report_with(engine.learn, window, rounds=600)
    killer.join()
    assert [len(workers) for workers in tries] == [2, 1]
    assert_as_good(report, report_with(Engine().learn, window, rounds=600))


def test_workers_stop_training_when_the_run_is_interrupted(cluster, engine, window):
    def interrupt() -> None:
        cluster.wait_until_both_train()
        os.kill(os.getpid(), signal.SIGINT)

    # Processes that a shell starts in the background ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            report_with(engine.learn, window, rounds=50_000)
    finally:
        signal.signal(signal.SIGINT, before)
    for worker in cluster.client.nthreads():
        free = cluster.client.submit(abs, -1, workers=[worker], pure=False)
        assert free.result(timeout=20) == 1


def test_the_steps_of_a_month_end_with_the_same_data_versions(on_s3, cluster, many_parts):  # noqa: F811
    land(on_s3)
    found = []
    for settings in (on_s3, on_s3.model_copy(update=dask_settings(cluster.address))):
        result = dg.materialize(
            [raw_tips, transformed_tips, splits],
            partition_key=MONTH,
            resources=resources(settings),
        )
        (event,) = result.asset_materializations_for_node("raw_tips")
        tags = event.tags or {}
        found.append((tags["dagster/data_version"], fingerprint(result.asset_value("splits"))))
    assert found[0] == found[1]


def dask_settings(address: str) -> dict[str, str]:
    return {"engine": "dask", "dask_scheduler": address}


def test_a_scheduler_that_does_not_answer_is_named_with_its_setting(on_s3, monkeypatch):  # noqa: F811
    monkeypatch.setattr(dask_cluster, "_ANSWERS_WITHIN_SECONDS", 1)
    land_generated(on_s3.storage_root, MONTH, rows=10, seed=1, change=Change())
    address = f"tcp://127.0.0.1:{free_port()}"
    result = dg.materialize(
        [raw_tips],
        partition_key=MONTH,
        resources=resources(on_s3.model_copy(update=dask_settings(address))),
        raise_on_error=False,
    )
    (failure,) = result.get_step_failure_events()
    description = failure.step_failure_data.user_failure_data.description
    assert description.startswith(
        f"The Dask scheduler at {address} (TIPS_DASK_SCHEDULER) does not answer"
    )


def test_workers_of_other_code_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(dask_cluster, "lock_version", lambda: "another")
    with pytest.raises(dg.Failure) as refused:
        Engine(name="dask", scheduler=cluster.address).each(str, [1])
    assert "another version of the platform" in str(refused.value.description)
