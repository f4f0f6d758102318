"""The Terraform configuration is valid, passes its tests and checkov, and costs what docs say.

Rules about values are in `deploy/terraform/tests`, rights in `test_terraform_rights.py`.
"""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tip_assets_tests.support import terraform_costs as costs
from tip_assets_tests.support.terraform import (
    BOOTSTRAP,
    FOLDER,
    SIZES,
    YOURS,
    broken,
    evaluated,
)
from tip_assets_tests.support.terraform_command import Terraform, copied

CHECKOV = Path(__file__).parents[2] / ".venv" / "checkov" / "bin" / "checkov"
FOLDERS = [FOLDER, BOOTSTRAP]


def test_every_container_can_be_evaluated():
    """Otherwise other tests would look at nothing."""
    found = evaluated()
    assert len(found.containers()) == len(found.of("aws_ecs_task_definition")) - 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("folder", [".", "bootstrap"])
def test_terraform_finds_it_valid_and_its_rules_hold(tmp_path, folder):
    """Skipped where there is no Terraform or no provider; it says so."""
    terraform = Terraform(copied(tmp_path / "terraform") / folder)
    terraform.init("-backend=false")
    terraform.run("fmt", "-check", "-diff", "-recursive")
    terraform.run("validate")
    yours = f"-var-file={YOURS}"
    if folder == "bootstrap":
        assert " 0 failed." in terraform.run("test", yours)
        return
    assert " 0 failed." in terraform.run("test", f"-var-file={SIZES[0]}", yours)
    rules = "-filter=tests/rules.tftest.hcl"
    assert " 0 failed." in terraform.run("test", rules, f"-var-file={SIZES[1]}", yours)


def unknown_to_a_plan(folder: Path) -> list[str]:
    """The attributes of resources that a `triggers` refers to, itself or through locals."""
    text = "\n".join(file.read_text("utf-8") for file in sorted(folder.glob("*.tf")))
    blocks = "".join(re.findall(r"^locals \{\n(.*?)^\}", text, re.M | re.S))
    known = dict(re.findall(r"^  (\w+) += (.*?)(?=^  [a-z#]|\Z)", blocks, re.M | re.S))
    reached = re.findall(r"^ +triggers += (.*)", text, re.M)
    assert reached, "no `triggers`: this rule can go"
    for expression in reached:  # which grows meanwhile
        inner = {known.pop(name, "") for name in re.findall(r"\blocal\.(\w+)", expression)}
        reached += sorted(inner)
    return re.findall(r"\b(?:data\.)?aws_\w+\.[\w\[\]\".]+", "\n".join(reached))


def test_what_redeploys_a_service_is_known_to_a_plan():
    """A deployment failed half way: the plan did not know an ARN that a trigger was made of."""
    assert unknown_to_a_plan(FOLDER) == []


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("run = local.run_definition", 'run = aws_ecs_task_definition.task["run"].arn'),
        ("= local.topic_arn", "= aws_sns_topic.messages.arn"),
    ],
)
def test_a_trigger_that_a_plan_does_not_know_is_seen(tmp_path, good, bad):
    found = unknown_to_a_plan(broken(tmp_path, "services.tf", good, bad))
    assert found == [bad.partition("= ")[2]]


def test_the_docs_say_what_the_configuration_costs():
    words = (FOLDER.parents[1] / "docs" / "aws.md").read_text("utf-8")
    totals = costs.totals()
    assert totals.keys() == {"one machine", *(sizes.partition(".")[0] for sizes in SIZES)}
    for name, total in totals.items():
        assert f"| {name} | {total:.0f} |" in words


def test_the_docs_name_whatever_refuses_to_be_destroyed():
    guarded = re.compile(
        r'^resource "(\w+)" "(\w+)" \{\n(?:(?!^\}$).)*?prevent_destroy = true', re.M | re.S
    )
    names = {
        ".".join(found)
        for folder in FOLDERS
        for file in folder.glob("*.tf")
        for found in guarded.findall(file.read_text("utf-8"))
    }
    words = (FOLDER.parents[1] / "docs" / "aws.md").read_text("utf-8").partition("**Destroy.**")[2]
    assert set(re.findall(r"`(aws_\w+\.\w+)`", words)) == names
    assert {"aws_kms_key.platform", "aws_kms_key.state"} < names


@pytest.fixture(scope="module")
def checked() -> dict[str, Any]:
    """What checkov says; it asks nobody on the internet."""
    command = [CHECKOV, "-d", FOLDER, "--framework", "terraform", "--skip-download", "-o", "json"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LOG_LEVEL": "ERROR"},
    )
    answer = json.loads(done.stdout)
    return dict(answer if isinstance(answer, dict) else answer[0])


def test_checkov_finds_nothing_but_what_is_justified_in_place(checked):
    results = checked["results"]
    assert results["parsing_errors"] == []
    failed = [(check["check_id"], check["resource"]) for check in results["failed_checks"]]
    assert failed == []
    assert len(results["passed_checks"]) > 200
    reasons = {check["check_result"]["suppress_comment"] for check in results["skipped_checks"]}
    assert min(map(len, reasons)) > 20, reasons


def test_no_exception_is_left_that_excepts_nothing(checked):
    given = re.compile(r"#checkov:skip=(\w+):")
    said = {
        (file.name, name)
        for folder in FOLDERS
        for file in folder.glob("*.tf")
        for name in given.findall(file.read_text())
    }
    needed = {
        (Path(check["file_path"]).name, check["check_id"])
        for check in checked["results"]["skipped_checks"]
    }
    assert said == needed
