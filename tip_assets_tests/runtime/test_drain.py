"""Drain: new months are held, active runs are waited for, and `resume` restores the limits.

`automation/test_daemon.py` has a month that runs and one that is held.
"""

import os
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from tip_assets.partitions import START_POOL
from tip_assets.runtime import drain
from tip_assets.runtime.instance import PROCESS_TAG, TRAINING_JOB, prepare_instance, process_mark
from tip_assets.settings import Settings


@pytest.fixture
def instance(tmp_path) -> Iterator[dg.DagsterInstance]:
    prepare_instance(Settings(storage=str(tmp_path / "storage")))
    with dg.DagsterInstance.get() as made:
        yield made
    os.environ.pop("DAGSTER_HOME", None)


def limits(instance: dg.DagsterInstance) -> list[tuple[str, int, bool]]:
    found = instance.event_log_storage.get_pool_limits()
    return sorted((pool.name, pool.limit, pool.from_default) for pool in found)


@pytest.mark.parametrize("before", ["default", "own"])
def test_resume_restores_the_limits(instance, before):
    storage = instance.event_log_storage
    storage.set_concurrency_slots("another", 2)
    if before == "default":
        storage.initialize_concurrency_limit_to_default(START_POOL)
    if before == "own":
        storage.set_concurrency_slots(START_POOL, 3)
    found = limits(instance)
    drain.hold(instance)
    drain.hold(instance)  # a deployment that is tried again
    assert (START_POOL, 0, False) in limits(instance)
    assert drain.is_held(instance)
    assert drain.resume(instance)
    assert limits(instance) == found
    assert not drain.is_held(instance)
    assert not drain.resume(instance)
    assert limits(instance) == found


def test_active_runs_of_ours_are_waited_for(instance):
    ours, others = (
        create_run_for_test(
            instance,
            job_name=TRAINING_JOB,
            status=dg.DagsterRunStatus.STARTED,
            tags=tags,
        )
        for tags in ({PROCESS_TAG: process_mark()}, {})
    )
    assert [run.run_id for run in drain.wait(instance, 0)] == [ours.run_id]
    instance.report_run_failed(ours)
    assert drain.wait(instance, 0) == []
    assert instance.get_run_by_id(others.run_id).status == dg.DagsterRunStatus.STARTED


def test_a_run_that_waits_for_its_start_is_not_waited_for(instance):
    run = create_run_for_test(
        instance,
        job_name=TRAINING_JOB,
        status=dg.DagsterRunStatus.STARTED,
        tags={PROCESS_TAG: process_mark()},
    )
    drain.hold(instance)
    claim = instance.event_log_storage.claim_concurrency_slot(START_POOL, run.run_id, "raw_tips")
    assert not claim.is_claimed
    assert drain.wait(instance, 0) == []
    assert drain.resume(instance)
    claim = instance.event_log_storage.claim_concurrency_slot(START_POOL, run.run_id, "raw_tips")
    assert claim.is_claimed
