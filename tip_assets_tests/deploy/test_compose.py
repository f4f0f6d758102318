"""The platform in containers: images are built, everything starts, two months run in it.

Skipped without a Docker engine. All of it is in a Compose project of its own, on free ports.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tip_assets_tests.support.ports import free_port

pytestmark = [pytest.mark.services, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]
IMAGES = ("platform", "dagster", "mlflow", "s3")
PAGES = {
    "DAGSTER": "/server_info",
    "MLFLOW": "/health",
    "APP": "/_stcore/script-health-check",
    "EXPORTER": "/metrics",
    "S3": "/healthz",
    "PROMETHEUS": "/-/ready",
    "ALERTMANAGER": "/-/ready",
    "GRAFANA": "/api/health",
}
DAGSTER = """{workspaceOrError {... on Workspace {locationEntries {name locationOrLoadError
 {__typename}}}} instance {daemonHealth {allDaemonStatuses {daemonType healthy required}}}
 runsOrError {... on Runs {results {status tags {key value}}}}}"""
LIBRARIES = """import importlib.metadata as m
for d in m.distributions(): print(d.name.lower().replace('_', '-') + '==' + d.version)"""
LAND = """from tip_assets.settings import get_settings
from tip_assets.ingestion.simulate import land_sample
land_sample(get_settings().storage_root, '2024-02')"""


class Project:
    """A Compose project with secrets of its own, and calls of its servers."""

    def __init__(self, folder: Path) -> None:
        self.secrets = folder / "secrets"
        ports = {f"TIPS_{name}_PORT": str(free_port()) for name in PAGES}
        project = {"COMPOSE_PROJECT_NAME": f"tip-platform-test-{os.getpid()}"}
        self.environment = os.environ | ports | project | {"TIPS_SECRETS_FOLDER": str(self.secrets)}
        self.run("sh", "deploy/containers/make-secrets.sh", str(self.secrets))

    def run(self, *command: str, text: str = "") -> str:
        """Run a command with `text` as its input; returns its output."""
        done = subprocess.run(
            command, env=self.environment, cwd=ROOT, input=text, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{(done.stdout + done.stderr)[-3000:]}"
        return done.stdout

    def compose(self, *words: str, text: str = "") -> str:
        return self.run("docker", "compose", "-f", "deploy/compose.yaml", *words, text=text)

    def inside(self, service: str, *command: str, text: str = "") -> str:
        """Run a command in a container that runs."""
        return self.compose("exec", "-T", service, *command, text=text)

    def page(self, server: str, path: str, body: str = "") -> str:
        """Content of a page; with a JSON body, the answer to it."""
        url = f"http://127.0.0.1:{self.environment[f'TIPS_{server}_PORT']}{path}"
        posted = ["-H", "Content-Type: application/json", "-d", body] if body else []
        return self.run("curl", "-sS", "--fail", "--max-time", "30", url, *posted)

    def dagster(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(
            self.page("DAGSTER", "/graphql", json.dumps({"query": DAGSTER}))
        )
        return answer["data"]

    def prometheus(self, path: str) -> Any:
        return json.loads(self.page("PROMETHEUS", f"/api/v1/{path}"))["data"]

    def wait(self, holds: Callable[[], bool], seconds: int = 120) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.compose("logs", "--no-color", "--tail", "30")
            time.sleep(3)


def require_engine() -> None:
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("needs a Docker engine: docker is not installed")
        if done.returncode:
            pytest.skip(f"needs a Docker engine with Compose: `{' '.join(command)}` fails")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    require_engine()
    made = Project(tmp_path_factory.mktemp("compose"))
    try:
        made.compose("build", "--quiet")
        made.compose("up", "--detach", "--no-build", "--wait")
        made.inside(
            "code-location", "with-secrets", "tips", "run", "--month", "2024-01", "--sample"
        )
        yield made
    finally:
        made.compose("down", "--volumes")


def test_two_months_run_in_containers(project):
    for image in IMAGES:
        libraries_are_those_of_the_lock(project, image)
    image_of_dagster_configures_itself_for_ecs(project)
    for service in ("code-location", "app", "webserver", "daemon", "exporter", "mlflow", "s3"):
        container_changes_nothing_and_is_nobody(project, service)
    no_secret_is_in_what_the_engine_shows(project)
    for server, path in PAGES.items():
        project.page(server, path)
    servers_find_each_other(project)
    files_that_land_are_processed_by_the_daemon(project)


def test_a_backup_brings_everything_back_with_new_passwords(project, tmp_path):
    def history() -> str:
        return project.inside("code-location", "with-secrets", "tips", "history")

    before = history()
    project.run("make", "containers-backup", f"TO={tmp_path}")
    project.compose("down", "--volumes")
    shutil.rmtree(project.secrets)
    (backup,) = tmp_path.glob("2*Z")
    project.run("make", "containers-restore", f"FROM={backup}")
    assert history() == before


def libraries_are_those_of_the_lock(project: Project, image: str) -> None:
    lock = (ROOT / "requirements-stack.lock").read_text("utf-8")
    locked = {pin.replace("_", "-") for pin in re.findall(r"^(\S+==\S+) \\$", lock, re.MULTILINE)}
    command = ("run", "--rm", "--entrypoint", "python", f"tip-platform/{image}", "-c", LIBRARIES)
    found = {p for p in project.run("docker", *command).split() if "tip-platform" not in p}
    assert found
    assert found <= locked


def image_of_dagster_configures_itself_for_ecs(project: Project) -> None:
    """What its services begin with on AWS (terraform/services.tf)."""
    told = [f"--env=TIPS_ECS_{name}=x" for name in ("CLUSTER", "TASK_DEFINITION", "SUBNETS")]
    command = ("run", "--rm", "--network=none", *told, "tip-platform/dagster", "tips", "instance")
    assert "/state/dagster" in project.run("docker", *command)


def container_changes_nothing_and_is_nobody(project: Project, service: str) -> None:
    script = "id -u; touch /opt/tips/x 2>&1; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status"
    told = project.inside(service, "sh", "-c", script)
    facts = ("10001\n", "Read-only file system", "CapEff:\t0000000000000000", "NoNewPrivs:\t1")
    assert [fact for fact in facts if fact not in told] == []


def no_secret_is_in_what_the_engine_shows(project: Project) -> None:
    passwords = [file.read_text() for file in (project.secrets / "passwords").iterdir()]
    containers = project.compose("ps", "--all", "--quiet").split()
    told = project.run("docker", "inspect", *containers) + project.compose("logs", "--no-color")
    assert passwords
    assert not any(password in told for password in passwords)


def servers_find_each_other(project: Project) -> None:
    def dagster_is_well() -> bool:
        facts = project.dagster()
        code = facts["workspaceOrError"]["locationEntries"]
        daemons = facts["instance"]["daemonHealth"]["allDaemonStatuses"]
        loaded = [entry["locationOrLoadError"]["__typename"] for entry in code]
        return loaded == ["RepositoryLocation"] and all(
            daemon["healthy"] for daemon in daemons if daemon["required"]
        )

    def all_are_scraped() -> bool:
        health = {target["health"] for target in project.prometheus("targets")["activeTargets"]}
        return health == {"up"} and bool(project.prometheus("alertmanagers")["activeAlertmanagers"])

    project.wait(dagster_is_well)
    project.wait(all_are_scraped)
    project.wait(lambda: bool(project.prometheus("query?query=tips_app_model_info")["result"]))


def files_that_land_are_processed_by_the_daemon(project: Project) -> None:
    project.inside("code-location", "with-secrets", "python", "-", text=LAND)

    def is_processed() -> bool:
        for found in project.dagster()["runsOrError"]["results"]:
            tags = {tag["key"]: tag["value"] for tag in found["tags"]}
            if tags.get("dagster/partition") == "2024-02" and "dagster/sensor_name" in tags:
                assert found["status"] != "FAILURE"
                return bool(found["status"] == "SUCCESS")
        return False

    project.wait(is_processed, seconds=400)
