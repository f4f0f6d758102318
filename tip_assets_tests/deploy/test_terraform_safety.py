"""What must never be in the infrastructure is not there, and each rule sees its faults.

The rules are in `support/terraform_rules.py`; they hold for the small and the production sizes.
"""

import json
import re

import pytest

from tip_assets_tests.support.terraform import (
    BOOTSTRAP,
    FOLDER,
    SIZES,
    broken,
    evaluated,
    one_or_more,
    texts,
)
from tip_assets_tests.support.terraform_rules import (
    RULES,
    forgetting,
    literal_secrets,
    open_to_the_world,
    pages_without_login,
    public_places,
    public_policies,
    routes_out,
    secrets_in_the_open,
    silent_alarms,
    wildcard_actions,
    wildcard_resources,
    without_encryption,
)


@pytest.mark.parametrize("sizes", SIZES)
def test_what_must_never_be_is_not_there(sizes):
    found = evaluated(sizes=sizes)
    assert {rule.__name__: list(rule(found)) for rule in RULES} == {r.__name__: [] for r in RULES}
    assert literal_secrets(FOLDER) == []


def test_what_must_never_be_is_not_in_what_comes_before_it():
    found = evaluated(BOOTSTRAP)
    for rule in (public_places, public_policies, wildcard_actions):
        assert list(rule(found)) == [], rule.__name__
    assert literal_secrets(BOOTSTRAP) == []
    assumed = [part for parts in found.documents().values() for part in parts]
    subjects = [
        value
        for part in assumed
        for condition in one_or_more(part.get("condition"))
        if condition["variable"].endswith(":sub")
        for value in condition["values"]
    ]
    assert len(subjects) == 4
    assert not any("pull_request" in value or "*" in value for value in subjects)


FAULTS = {
    open_to_the_world: [
        ("security_groups.tf", "= each.value.addresses", '= "0.0.0.0/0"'),
        ("security_groups.tf", 'place["load-balancer"].id\n  cidr', 'place["app"].id\n  cidr'),
        ("load_balancer.tf", "port              = 443", "port              = 80"),
        (
            "network.tf",
            'group" "closed" {',
            'group" "closed" {\n  ingress {\n    protocol = -1\n  }',
        ),
    ],
    pages_without_login: [
        ("load_balancer.tf", 'type  = "authenticate-oidc"', 'type  = "forward"'),
        ("load_balancer.tf", 'request = "authenticate"', 'request = "allow"'),
        ("load_balancer.tf", 'type = "fixed-response"', 'type = "forward"'),
    ],
    public_places: [
        ("storage.tf", "block_public_policy     = true", "block_public_policy     = false"),
        ("storage.tf", "block_public_acls       = true", ""),
        ("database.tf", "publicly_accessible    = false", "publicly_accessible    = true"),
        ("services.tf", "assign_public_ip = false", "assign_public_ip = true"),
    ],
    public_policies: [
        ("storage.tf", 'effect    = "Deny"', 'effect    = "Allow"'),
        ("encryption.tf", '"kms:CallerAccount"', '"aws:SourceIp"'),
    ],
    routes_out: [
        (
            "network.tf",
            "= aws_route_table.public.id\n  dest",
            "= aws_route_table.private.id\n  dest",
        ),
        ("security_groups.tf", "prefix_list_id    = aws_vpc_e", 'cidr_ipv4 = "0.0.0.0/0" # '),
    ],
    without_encryption: [
        ("database.tf", "storage_encrypted = true", "storage_encrypted = false"),
        ("alarms.tf", "kms_key_id        = aws_kms_key.platform.arn", ""),
        ("storage.tf", "kms_master_key_id = aws_kms_key.platform.arn", ""),
        ("messages.tf", "kms_master_key_id = aws_kms_key.platform.key_id", ""),
        ("storage.tf", 'values   = ["false"]', 'values   = ["true"]'),
        ("database.tf", 'force_ssl"\n    value = "1"', 'force_ssl"\n    value = "0"'),
        ("images.tf", "kms_key         = aws_kms_key.platform.arn", ""),
    ],
    wildcard_actions: [
        ("roles.tf", '"logs:GetLogEvents"', '"logs:*"'),
        ("encryption.tf", '"kms:CancelKeyDeletion"', '"kms:*"'),
    ],
    wildcard_resources: [("roles.tf", "= [aws_sns_topic.messages.arn]", '= ["*"]')],
    secrets_in_the_open: [
        ("services.tf", "AWS_DEFAULT_REGION  =", "AWS_SECRET_ACCESS_KEY ="),
        ("services.tf", '"http://mlflow.${', '"http://me:word@mlflow.${'),
    ],
    forgetting: [
        ("database.tf", "deletion_protection       = true", "deletion_protection = false"),
        ("database.tf", "= var.backup_days", "= 0"),
        (
            "storage.tf",
            'configuration {\n    status = "Enabled"',
            'configuration {\n    status = "No"',
        ),
        ("images.tf", '"IMMUTABLE"', '"MUTABLE"'),
        ("alarms.tf", "retention_in_days = var.log_days", ""),
    ],
    silent_alarms: [("alarms.tf", "alarm_actions       = [", "alarm_actions = [] # ")],
}


@pytest.mark.parametrize(
    ("rule", "file", "good", "bad"),
    [(rule, *fault) for rule, faults in FAULTS.items() for fault in faults],
    ids=lambda word: word.__name__ if callable(word) else "",
)
def test_every_rule_sees_its_faults(tmp_path, rule, file, good, bad):
    others = {"metrics_readers": ["10.9.0.0/16"]} if "addresses" in good else {}
    found = evaluated(broken(tmp_path, file, good, bad), **others)
    assert list(rule(found)) != []


def test_every_rule_has_a_fault():
    assert set(FAULTS) == set(RULES)


@pytest.mark.parametrize(
    ("file", "good", "bad"),
    [
        ("database.tf", "manage_master_user_password   = true", 'password = "waiter"'),
        ("database.tf", "secret_string_wo = format(", 'secret_string_wo = "waiter"\n  x = format('),
        ("database.tf", "  secret_string_wo = format(", "  secret_string = format("),
        (
            "load_balancer.tf",
            "= data.aws_secretsmanager_secret_version.identity_client.secret_string",
            '= "waiter"',
        ),
        ("variables.tf", 'variable "running" {', 'variable "db_password" {\n  default = "waiter"'),
    ],
)
def test_a_literal_secret_is_seen(tmp_path, file, good, bad):
    assert literal_secrets(broken(tmp_path, file, good, bad)) != []


def test_tasks_start_nothing_that_a_person_could_not_name():
    """Commands of the outputs name tasks, clusters and containers that there are."""
    found = evaluated()
    families = {task["family"] for task in found.of("aws_ecs_task_definition")}
    commands = {
        output["__tfmeta"]["label"]: output["value"]
        for output in found.found["output"]
        if "aws ecs run-task" in " ".join(texts(output.get("value")))
    }
    assert set(commands) == {"prepare_databases", "run_tips"}
    for command in commands.values():
        (family,) = re.findall(r"--task-definition (\S+)", command)
        assert family in families
        for overrides in re.findall(r"--overrides '(.*?)'", command):
            (container,) = json.loads(overrides)["containerOverrides"]
            assert container["name"] == family.removeprefix("tip-platform-")


def test_no_statement_about_users_is_in_the_log_of_the_database():
    (group,) = evaluated().of("aws_db_parameter_group")
    (statements,) = [p["value"] for p in group["parameter"] if p["name"] == "log_statement"]
    assert statements == "none"
