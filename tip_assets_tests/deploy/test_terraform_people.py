"""Who takes which role on AWS, and what no role can exceed, not even by an apply."""

import fnmatch
import shutil

import pytest

from tip_assets_tests.support.terraform import (
    BOOTSTRAP,
    FOLDER,
    Evaluated,
    broken,
    evaluated,
)

BOUNDARY = "arn:aws:iam::111122223333:policy/workflow-tip-platform-boundary"


def boundary() -> dict[str, set[str]]:
    """What the boundary permits: actions, each with its resources."""
    found = evaluated(BOOTSTRAP, sizes="")
    (document,) = [parts for name, parts in found.documents().items() if name.endswith(".boundary")]
    permitted: dict[str, set[str]] = {}
    for statement in document:
        for action in statement["actions"]:
            permitted.setdefault(action, set()).update(statement["resources"])
    return permitted


def exceeding(found: Evaluated) -> list[str]:
    """Rights of the platform's roles that the boundary takes away: it would fail when it runs."""
    permitted, told = boundary(), []
    for role in found.of("aws_iam_role"):
        path = role["__tfmeta"]["path"]
        for action, resources in found.rights_of(path).items():
            for resource in resources:
                # Names that AWS gives are not known here; the boundary names their beginnings.
                known = resource.startswith("arn:") or resource == "*"
                if action not in permitted:
                    told.append(f"{path} {action}")
                elif known and not any(
                    fnmatch.fnmatchcase(resource, wide) for wide in permitted[action]
                ):
                    told.append(f"{path} {action} {resource}")
    return told


def test_every_role_has_the_boundary_and_keeps_its_rights_within_it():
    found = evaluated()
    roles = found.of("aws_iam_role")
    assert len(roles) > 15
    assert {role["permissions_boundary"] for role in roles} == {BOUNDARY}
    assert exceeding(found) == []


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ('"logs:GetLogEvents" ', '"logs:DeleteLogGroup" ', "logs:DeleteLogGroup"),
        (":parameter${local.parameter_prefix}", ":parameter/others", "ssm:GetParameters"),
        ('"s3:ListBucket"     = [local.bucket_arn]', '"s3:ListBucket" = ["*"]', "s3:ListBucket"),
    ],
)
def test_a_right_beyond_the_boundary_is_seen(tmp_path, good, bad, told):
    found = exceeding(evaluated(broken(tmp_path, "roles.tf", good, bad)))
    assert found
    assert all(told in line or "ssm:" in line for line in found)


def test_the_boundary_leaves_what_the_key_permits_through_services():
    """It could take away what a key's own policy grants: no secret could be read then."""
    key = evaluated().documents()["data.aws_iam_policy_document.key"]
    (through,) = [part for part in key if part.get("sid") == "ThroughServices"]
    assert set(through["actions"]) <= set(boundary())


def test_an_apply_makes_roles_with_the_boundary_only():
    found = evaluated(BOOTSTRAP, sizes="")
    (policy,) = found.of("aws_iam_policy")
    assert policy["name"] == BOUNDARY.rpartition("/")[2]
    (document,) = [parts for name, parts in found.documents().items() if name.endswith(".apply")]
    gives = {
        "iam:AttachRolePolicy",
        "iam:CreateRole",
        "iam:PutRolePermissionsBoundary",
        "iam:PutRolePolicy",
    }
    for statement in document:
        actions = set(statement["actions"])
        if actions & gives:
            assert actions <= gives
            assert statement["condition"]["variable"] == "iam:PermissionsBoundary"
            assert statement["condition"]["test"] == "StringEquals"
            assert statement["condition"]["values"] == [policy["id"]]
        # What would take the boundary off, or change it.
        assert not {
            a for a in actions if a.startswith("iam:") and ("Polic" in a or "Bound" in a)
        } & {
            "iam:CreatePolicyVersion",
            "iam:DeleteRolePermissionsBoundary",
            "iam:SetDefaultPolicyVersion",
        }
    assert gives & {a for s in document for a in s["actions"]} == gives - {"iam:AttachRolePolicy"}
    # It cannot touch itself: what is bounded has another name.
    names = [role["name"] for role in found.of("aws_iam_role")]
    assert not any(fnmatch.fnmatchcase(name, "tip-platform-*") for name in names)


def test_producers_drop_files_and_operators_run_tips():
    found = evaluated()
    producers = found.rights_of('aws_iam_role.people["producers"]')
    assert set(producers) == {"s3:PutObject"}
    (landing,) = producers["s3:PutObject"]
    assert landing.endswith("/platform/landing/*")
    operators = found.rights_of('aws_iam_role.people["operators"]')
    (task,) = operators["ecs:RunTask"]
    assert task.endswith(":task-definition/tip-platform-operator:*")
    passed = {arn.rpartition("/")[2] for arn in operators["iam:PassRole"]}
    assert passed == {"tip-platform-operator", "tip-platform-operator-start"}
    assert passed < {role["name"] for role in found.of("aws_iam_role")}
    parts = found.documents()['data.aws_iam_policy_document.people["operators"]']
    only_if = {part["actions"][0] for part in parts if "condition" in part}
    assert only_if == {"ecs:RunTask", "iam:PassRole"}
    assumed = found.documents()['data.aws_iam_policy_document.people_assume["producers"]']
    (principals,) = [part["principals"]["identifiers"] for part in assumed]
    assert list(principals) == ["arn:aws:iam::444455556666:role/cash-register"]


def test_nobody_takes_a_role_that_nobody_was_given(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "terraform")
    found = evaluated(folder, producers=[], operators=[])
    assert not [r for r in found.of("aws_iam_role") if "people" in r["__tfmeta"]["path"]]
