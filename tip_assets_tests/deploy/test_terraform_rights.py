"""What the roles grant on AWS is what the platform asks for, no more and no fewer.

What it asks for was recorded in `recorded_aws_calls.json` while other tests ran: by the stack
on S3 (`test_stack.py`), the app's pages (`runtime/test_s3.py`), messages and parameters
(`reporting/test_outbox.py`, `runtime/test_parameters.py`), Dagster's launcher (`test_ecs.py`). Each
of them fails when it asks for anything else; with WRITE_AWS_CALLS=1 it writes what it asks for.
"""

import pytest

from tip_assets_tests.support.aws_calls import IMPLIED, all_recorded
from tip_assets_tests.support.terraform import Evaluated, broken, evaluated

# Who plays whom: a month that a person starts does what one of the daemon does.
ROLES = (
    *("app", "code-location", "daemon", "databases"),
    *("mlflow", "operator", "run", "webserver"),
)
# What ECS itself does before a task starts.
START = {
    *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken"),
    *("ecr:GetDownloadUrlForLayer", "logs:CreateLogStream", "logs:PutLogEvents"),
    "secretsmanager:GetSecretValue",
}


def granted(found: Evaluated, role: str) -> dict[str, set[str]]:
    """The rights of a role's code; of S3, by the folder of the storage."""
    rights = found.rights_of(f'aws_iam_role.task["{role}"]')
    return {
        action: {r.partition("/platform/")[2].removesuffix("/*") for r in resources} - {""}
        if action.startswith("s3:")
        else set()
        for action, resources in rights.items()
    }


def needed(role: str) -> dict[str, set[str]]:
    """What was recorded, and what AWS checks besides."""
    calls = {action: set(kinds) for action, kinds in all_recorded().get(role, {}).items()}
    implied = {also: set() for action in calls for also in IMPLIED.get(action, ())}
    return calls | implied


def differences(found: Evaluated) -> list[str]:
    """Rights that are missing, and those that nobody has asked for."""
    told = []
    for role in ROLES:
        has, needs = granted(found, role), needed(role)
        for action in sorted(has.keys() | needs.keys()):
            more = has.get(action, set()) - needs.get(action, set())
            fewer = needs.get(action, set()) - has.get(action, set())
            if action not in needs or more:
                told.append(f"{role} may {action} {sorted(more)} and does not")
            if action not in has or fewer:
                told.append(f"{role} does {action} {sorted(fewer)} and may not")
    return told


def test_roles_grant_what_was_asked_for_no_more_and_no_fewer():
    found = evaluated()
    assert differences(found) == []
    assert {role for role in ROLES if not granted(found, role)} == {"databases"}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('"logs:GetLogEvents" ', '"logs:FilterLogEvents" '),
        ('["${local.objects}/landing/*"]', '["${local.objects}/assets/*"]'),
        ('      "sns:Publish"       = [aws_sns_topic.messages.arn]\n', ""),
        ('      "iam:PassRole" ', '      "iam:GetRole" '),
    ],
)
def test_a_right_too_many_and_one_too_few_are_seen(tmp_path, good, bad):
    assert differences(evaluated(broken(tmp_path, "roles.tf", good, bad))) != []


def test_ecs_may_start_a_task_and_read_its_own_secrets():
    found = evaluated()
    passwords = {
        secret["name"].rpartition("_")[2]: secret["id"]
        for secret in found.of("aws_secretsmanager_secret")
    }
    for role in set(ROLES) - {"databases"}:
        rights = found.rights_of(f'aws_iam_role.execution["{role}"]')
        assert set(rights) == START, role
        (container,) = (c for c in found.containers() if c["name"] == role)
        read = {secret["valueFrom"] for secret in container["secrets"]}
        assert rights["secretsmanager:GetSecretValue"] == read, role
    for role, names in {
        "app": {"metrics"},
        "mlflow": {"mlflow"},
        "webserver": {"dagster"},
    }.items():
        rights = found.rights_of(f'aws_iam_role.execution["{role}"]')
        secrets = rights["secretsmanager:GetSecretValue"]
        assert {name for name, arn in passwords.items() if arn in secrets} == names


def test_what_may_leave_the_network_for_s3_is_what_roles_may_do():
    found = evaluated()
    documents = found.documents()
    own, listing, _ = documents["data.aws_iam_policy_document.s3_endpoint"]
    asked = {
        action
        for role in ROLES
        for action in found.rights_of(f'aws_iam_role.task["{role}"]')
        if action.startswith("s3:")
    }
    assert {*own["actions"], *listing["actions"]} == asked


def test_the_network_may_write_whom_it_turned_away():
    """What https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html asks for."""
    rights = evaluated().rights_of("aws_iam_role.flow_log")
    calls = {"CreateLogStream", "DescribeLogGroups", "DescribeLogStreams", "PutLogEvents"}
    assert set(rights) == {f"logs:{call}" for call in calls}  # the group itself is Terraform's
