"""The workflows of continuous integration name only what there is.

What any repository's workflows must not do is left to the linters of `make lint`.
"""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def jobs() -> dict[str, dict[str, Any]]:
    """Every job of every workflow, by the workflow's file and its own name."""
    workflows = {
        p.name: yaml.safe_load(p.read_text()) for p in ROOT.glob(".github/workflows/*.yml")
    }
    return {
        f"{workflow}: {name}": job
        for workflow, content in workflows.items()
        for name, job in content["jobs"].items()
    }


def commands(job: dict[str, Any]) -> str:
    """What a job's steps run in a shell."""
    return "\n".join(step["run"] for step in job.get("steps", []) if "run" in step)


def test_every_image_that_is_deployed_is_built_and_has_a_place() -> None:
    strategies = [job["strategy"]["matrix"] for job in jobs().values() if "strategy" in job]
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
    assert ".ci/run" in commands(jobs()["test.yml: test"])


def test_a_command_that_is_called_is_there() -> None:
    """Targets of make, and files of this repository."""
    called = "\n".join(map(commands, jobs().values()))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", called, re.MULTILINE)) <= targets
    file = r"(?<!\S)(?:\./)?([\w.-]+/[\w/.-]*(?:\.sh|\.py|/run|Dockerfile))"
    assert all((ROOT / name).exists() for name in re.findall(file, called))


def test_every_role_is_taken_only_where_aws_gives_it() -> None:
    trusted = re.findall(
        r'^    (\w+) += "repo:\$\{var.repository\}:(?:ref:refs/heads/main|environment:(\w+))"$',
        (ROOT / "deploy/terraform/bootstrap/workflows.tf").read_text(),
        re.MULTILINE,
    )
    taken = {
        (role.lower(), job.get("environment", ""))
        for job in jobs().values()
        for role in re.findall(r"role-to-assume: \$\{\{ vars.AWS_(\w+)_ROLE", yaml.safe_dump(job))
    }
    assert len(trusted) == 4
    assert taken == set(trusted)


def test_dependabot_looks_where_there_is_something_that_it_reads() -> None:
    read = {"github-actions": ".github/workflows/*.yml", "docker-compose": "compose.yaml",
            "terraform": "*.tf"}  # fmt: skip
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert {update["package-ecosystem"] for update in updates} == set(read)
    for update in updates:
        for place in update.get("directories") or [update["directory"]]:
            found = [*(ROOT / place[1:]).glob(read[update["package-ecosystem"]])]
            assert found, place


def test_only_what_changes_the_account_waits_for_another_run() -> None:
    """A waiting approval held up the builds of later commits."""
    deploy = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())
    assert "concurrency" not in deploy
    waiting = {name for name, job in deploy["jobs"].items() if "concurrency" in job}
    applying = {name for name, job in deploy["jobs"].items() if " apply " in commands(job)}
    assert waiting == applying == {"apply"}


def test_images_are_started_and_scanned_before_they_are_pushed() -> None:
    deploy = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())["jobs"]
    assert set(deploy["push"]["needs"]) == {"scan", "start"}
    script = (ROOT / ".github/start-images.sh").read_text()
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    built = {service["image"] for service in services.values() if "build" in service}
    targets = set(deploy["build"]["strategy"]["matrix"]["target"])
    assert built - {f"tip-platform/{target}" for target in targets} == {
        "tip-platform/s3",
        "tip-platform/backup",
    }
    assert "build s3" in script
    assert set(re.findall(r"exec -T (\S+)", script)) <= set(services)


def test_only_what_we_install_refuses_an_image() -> None:
    (scans,) = (
        [step["with"] for step in job["steps"] if "trivy" in step.get("uses", "")]
        for name, job in jobs().items()
        if name == "deploy.yml: scan"
    )
    ours, base = scans
    assert (ours["exit-code"], ours["vuln-type"], ours["skip-dirs"]) == ("1", "library", "/usr")
    assert base["exit-code"] == "0"
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    assert set(re.findall(r"VIRTUAL_ENV=(/opt/\w+)", dockerfile)) == {base["skip-dirs"]}


def test_a_deployment_saves_and_drains_first_and_always_resumes() -> None:
    steps = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())["jobs"]["apply"]
    runs = [step["run"] for step in steps["steps"] if "run" in step]
    order = (
        "snapshot-database",
        "run_tips drain",
        "prepare_databases",
        "wait-for",
        "run_tips status",
    )
    places = [next(i for i, run in enumerate(runs) if words in run) for words in order]
    assert places == sorted(places)
    assert runs.index(".github/snapshot-database.sh") < next(
        i for i, run in enumerate(runs) if " apply " in run
    )
    last = steps["steps"][-1]
    assert last["run"].endswith("run_tips resume")
    assert last["if"] == "always() && steps.drain.outcome != 'skipped'"
