"""Every right of a role on AWS is within the boundary that an apply cannot exceed."""

import fnmatch

import pytest

from tip_assets_tests.support.terraform import (
    BOOTSTRAP,
    Evaluated,
    broken,
    evaluated,
)


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


def test_every_role_keeps_its_rights_within_it():
    assert exceeding(evaluated()) == []


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
