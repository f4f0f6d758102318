"""The Terraform configuration is laid out, complete, known to the provider and passes checkov.

What must never be in it is in `deploy/test_terraform_safety.py`, who may do what in
`deploy/test_terraform_rights.py`.
"""

import graphlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tip_assets_tests.support import provider_schema as schema
from tip_assets_tests.support import terraform_costs as costs
from tip_assets_tests.support.terraform import (
    BOOTSTRAP,
    FOLDER,
    SIZES,
    YOURS,
    Written,
    attributes,
    broken,
    evaluated,
    inner_blocks,
    references,
    written,
)
from tip_assets_tests.support.terraform_format import formatted

CHECKOV = Path(__file__).parents[2] / ".venv" / "checkov" / "bin" / "checkov"
FOLDERS = [FOLDER, BOOTSTRAP]
# Whatever Terraform itself knows of any resource, and a block says of itself.
_META = {"count", "depends_on", "for_each", "lifecycle", "provider"}


def test_lines_are_laid_out_as_terraform_lays_them_out():
    """By rules of our own where there is no Terraform, and by itself where there is one."""
    files = [file for end in ("tf", "tfvars", "example") for file in FOLDER.rglob(f"*.{end}")]
    assert len(files) > 15
    assert [file.name for file in files if formatted(file.read_text()) != file.read_text()] == []
    if shutil.which("terraform"):
        told = subprocess.run(
            ["terraform", "fmt", "-check", "-recursive", FOLDER], capture_output=True, check=False
        )
        assert told.returncode == 0, told.stdout


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("  description             =", "    description             ="),
        ("enable_key_rotation     = true", "enable_key_rotation = true"),
        ('    sid = "Administration"', '  sid = "Administration"'),
        ("    }\n\n    condition {", "  }\n\n    condition {"),
    ],
)
def test_lines_that_are_laid_out_otherwise_are_seen(good, bad):
    text = (FOLDER / "encryption.tf").read_text()
    assert good in text
    assert formatted(text.replace(good, bad, 1)) == text


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_provider_knows_every_type_argument_and_attribute(folder):
    assert problems(folder) == []


def test_versions_are_those_of_the_schema():
    for folder in FOLDERS:
        (terraform,) = (block for block in written(folder) if block.words == ("terraform",))
        (providers,) = (body for name, body in inner_blocks(terraform.body) if "prov" in name)
        allowed = providers["aws"]["version"].strip('"').removeprefix("~> ")
        assert schema.provider_version().startswith(f"{allowed}.")


@pytest.mark.parametrize(
    ("file", "good", "bad", "words"),
    [
        ("storage.tf", '"aws_s3_bucket_logging"', '"aws_s3_bucket_log"', "no such type"),
        ("storage.tf", "restrict_public_buckets", "restrict_buckets", "restrict_buckets"),
        ("database.tf", "instance_class        = var.database_class", "", "class is missing"),
        ("storage.tf", "    object_ownership =", "    ownership =", "ownership"),
        ("network.tf", "aws_vpc.platform.id", "aws_vpc.platform.identity", "identity"),
        ("network.tf", "aws_vpc.platform.id", "aws_vpc.office.id", "aws_vpc.office"),
        ("storage.tf", "var.backup_days", "var.days", "var.days"),
        ("storage.tf", "  prefix = \"platform\"", "  prefix = local.objects", "a circle"),
        ("database.tf", "password_length     = 40", "length = 40", "length"),
        ("versions.tf", "allowed_account_ids", "allowed_accounts", "allowed_accounts"),
    ],
    ids=lambda words: str(words)[:20],
)  # fmt: skip
def test_what_the_provider_does_not_know_is_seen(tmp_path, file, good, bad, words):
    found = problems(broken(tmp_path, file, good, bad))
    assert any(words in problem for problem in found), found


def test_variables_have_types_and_words_and_what_is_somebodys_has_no_default():
    variables = {
        block.words[1]: block.body for block in written(FOLDER) if "variable" in block.words
    }
    assert len(variables) > 15
    for name, body in variables.items():
        assert {"description", "type"} <= body.keys(), name
        # A yes or no needs no words on what else it might be.
        assert "validation" in body or body["type"] == "bool", name
    said = {
        line.partition("=")[0].strip()
        for file in (SIZES[0], YOURS)
        for line in (FOLDER / file).read_text().splitlines()
        if re.match(r"^\w+ +=", line)
    }
    needed = {name for name, body in variables.items() if "default" not in body}
    assert said == needed
    texts = [file.read_text() for file in FOLDER.rglob("*.tf*")]
    assert not any(re.search(r"@(?!example)[\w-]+\.(com|org|net)", text) for text in texts)
    accounts = {number for text in texts for number in re.findall(r"\b\d{12}\b", text)}
    assert accounts == {"111122223333"}  # that of AWS's own examples


