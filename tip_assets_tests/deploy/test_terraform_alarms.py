"""Alarms on AWS fire for what a person must look at, and only on the alarm topic."""

from typing import Any

import pytest
from moto.events.models import EventPattern

from tip_assets_tests.support.terraform import SIZES, evaluated
from tip_assets_tests.support.terraform_costs import bill

ECS = "arn:aws:ecs:eu-central-1:111122223333"
SCALING = "Scaling activity initiated by (deployment ecs-svc/1)"
UNHEALTHY = "Task failed ELB health checks in (target-group app)"
ENDED = "Essential container in task exited"


def rings(kind: str, **event: Any) -> bool:
    """Whether a rule of EventBridge tells an event of ECS."""
    found = evaluated().of("aws_cloudwatch_event_rule")
    rules = {rule["name"]: rule["event_pattern"] for rule in found}
    return bool(EventPattern.load(rules[f"tip-platform-{kind}"]).matches_event(event))


@pytest.mark.parametrize(
    ("code", "reason", "exits", "told"),
    [
        ("TaskFailedToStart", "CannotPullContainerError", {}, True),
        ("EssentialContainerExited", ENDED, {"exitCode": 1}, True),
        ("EssentialContainerExited", ENDED, {"exitCode": 137}, True),
        ("ServiceSchedulerInitiated", UNHEALTHY, {"exitCode": 143}, True),
        ("EssentialContainerExited", ENDED, {"exitCode": 0}, False),
        ("ServiceSchedulerInitiated", SCALING, {"exitCode": 143}, False),
        ("UserInitiated", "Dagster ended the run", {"exitCode": 143}, False),
    ],
)
def test_a_task_that_fails_is_reported_with_its_reason(code, reason, exits, told):
    # EventBridge looks into each object of a list; moto's matcher, into an object only.
    detail = {"stopCode": code, "stoppedReason": reason, "containers": exits}
    for cluster, status, expected in (
        ("tip-platform", "STOPPED", told),
        ("tip-platform", "RUNNING", False),
        ("another", "STOPPED", False),
    ):
        where = {"clusterArn": f"{ECS}:cluster/{cluster}", "lastStatus": status}
        event = {"source": "aws.ecs", "detail-type": "ECS Task State Change"}
        assert rings("stopped-task", **event, detail=where | detail) is expected


def test_a_deployment_that_ecs_rolls_back_is_reported():
    event = {"source": "aws.ecs", "detail-type": "ECS Deployment State Change"}
    service = [f"{ECS}:service/tip-platform/app"]
    for name, expected in (
        ("SERVICE_DEPLOYMENT_FAILED", True),
        ("SERVICE_DEPLOYMENT_COMPLETED", False),
    ):
        told = rings("failed-deployment", **event, resources=service, detail={"eventName": name})
        assert told is expected


@pytest.mark.parametrize("sizes", SIZES)
def test_a_budget_exceeds_what_the_docs_expect(sizes):
    (budget,) = evaluated(sizes=sizes).of("aws_budgets_budget")
    assert float(budget["limit_amount"]) > sum(line.cost for line in bill(sizes))
