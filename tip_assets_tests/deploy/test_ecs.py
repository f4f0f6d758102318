"""On AWS every run is a task of its own: launched, looked after and ended by Dagster's launcher.

The configuration is the one that `tips instance` writes in the containers of Dagster's servers; AWS
is moto's server. What the calls need is held against the roles in `test_terraform_rights.py`.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher.base import WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.test_utils import create_run_for_test

from tip_assets.reporting.report_run import report_run
from tip_assets.runtime.instance import prepare_instance
from tip_assets.settings import Settings
from tip_assets_tests.support.aws import AwsServer
from tip_assets_tests.support.aws_calls import assert_recorded, played

# ECS takes no longer overrides of a task (API_RunTask).
MOST_CHARACTERS = 8192
JOB = "monthly_retraining_job"
LOG = "/tip-platform/run"


class Ecs:
    """A cluster with the task definition of a run, and an instance that launches into it."""

    def __init__(self, aws: AwsServer, state: Path) -> None:
        self.client, ec2 = aws.client("ecs"), aws.client("ec2")
        self.client.create_cluster(clusterName="tip-platform")
        container = {
            "name": "run",
            "image": "platform:0123abc",
            "memory": 4096,  # moto asks for it; ECS takes it from the task
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": LOG, "awslogs-stream-prefix": "run"},
            },
        }
        self.client.register_task_definition(
            family="tip-platform-run",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="2048",
            memory="4096",
            containerDefinitions=[container],
        )
        network = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=network, EnableDnsHostnames={"Value": True})
        subnets = [
            ec2.create_subnet(VpcId=network, CidrBlock=f"10.42.{n}.0/24")["Subnet"]["SubnetId"]
            for n in (0, 1)
        ]
        group = ec2.create_security_group(GroupName="run", Description="run", VpcId=network)
        self.settings = Settings(
            state=str(state),
            ecs_cluster="tip-platform",
            ecs_task_definition="tip-platform-run",
            ecs_subnets=",".join(subnets),
            ecs_security_groups=group["GroupId"],
        )
        prepare_instance(self.settings)

    def task(self, run: dg.DagsterRun) -> dict[str, Any]:
        found = self.client.describe_tasks(
            cluster="tip-platform", tasks=[run.tags["ecs/task_arn"]], include=["TAGS"]
        )
        return dict(found["tasks"][0])


@pytest.fixture
def ecs(aws, aws_calls, tmp_path, monkeypatch) -> Iterator[Ecs]:
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return Ecs(aws, tmp_path / "state")


def queued(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    """A run of the month as the daemon finds it, of the code location that answers over gRPC."""
    location = GrpcServerCodeLocationOrigin(
        host="code-location.tip-platform.internal",
        port=4000,
        location_name="tip_assets.definitions",
    )
    repository = RemoteRepositoryOrigin(location, "__repository__")
    code = RepositoryPythonOrigin(
        executable_path="/opt/tips/bin/python",
        code_pointer=ModuleCodePointer("tip_assets.definitions", "defs", "/srv/tips"),
        container_image=None,
        entry_point=["dagster"],
        container_context=None,
    )
    return create_run_for_test(
        instance,
        job_name=JOB,
        tags={"dagster/partition": "2024-03", **{f"ecs/{name}": v for name, v in tags.items()}},
        remote_job_origin=RemoteJobOrigin(repository, JOB),
        job_code_origin=JobPythonOrigin(JOB, code),
    )


def test_dagster_is_configured_for_ecs_where_the_settings_name_a_cluster(ecs):
    written = yaml.safe_load((ecs.settings.dagster_folder / "dagster.yaml").read_text())
    prepare_instance(ecs.settings.model_copy(update={"ecs_cluster": ""}))
    here = yaml.safe_load((ecs.settings.dagster_folder / "dagster.yaml").read_text())
    assert "run_launcher" not in here
    assert written["run_launcher"]["class"] == "FixedTaskLauncher"
    # The rest is the same wherever it runs, but for a task's time to start.
    del written["run_monitoring"]["start_timeout_seconds"]
    assert {name: written[name] for name in here} == here


def test_a_month_is_a_task_of_its_own_with_the_rights_of_its_role(ecs, aws, aws_calls):
    with played(aws_calls, "daemon"), dg.DagsterInstance.get() as instance:
        run = queued(instance)
        instance.launch_run(run.run_id, None)
        run = instance.get_run_by_id(run.run_id)
        task = ecs.task(run)
        assert "/tip-platform-run:" in task["taskDefinitionArn"]
        assert task["launchType"] == "FARGATE"
        assert {"key": "dagster/run_id", "value": run.run_id} in task["tags"]
        (container,) = task["overrides"]["containerOverrides"]
        assert container["name"] == "run"
        assert container["command"][:3] == ["dagster", "api", "execute_run"]
        assert len(json.dumps(task["overrides"])) < MOST_CHARACTERS
        launcher = instance.run_launcher
        with as_if(launcher, lastStatus="RUNNING"):
            assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    last_log_line(aws, task, "Killed: out of memory")
    with played(aws_calls, "daemon"), dg.DagsterInstance.get() as instance:
        launcher, failed = instance.run_launcher, [{"name": "run", "exitCode": 137}]
        with as_if(launcher, lastStatus="STOPPED", containers=failed):
            health = launcher.check_run_worker_health(run)
        assert health.status == WorkerStatus.FAILED
        assert "Killed: out of memory" in str(health.msg)
        with as_if(launcher, lastStatus="RUNNING"):
            assert launcher.terminate(run.run_id)
    with played(aws_calls, "webserver"), dg.DagsterInstance.get() as instance:
        other = queued(instance)
        where = {f"ecs/{name}": run.tags[f"ecs/{name}"] for name in ("task_arn", "cluster")}
        instance.add_run_tags(other.run_id, where)
        with as_if(instance.run_launcher, lastStatus="RUNNING"):
            assert instance.run_launcher.terminate(other.run_id)
    assert_recorded("test_ecs", aws_calls.rights())


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("container_overrides", '{"command": ["env"]}'),
        ("task_overrides", '{"taskRoleArn": "arn:aws:iam::123456789012:role/operator"}'),
        ("run_task_kwargs", '{"taskDefinition": "tip-platform-databases"}'),
        ("cpu", "16384"),
    ],
)
def test_a_run_whose_tags_would_change_its_task_is_refused_and_reported(ecs, tag, value, tmp_path):
    settings = ecs.settings.model_copy(update={"storage": str(tmp_path / "storage")})
    before = ecs.client.list_tasks(cluster="tip-platform")["taskArns"]
    with dg.DagsterInstance.get() as instance:
        run_id = queued(instance, **{tag: value}).run_id
        instance.launch_run(run_id, None)
        run = instance.get_run_by_id(run_id)
        assert run.status == dg.DagsterRunStatus.FAILURE
        assert run.tags["dagster/will_retry"] == "false"
        report_run(instance, run_id, settings)
    (sent,) = map(json.loads, settings.outbox.read_text().splitlines())
    assert (sent["kind"], sent["month"]) == ("failure", "2024-03")
    assert f"remove the tags ecs/{tag}" in sent["text"]
    assert ecs.client.list_tasks(cluster="tip-platform")["taskArns"] == before


def test_a_retry_inherits_the_place_of_the_killed_task_and_gets_its_own(ecs):
    with dg.DagsterInstance.get() as instance:
        run_id = queued(instance, task_arn="arn:of:the:killed", cluster="tip-platform").run_id
        instance.launch_run(run_id, None)
        run = instance.get_run_by_id(run_id)
    assert {"key": "dagster/run_id", "value": run_id} in ecs.task(run)["tags"]


@contextmanager
def as_if(launcher: Any, **facts: Any) -> Iterator[None]:
    """Tasks are sent to be so; moto's go from one state to the next by themselves."""

    def change(parsed: dict[str, Any], **_: Any) -> None:
        parsed["tasks"][0].update(facts)

    events = launcher.ecs.meta.events
    events.register("after-call.ecs.DescribeTasks", change, "as-if")
    yield
    events.unregister("after-call.ecs.DescribeTasks", change, "as-if")


def last_log_line(aws: AwsServer, task: dict[str, Any], words: str) -> None:
    """What a task has written to CloudWatch."""
    logs, stream = aws.client("logs"), f"run/run/{task['taskArn'].rpartition('/')[2]}"
    logs.create_log_group(logGroupName=LOG)
    logs.create_log_stream(logGroupName=LOG, logStreamName=stream)
    event = {"timestamp": int(time.time() * 1000), "message": words}
    logs.put_log_events(logGroupName=LOG, logStreamName=stream, logEvents=[event])
