"""The commands of docs/aws.md bring the platform up in an AWS account, change it and destroy it.

The account is moto's, mended (`support/aws_account.py`): it runs nothing and checks few values. It
finds what a plan cannot, such as an apply that contradicts its plan. Each test goes on where the
one before it ended. `make terraform-test` names this file; pytest does not collect it by itself,
since it takes a quarter of an hour and needs Terraform with its provider.
"""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tip_assets_tests.support.aws import AwsServer
from tip_assets_tests.support.terraform import YOURS
from tip_assets_tests.support.terraform_command import Terraform, copied

pytestmark = pytest.mark.timeout(1800)

SUMMARY = re.compile(r"(?:Apply|Destroy) complete! .*|No changes\..*|^Plan: .*", re.MULTILINE)
SECRETS = "tip-platform/identity-client"


class Account:
    """An empty account, and both folders of Terraform's that are applied to it."""

    def __init__(self, folder: Path, terraform: Path) -> None:
        self.aws = AwsServer(folder, "tip_assets_tests.support.aws_account")
        self.aws.wait()
        # Report at once what moto cannot answer, not after 25 attempts.
        account = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "2"}
        account |= self.aws.environment()
        self.main = Terraform(terraform, account)
        self.bootstrap = Terraform(terraform / "bootstrap", account)
        zones = self.aws.client("route53")
        zone = zones.create_hosted_zone(Name="example.org", CallerReference="1")["HostedZone"]
        self.zone = zone["Id"].rpartition("/")[2]
        secrets = self.aws.client("secretsmanager")
        for client in ("app", "dagster", "mlflow"):
            secrets.create_secret(Name=f"{SECRETS}/{client}", SecretString=f"of {client}")
        self.tag = "0123abc"

    def chosen(self, sizes: str = "small") -> list[str]:
        """The variables of a deployment."""
        files = [f"-var-file={sizes}.tfvars", f"-var-file={YOURS}"]
        return [*files, f"-var=hosted_zone={self.zone}", f"-var=image_tag={self.tag}"]

    def apply(self, *options: str) -> None:
        told(self.main.run("apply", "-auto-approve", "-input=false", *options))

    def assert_nothing_to_change(self, *options: str) -> None:
        plan = self.main.run("plan", "-input=false", *options)
        told(plan)
        assert "No changes." in plan, plan

    def empty(self, bucket: str) -> None:
        """Delete every object of a bucket without versions."""
        s3 = self.aws.client("s3")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for file in page.get("Contents", []):
                s3.delete_object(Bucket=bucket, Key=file["Key"])


def told(text: str) -> str:
    """Terraform's own summary lines, for progress."""
    for line in SUMMARY.findall(text):
        logging.getLogger("terraform").info(line)
    return text


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("account")
    terraform = copied(folder / "terraform")
    Terraform(terraform / "bootstrap").init()
    account = Account(folder, terraform)
    yield account
    account.aws.stop()


def running_tags(account: Account) -> dict[str, str]:
    """The tag of the image of every service, and of the newest month."""
    ecs = account.aws.client("ecs")
    names = ecs.list_services(cluster="tip-platform")["serviceArns"]
    services = ecs.describe_services(cluster="tip-platform", services=names)["services"]
    definitions = {s["serviceName"]: s["taskDefinition"] for s in services}
    return {
        name: image_tag(ecs.describe_task_definition(taskDefinition=definition))
        for name, definition in {**definitions, "run": "tip-platform-run"}.items()
    }


def image_tag(described: dict[str, Any]) -> str:
    (container,) = described["taskDefinition"]["containerDefinitions"]
    return str(container["image"]).rpartition(":")[2]