@pytest.mark.parametrize("sizes", SIZES)
def test_every_resource_can_be_evaluated(sizes):
    """What `for_each` makes of it is there, so that the other tests look at something."""
    found = evaluated(sizes=sizes)
    services = {s["name"] for s in found.of("aws_ecs_service")}
    assert services == {"webserver", "daemon", "code-location", "mlflow", "app", "exporter"}
    for block in written(FOLDER):
        if block.words[0] == "resource":
            assert found.of(block.words[1]), block.address
    assert len(found.containers()) == len(found.of("aws_ecs_task_definition")) - 1
    for task in found.of("aws_ecs_task_definition"):
        assert task["cpu"] >= 256
        assert task["memory"] >= 512


def test_nothing_runs_until_there_are_databases(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "terraform")
    services = evaluated(folder, running=False).of("aws_ecs_service")
    assert {service["desired_count"] for service in services} == {0}
    alarms = evaluated(folder, running=False).of("aws_cloudwatch_metric_alarm")
    assert not any("is-down" in alarm["alarm_name"] for alarm in alarms)


def test_the_docs_say_what_the_configuration_costs():
    words = (FOLDER.parents[1] / "docs" / "aws.md").read_text("utf-8")
    assert costs.prices() in words
    for sizes in SIZES:
        assert costs.table(sizes) in words


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


def problems(folder: Path) -> list[str]:
    """What Terraform would refuse: unknown words, missing ones, references that lead nowhere."""
    blocks = written(folder)
    found: list[str] = []
    for block in blocks:
        known = _schema_of(block)
        if known == "no such type":
            found.append(f"{block.address}: no such type")
        elif isinstance(known, schema.Block):
            found += _unknown(block.address, block.body, known, _META)
    return found + _loose_references(blocks)


def _schema_of(block: Written) -> schema.Block | str | None:
    """The schema of a block at the top; None of those that are Terraform's own."""
    kind = block.words[0]
    try:
        if kind == "resource":
            return schema.resource(block.words[1])
        # Ephemeral ones ask what data sources of their name ask; only what is kept differs.
        if kind in ("data", "ephemeral"):
            return schema.data_source(block.words[1])
        return schema.provider() if kind == "provider" else None
    except KeyError:
        return "no such type"


def _unknown(place: str, body: dict[str, Any], known: schema.Block, meta: set[str]) -> list[str]:
    inner = list(inner_blocks(body))
    blocks, plain = {name for name, _ in inner} - meta, attributes(body) - meta
    found = [f"{place}: no argument {name}" for name in sorted(plain - known.attributes)]
    found += [f"{place}: no block {name}" for name in sorted(blocks - known.blocks.keys())]
    missing = known.required - plain - blocks
    found += [f"{place}: {name} is missing" for name in sorted(missing)]
    for name, inside in inner:
        if name in known.blocks:
            found += _unknown(f"{place}.{name}", inside, known.blocks[name], set())
    return found


def _loose_references(blocks: list[Written]) -> list[str]:
    """References to what is not declared or not told, and those that lead back to themselves."""
    declared: dict[str, Written] = {}
    for block in blocks:
        if block.words == ("locals",):
            for name, value in block.body.items():
                declared[f"local.{name}"] = Written(("local", name), {"value": value})
        else:
            declared[block.address] = block
    found, leads = [], {}
    for address, block in declared.items():
        used = references(block.body)
        # The validation of a variable speaks of itself.
        leads[address] = {to for to, _ in used} - (
            {address} if "variable" in block.words else set()
        )
        for to, attribute in sorted(used):
            if to not in declared:
                found.append(f"{address}: {to} is not declared")
                continue
            known = _schema_of(declared[to])
            if attribute and isinstance(known, schema.Block):
                told = known.readable | known.attributes | known.blocks.keys()
                if attribute not in told:
                    found.append(f"{address}: {to} has no {attribute}")
    try:
        graphlib.TopologicalSorter(leads).prepare()
    except graphlib.CycleError as error:
        found.append(f"a circle: {' <- '.join(error.args[1])}")
    return found
