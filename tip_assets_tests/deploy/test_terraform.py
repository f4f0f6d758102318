"""The Terraform configuration can be evaluated, passes checkov, and costs what the docs say.

Who may do what is in `test_terraform_rights.py`.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tip_assets_tests.support import terraform_costs as costs
from tip_assets_tests.support.terraform import (
    BOOTSTRAP,
    FOLDER,
    SIZES,
    address,
    broken,
    evaluated,
    texts,
)
from tip_assets_tests.support.terraform_command import Terraform, copied

CHECKOV = Path(__file__).parents[2] / ".venv" / "checkov" / "bin" / "checkov"
FOLDERS = [FOLDER, BOOTSTRAP]


@pytest.mark.parametrize("sizes", SIZES)
def test_every_resource_can_be_evaluated(sizes):
    """What `for_each` makes of it is there, so that the other tests look at something."""
    found = evaluated(sizes=sizes)
    services = {s["name"] for s in found.of("aws_ecs_service")}
    assert services == {"webserver", "daemon", "code-location", "mlflow", "app", "exporter"}
    assert len(found.containers()) == len(found.of("aws_ecs_task_definition")) - 1
    for task in found.of("aws_ecs_task_definition"):
        assert task["cpu"] >= 256
        assert task["memory"] >= 512


@pytest.mark.slow
@pytest.mark.parametrize("folder", [".", "bootstrap"])
def test_terraform_finds_it_valid(tmp_path, folder):
    """Skipped where there is no Terraform or no provider; it says so."""
    terraform = Terraform(copied(tmp_path / "terraform") / folder)
    terraform.init("-backend=false")
    terraform.run("fmt", "-check", "-diff")
    terraform.run("validate")


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


def test_nothing_runs_until_there_are_databases(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "terraform")
    services = evaluated(folder, running=False).of("aws_ecs_service")
    assert {service["desired_count"] for service in services} == {0}
    alarms = evaluated(folder, running=False).of("aws_cloudwatch_metric_alarm")
    down = {alarm["alarm_name"] for alarm in alarms if "is-down" in alarm["alarm_name"]}
    assert down == {"tip-platform-nat-is-down"}


def test_nobody_pays_for_an_exporter_that_nobody_reads(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "terraform")
    for readers in ([], ["10.1.0.0/16"]):
        found = evaluated(folder, metrics_readers=readers)
        services = {s["name"]: s["desired_count"] for s in found.of("aws_ecs_service")}
        assert services["exporter"] == len(readers)
        alarms = {alarm["alarm_name"] for alarm in found.of("aws_cloudwatch_metric_alarm")}
        assert ("tip-platform-exporter-is-down" in alarms) == bool(readers)


def test_tasks_reach_aws_through_endpoints_or_through_the_nat_instance():
    small, production = map(evaluated, (FOLDER, FOLDER), SIZES)
    kinds = [
        {e["vpc_endpoint_type"] for e in found.of("aws_vpc_endpoint")}
        for found in (small, production)
    ]
    assert kinds == [{"Gateway"}, {"Gateway", "Interface"}]
    assert "aws_instance" not in production.found
    (instance,) = small.of("aws_instance")
    assert instance["source_dest_check"] is False
    (route,) = [r for r in small.of("aws_route") if address(r).startswith("aws_route.nat")]
    tables = {table["id"]: address(table) for table in small.of("aws_route_table")}
    assert tables[route["route_table_id"]] == "aws_route_table.private"
    names = {group["id"]: group["name"] for group in small.of("aws_security_group")}
    out = {
        names[rule["security_group_id"]]
        for rule in small.of("aws_vpc_security_group_egress_rule")
        if rule.get("cidr_ipv4") == "0.0.0.0/0" and rule["from_port"] == rule["to_port"] == 443
    }
    tasks = {f"tip-platform-{container['name']}" for container in small.containers()}
    assert tasks | {"tip-platform-databases"} <= out
    assert out - tasks - {"tip-platform-databases"} == {
        "tip-platform-load-balancer",
        "tip-platform-nat",
    }
    into = [
        rule
        for rule in small.of("aws_vpc_security_group_ingress_rule")
        if names[rule["security_group_id"]] == "tip-platform-nat"
    ]
    assert [(rule["cidr_ipv4"], rule["from_port"]) for rule in into] == [("10.42.0.0/16", 443)]


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


def test_every_page_has_a_client_and_a_session_of_its_own():
    """Whoever may use the app alone would otherwise run commands through Dagster's pages."""
    rules = evaluated().of("aws_lb_listener_rule")
    logins = [rule["action"][0]["authenticate_oidc"] for rule in rules]
    assert len(logins) == 3
    for own in ("client_id", "session_cookie_name"):
        assert len({login[own] for login in logins}) == 3, own