def test_bootstrap_keeps_its_own_state_in_the_bucket_that_it_makes(account):
    terraform, chosen = account.bootstrap, f"-var-file={YOURS}"
    told(terraform.run("apply", "-auto-approve", "-input=false", chosen))
    state = json.loads(terraform.run("output", "-json", "state"))
    lines = "".join(f'{name} = "{value}"\n' for name, value in state.items())
    (account.main.folder / "backend.hcl").write_text(lines)
    (terraform.folder / "backend.tf").write_text(
        (terraform.folder / "backend.tf.example").read_text()
    )
    key = "-backend-config=key=bootstrap.tfstate"
    terraform.init("-migrate-state", "-force-copy", "-backend-config=../backend.hcl", key)
    assert not (terraform.folder / "terraform.tfstate").read_text()
    kept = account.aws.client("s3").list_objects_v2(Bucket=state["bucket"])["Contents"]
    assert [file["Key"] for file in kept] == ["bootstrap.tfstate"]
    plan = told(terraform.run("plan", "-input=false", chosen))
    assert "No changes." in plan, plan


def test_the_platform_comes_up_in_the_order_of_the_docs(account):
    account.main.init("-backend-config=backend.hcl")
    account.apply(*account.chosen(), "-target=aws_ecr_repository.image")
    account.apply(*account.chosen(), "-var=running=false")
    assert "run-task" in account.main.run("output", "-raw", "prepare_databases")
    account.apply(*account.chosen())
    account.assert_nothing_to_change(*account.chosen())
    assert set(running_tags(account).values()) == {"0123abc"}


def test_a_deployment_moves_every_service_and_the_months(account):
    account.tag = "4567def"
    account.apply(*account.chosen(), '-target=aws_ecs_task_definition.task["databases"]')
    account.apply(*account.chosen())
    account.assert_nothing_to_change(*account.chosen())
    moved = running_tags(account)
    assert set(moved.values()) == {"4567def"}
    assert {"app", "daemon", "run", "webserver"} < set(moved)


@pytest.mark.parametrize(
    ("file", "good", "bad"),
    [
        ("small.tfvars", "run           = { cpu = 2048", "run           = { cpu = 1024"),
        ("tasks.tf", "stopTimeout     = 120", "stopTimeout     = 110"),
        ("database.tf", '"tips_metrics"', '"tips_measures"'),
    ],
)
def test_dagster_starts_anew_when_months_are_made_of_something_else(account, file, good, bad):
    path = account.main.folder / file
    before = path.read_text()
    assert good in before
    path.write_text(before.replace(good, bad))
    try:
        plan = account.main.run("plan", "-input=false", "-refresh=false", *account.chosen())
    finally:
        path.write_text(before)
    changed = set(re.findall(r'# aws_ecs_service.service\["(.*?)"\] will be updated', plan))
    assert {"daemon", "webserver"} <= changed
    if file == "small.tfvars":
        assert changed == {"daemon", "webserver"}


def test_the_platform_grows_to_the_size_of_production(account):
    chosen = [*account.chosen("production"), "-var=database_changes_now=true"]
    account.apply(*chosen)
    account.assert_nothing_to_change(*chosen)


def test_what_keeps_data_refuses_to_be_destroyed_until_its_guard_is_removed(account):
    chosen = account.chosen("production")
    refused = account.main.refusal("plan", "-destroy", "-input=false", *chosen)
    # Of the key, Terraform hears only when nothing is left that uses it.
    for name in ("aws_db_instance.platform", "aws_s3_bucket.platform"):
        assert f"Resource {name} has lifecycle.prevent_destroy" in " ".join(refused.split())
    for file in account.main.folder.glob("*.tf"):
        guard = r"((?:prevent_destroy|deletion_protection)\s*=) true"
        file.write_text(re.sub(guard, r"\1 false", file.read_text()))
    account.apply(*chosen)
    destroy = ("destroy", "-auto-approve", "-input=false", *chosen)
    assert "BucketNotEmpty" in told(account.main.refusal(*destroy))
    assert account.main.run("state", "list").split() == ["aws_s3_bucket.access_logs"]
    account.empty("tip-platform-111122223333-eu-central-1-access-logs")
    told(account.main.run(*destroy))
    assert account.main.run("state", "list") == ""
