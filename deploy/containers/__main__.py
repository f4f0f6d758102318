"""`python -m deploy.containers`: build every image, start compose.yaml, and ask whether it works.

Needs a Docker engine with Compose. Everything runs in a Compose project of its own.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
TARGETS = ("platform", "dagster", "mlflow", "s3")
FILE = ROOT / "deploy" / "compose.yaml"
# Pages at the published ports, and what answers them.
PAGES = {
    "Dagster": "http://127.0.0.1:3000/server_info",
    "MLflow": "http://127.0.0.1:5000/health",
    "app": "http://127.0.0.1:8501/_stcore/script-health-check",
    "exporter": "http://127.0.0.1:9091/metrics",
    "S3": "http://127.0.0.1:8333/healthz",
    "Prometheus": "http://127.0.0.1:9090/-/ready",
    "Alertmanager": "http://127.0.0.1:9093/-/ready",
}
DAGSTER = """{workspaceOrError {... on Workspace {locationEntries {name locationOrLoadError
 {__typename}}}} instance {daemonHealth {allDaemonStatuses {daemonType healthy required}}}
 runsOrError {... on Runs {results {status tags {key value}}}}}"""
LIBRARIES = """import importlib.metadata as m
for d in m.distributions(): print(d.name.lower().replace('_', '-') + '==' + d.version)"""
LAND = """from tip_assets.settings import get_settings
from tip_assets.ingestion.simulate import land_sample
land_sample(get_settings().storage_root, '2024-02')"""


class CannotRehearse(Exception):
    """The rehearsal cannot start, or something did not work; the message says what."""


@dataclass(frozen=True)
class Place:
    """The Compose project of the rehearsal: its environment, and calls of its servers."""

    environment: dict[str, str]

    def docker(self, *words: str) -> str:
        return run(["docker", *words], env=self.environment)

    def run(self, *words: str, text: str = "") -> str:
        command = ["docker", "compose", "-f", str(FILE), *words]
        return run(command, env=self.environment, words=text)

    def page(self, url: str, body: str = "") -> str:
        """Content of a page; with a JSON body, the answer to it."""
        curl = ["curl", "-sS", "--fail", "--max-time", "30", url]
        if body:
            curl += ["-H", "Content-Type: application/json", "-d", body]
        return run(curl, env=self.environment)

    def dagster(self) -> dict[str, Any]:
        query = json.dumps({"query": DAGSTER})
        answer: dict[str, Any] = json.loads(self.page("http://127.0.0.1:3000/graphql", query))
        return answer["data"]


def main(keep: Annotated[bool, typer.Option(help="Leave everything running.")] = False) -> None:
    """Build the images, start the platform, run a month in it, land another, ask every server."""
    with tempfile.TemporaryDirectory(prefix="tip-platform-secrets-") as folder:
        try:
            place = _place(Path(folder))
            try:
                _timed("build", lambda: place.run("build", "--quiet"))
                _try(place)
            except CannotRehearse:
                typer.echo(place.run("logs", "--no-color", "--tail", "30"), err=True)
                raise
            finally:
                if not keep:
                    place.run("down", "--volumes")
        except CannotRehearse as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None


def run(command: list[str], env: dict[str, str], words: str = "") -> str:
    """Run a command with `words` as its input; gives its output.

    Raises CannotRehearse with the end of its output when it fails.
    """
    done = subprocess.run(
        command, env=env, cwd=ROOT, input=words, capture_output=True, text=True, check=False
    )
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise CannotRehearse(f"{' '.join(command)[:300]}: exit code {done.returncode}\n{end}")
    return done.stdout


def _place(folder: Path) -> Place:
    """A Compose project of its own with secrets of its own."""
    if not shutil.which("docker"):
        raise CannotRehearse("Docker with its Compose is needed")
    environment = dict(os.environ)
    run(["docker", "compose", "version"], env=environment)
    run(["sh", str(HERE / "make-secrets.sh"), str(folder / "secrets")], env=environment)
    project = {"COMPOSE_PROJECT_NAME": "tip-platform-rehearsal"}
    return Place(environment | project | {"TIPS_SECRETS_FOLDER": str(folder / "secrets")})


def _try(place: Place) -> None:
    place.run("config", "--quiet")
    images = place.docker("images", "--format", "{{.Repository}}\t{{.Size}}", "tip-platform/*")
    typer.echo("".join(f"  {line}\n" for line in sorted(images.splitlines())), nl=False)
    for target in TARGETS:
        _check(f"libraries of {target} are locked", partial(_are_locked, place, target))
    _check("Dagster's image configures itself for AWS", partial(_is_configured, place))
    _timed("compose up", lambda: place.run("up", "--detach", "--no-build", "--wait"))
    _check("containers change nothing and are nobody", partial(_are_contained, place))
    _check("no secret is in what the engine tells", partial(_tells_no_secret, place))
    month = ("tips", "run", "--month", "2024-01", "--sample")
    _timed("month", lambda: place.run("exec", "-T", "code-location", "with-secrets", *month))
    for name, url in PAGES.items():
        _check(f"{name} answers", partial(_answers, place, url))
    _soon("Dagster has the code, and daemons that are well", partial(_dagster_is_well, place))
    _soon("Prometheus reads app, exporter and MLflow", partial(_is_read, place))
    _soon("the app has the champion", partial(_has_champion, place))
    land = ("exec", "-T", "code-location", "with-secrets", "python", "-")
    place.run(*land, text=LAND)
    _soon("files that landed were processed by the daemon", partial(_is_processed, place), 400)
    if "grafana" in place.run("config", "--services").split():
        _check("Grafana answers", partial(_answers, place, "http://127.0.0.1:3001/api/health"))


def _are_locked(place: Place, target: str) -> bool:
    lock = (ROOT / "requirements-stack.lock").read_text("utf-8")
    allowed = {re.sub(r"_", "-", pin) for pin in re.findall(r"^(\S+==\S+) \\$", lock, re.M)}
    command = ("run", "--rm", "--entrypoint", "python", f"tip-platform/{target}", "-c", LIBRARIES)
    found = set(place.docker(*command).split())
    return len(found) > 0 and {pin for pin in found if "tip-platform" not in pin} <= allowed


def _is_configured(place: Place) -> bool:
    """What its services begin with on AWS (terraform/services.tf); no server is asked for it."""
    told = [f"--env=TIPS_ECS_{name}=x" for name in ("CLUSTER", "TASK_DEFINITION", "SUBNETS")]
    command = ("run", "--rm", "--network=none", *told, "tip-platform/dagster", "tips", "instance")
    return "/state/dagster" in place.docker(*command)


def _are_contained(place: Place) -> bool:
    for service in ("code-location", "app", "webserver", "daemon", "exporter", "mlflow", "s3"):
        script = "id -u; touch /opt/tips/x 2>&1; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status"
        told = place.run("exec", "-T", service, "sh", "-c", script)
        if not all(
            words in told
            for words in (
                "10001\n",
                "Read-only file system",
                "CapEff:\t0000000000000000",
                "NewPrivs:\t1",
            )
        ):
            return False
    return True


def _tells_no_secret(place: Place) -> bool:
    folder = Path(place.environment["TIPS_SECRETS_FOLDER"]) / "passwords"
    passwords = [file.read_text() for file in folder.iterdir()]
    containers = place.run("ps", "--all", "--quiet").split()
    told = place.docker("inspect", *containers) + place.run("logs", "--no-color")
    return not any(password in told for password in passwords)


def _dagster_is_well(place: Place) -> bool:
    facts = place.dagster()
    code = facts["workspaceOrError"]["locationEntries"]
    daemons = facts["instance"]["daemonHealth"]["allDaemonStatuses"]
    loaded = [entry["locationOrLoadError"]["__typename"] for entry in code]
    return loaded == ["RepositoryLocation"] and all(d["healthy"] for d in daemons if d["required"])


def _is_read(place: Place) -> bool:
    answer = json.loads(place.page("http://127.0.0.1:9090/api/v1/targets"))
    health = {t["labels"]["job"]: t["health"] for t in answer["data"]["activeTargets"]}
    told = json.loads(place.page("http://127.0.0.1:9090/api/v1/alertmanagers"))
    return set(health.values()) == {"up"} and bool(told["data"]["activeAlertmanagers"])


def _has_champion(place: Place) -> bool:
    url = "http://127.0.0.1:9090/api/v1/query?query=tips_app_model_info"
    return bool(json.loads(place.page(url))["data"]["result"])


def _is_processed(place: Place) -> bool:
    for found in place.dagster()["runsOrError"]["results"]:
        tags = {tag["key"]: tag["value"] for tag in found["tags"]}
        if tags.get("dagster/partition") == "2024-02" and "dagster/sensor_name" in tags:
            if found["status"] == "FAILURE":
                raise CannotRehearse("the run of 2024-02 has failed")
            return bool(found["status"] == "SUCCESS")
    return False


def _answers(place: Place, url: str) -> bool:
    place.page(url)  # raises when there is no page
    return True


def _timed(what: str, act: Callable[[], object]) -> None:
    begun = time.monotonic()
    act()
    typer.echo(f"  {what:<52} {time.monotonic() - begun:6.0f} s")


def _check(what: str, holds: Callable[[], bool]) -> None:
    if not holds():
        raise CannotRehearse(f"not so: {what}")
    typer.echo(f"  {what:<52}     ok")


def _soon(what: str, holds: Callable[[], bool], seconds: int = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise CannotRehearse(f"not so, after {seconds} s: {what}")
        time.sleep(3)
    typer.echo(f"  {what:<52}     ok")


if __name__ == "__main__":
    typer.run(main)
