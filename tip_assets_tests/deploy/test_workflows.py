"""The workflows of continuous integration keep their rules, and name only what there is."""

import re
from collections.abc import Callable

import pytest
import yaml

from tip_assets_tests.support.workflow_rules import (
    ROOT,
    Texts,
    actions_in_two_versions,
    applied_without_approval,
    artifacts_that_stop_a_second_try,
    changes_away_from_main,
    changes_on_pull_requests,
    dangerous_events,
    deaf_pipes,
    expressions_in_commands,
    jobs,
    missing_commands,
    roles_on_pull_requests,
    roles_with_other_rights,
    roles_without_a_limit,
    secrets_on_pull_requests,
    strangers_with_roles,
    texts,
    unbounded_jobs,
    undeclared_permissions,
    unlimited_workflows,
    unpinned_actions,
)

# The rule; the file in which it is broken, what stands there, and what breaks it.
BROKEN: list[tuple[Callable[[Texts], list[str]], str, str, str]] = [
    (unpinned_actions, "test.yml", "3d3c42e5aac5ba805825da76410c181273ba90b1", "v7"),
    (unpinned_actions, "deploy.yml", " # v0.36.0", ""),
    (actions_in_two_versions, "test.yml", "@3d3c42e5", "@00000000"),
    (dangerous_events, "terraform.yml", "  pull_request:", "  pull_request_target:"),
    (undeclared_permissions, "test.yml", "permissions: {}", "permissions: write-all"),
    (undeclared_permissions, "audit.yml", "    permissions:\n      contents: read\n", ""),
    (secrets_on_pull_requests, "test.yml", "{}", "{}\nenv: {KEY: '${{ secrets.KEY }}'}"),
    (secrets_on_pull_requests, "terraform.yml", "vars.AWS_PLAN_ROLE", "secrets.AWS_PLAN_ROLE"),
    (changes_on_pull_requests, "audit.yml", "run: make audit", "run: docker push image"),
    (changes_on_pull_requests, "terraform.yml", "AWS_PLAN_ROLE", "AWS_APPLY_ROLE"),
    (changes_on_pull_requests, "deploy.yml", "  workflow_dispatch:", "  pull_request:"),
    (roles_on_pull_requests, "test.yml", "contents: read", "id-token: write"),
    (roles_on_pull_requests, "terraform.yml", "environment: plan", "environment: production"),
    (roles_without_a_limit, "terraform.yml", "    environment: plan\n", ""),
    (roles_with_other_rights, "terraform.yml", "contents: read", "contents: write"),
    (
        strangers_with_roles,
        "deploy.yml",
        "    timeout-minutes: 20\n    permissions:",
        "    permissions:\n      id-token: write",
    ),
    (changes_away_from_main, "nightly.yml", "run: make bench", "run: terraform apply"),
    (changes_away_from_main, "deploy.yml", "branches: [main]", "branches: ['**']"),
    (applied_without_approval, "deploy.yml", "    environment: production\n", ""),
    (applied_without_approval, "deploy.yml", "needs: plan", "needs: push"),
    (unbounded_jobs, "test.yml", "    timeout-minutes: 60\n", ""),
    (unlimited_workflows, "audit.yml", "concurrency:", "env:"),
    (deaf_pipes, "nightly.yml", "    shell: bash", "    shell: sh"),
    (artifacts_that_stop_a_second_try, "deploy.yml", "          overwrite: true\n", ""),
    (expressions_in_commands, "terraform.yml", '"$NUMBER"', "${{ github.head_ref }}"),
    (missing_commands, "nightly.yml", "make bench", "make benches"),
    (missing_commands, "deploy.yml", "deploy/Dockerfile", "deploy/docker/Dockerfile"),
    (missing_commands, "terraform.yml", ".github/plan.sh", ".github/planned.sh"),
]


@pytest.mark.parametrize("rule", dict.fromkeys(row[0] for row in BROKEN), ids=lambda r: r.__name__)
def test_workflows_keep_the_rule(rule: Callable[[Texts], list[str]]) -> None:
    assert rule(texts()) == []


@pytest.mark.parametrize(
    ("rule", "file", "there", "broken"), BROKEN, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_workflow_that_breaks_the_rule_is_told(
    rule: Callable[[Texts], list[str]], file: str, there: str, broken: str
) -> None:
    assert there in texts()[file]
    assert rule(texts() | {file: texts()[file].replace(there, broken)})


def test_every_image_that_is_deployed_is_built_and_has_a_place() -> None:
    strategies = [job.body["strategy"]["matrix"] for job in jobs(texts()) if "strategy" in job.body]
    matrices = [matrix for matrix in strategies if "target" in matrix]
    built = set(matrices[0]["target"])
    targets = re.findall(
        r"^FROM .* AS (.+)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE
    )
    places = re.findall(r"toset\((\[.*\])\)", (ROOT / "deploy/terraform/images.tf").read_text())
    assert len(matrices) == 3  # built, scanned, pushed
    assert matrices[1:] == matrices[:2]
    assert built <= set(targets)
    assert [built] == [set(yaml.safe_load(place)) for place in places]


def test_hooks_call_what_continuous_integration_calls() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == ["make lint", ".ci/run"]
    assert all(hook["always_run"] and not hook["pass_filenames"] for hook in hooks)
    assert (ROOT / ".ci" / "run").read_text().endswith("exec make test\n")
    assert "\ntest: setup-dev lint " in (ROOT / "Makefile").read_text()
    assert ".ci/run" in next(job for job in jobs(texts()) if job.name == "test.yml: test").commands


def test_every_role_is_taken_only_where_aws_gives_it() -> None:
    trusted = re.findall(
        r'^    (\w+) += "repo:\$\{var.repository\}:(?:ref:refs/heads/main|environment:(\w+))"$',
        (ROOT / "deploy/terraform/bootstrap/workflows.tf").read_text(),
        re.MULTILINE,
    )
    taken = {
        (role.lower(), job.environment)
        for job in jobs(texts())
        for role in re.findall(r"role-to-assume: \$\{\{ vars.AWS_(\w+)_ROLE", job.text)
    }
    assert len(trusted) == 4
    assert taken == set(trusted)


def test_dependabot_looks_where_there_is_something_that_it_reads() -> None:
    read = {"github-actions": ".github/workflows/*.yml", "docker-compose": "compose.yaml",
            "terraform": "*.tf", "npm": "package.json"}  # fmt: skip
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert {update["package-ecosystem"] for update in updates} == set(read)
    for update in updates:
        for place in update.get("directories") or [update["directory"]]:
            found = [*(ROOT / place[1:]).glob(read[update["package-ecosystem"]])]
            assert found, place
