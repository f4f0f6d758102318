"""The Dask cluster on AWS: off by default, and reachable by months and itself only."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tip_assets.settings import Settings
from tip_assets_tests.deploy.test_terraform_containers import ways
from tip_assets_tests.support.terraform import FOLDER, SIZES, Evaluated, evaluated

DASK = ("dask-scheduler", "dask-worker")


@pytest.fixture(scope="module", params=SIZES)
def two_workers(request, tmp_path_factory) -> Evaluated:
    folder = tmp_path_factory.mktemp("dask") / "terraform"
    shutil.copytree(FOLDER, folder)
    return evaluated(Path(folder), sizes=request.param, dask_workers=2)


def container_of(found: Evaluated, name: str) -> dict[str, Any]:
    (one,) = (container for container in found.containers() if container["name"] == name)
    return one


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {v["name"]: v["value"] for v in container["environment"]}


def test_nobody_pays_for_workers_that_nobody_asked_for():
    found = evaluated()
    names = {item["name"] for item in found.of("aws_ecs_service")}
    assert not names & {*DASK}
    families = {item["family"] for item in found.of("aws_ecs_task_definition")}
    assert not [family for family in families if "dask" in family]
    assert "TIPS_ENGINE" not in variables(container_of(found, "run"))


def test_months_use_the_scheduler_that_runs(two_workers):
    copies = {s["name"]: s["desired_count"] for s in two_workers.of("aws_ecs_service")}
    assert (copies["dask-scheduler"], copies["dask-worker"]) == (1, 2)
    told = variables(container_of(two_workers, "run"))
    chosen = Settings(engine=told["TIPS_ENGINE"], dask_scheduler=told["TIPS_DASK_SCHEDULER"])
    worker = container_of(two_workers, "dask-worker")
    assert chosen.dask_scheduler in worker["command"]
    scheduler = container_of(two_workers, "dask-scheduler")
    assert scheduler["command"][-1] == chosen.dask_scheduler.rpartition(":")[2]
    # The code of a month and of its workers must be the same.
    images = {container_of(two_workers, name)["image"] for name in ("run", *DASK)}
    assert len(images) == 1


def test_only_months_and_the_cluster_reach_it(two_workers):
    group = "security_group_id"
    there = ways(two_workers, "egress", group, f"referenced_{group}")
    to_dask = {(here, port) for here, place, port in there if place == "dask"}
    assert to_dask == {("run", 8786), ("dask", 8786), ("dask", 32768)}
    back = ways(two_workers, "ingress", group, f"referenced_{group}")
    assert {(other, port) for here, other, port in back if here == "dask"} == to_dask
    assert ("dask", "database", 5432) not in there


def test_workers_read_the_landing_and_write_nothing(two_workers):
    rights = two_workers.rights_of('aws_iam_role.dask["dask-worker"]')
    assert rights.keys() == {"s3:ListBucket", "s3:GetObject"}
    assert all(place.endswith("/landing/*") for place in rights["s3:GetObject"])
    assert two_workers.rights_of('aws_iam_role.dask["dask-scheduler"]') == {}
