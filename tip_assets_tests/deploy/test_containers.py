"""The compose file says what the stack says, keeps containers to themselves, and has its secrets.

Does not belong here: building and running them (`test_compose.py`), or what the linters of
`make lint` find.
"""

import copy
import re
import shlex
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.stack.folder import Stack
from deploy.stack.monitoring import prometheus_configuration
from deploy.stack.servers import servers
from tip_assets.runtime.supervisor import BINARIES
from tip_assets.settings import Settings
from tip_assets_tests.support import dockerfile

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PORT = re.compile(r"^127\.0\.0\.1:\$\{TIPS_(\w+)_PORT:-(\d+)\}:(\d+)$")


def image_of(name: str) -> str:
    return str(SERVICES[name]["image"]).removeprefix("tip-platform/")


def command_of(name: str) -> list[str]:
    """What a service runs: its own command, or that of its image."""
    return list(SERVICES[name].get("command") or dockerfile.command(image_of(name)))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_locked_up_bounded_and_on_loopback(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cap_add", "privileged"}.isdisjoint(service)
    assert service.get("network_mode") != "host"
    assert {"mem_limit", "cpus", "pids_limit", "restart"} <= service.keys()
    for port in service.get("ports", []):
        setting, outside, _ = PORT.match(port).groups()
        assert Settings.model_fields[f"{setting.lower()}_port"].default == int(outside)
    if "env_file" in service:  # containers.env changes no port at which another container looks
        assert COMPOSE["x-ports"].items() <= service["environment"].items()
    if not service["image"].startswith("tip-platform/"):
        assert re.search(r":v?\d+\.\d+", service["image"])


# The stack's servers, what a service is called there, and what differs: programs and places.
SAME = {
    **{"mlflow": "mlflow", "dagster": "webserver", "daemon": "daemon", "exporter": "exporter"},
    **{"s3": "s3", "prometheus": "prometheus", "alertmanager": "alertmanager"},
}
PLACES = {
    "/F/monitoring/": "/monitoring/",
    "/F/mlflow-metrics": "/run/tips/mlflow-metrics",
    "/F/s3-keys.json": "/run/secrets/s3-keys.json",
    "/F/s3.sock": "/run/tips/s3.sock",
    "/F/filer.sock": "/run/tips/filer.sock",
    "-dir=/F/s3": "-dir=/state",
    "/F/prometheus": "/prometheus",
    "/F/alertmanager": "/alertmanager",
    # SeaweedFS tells its inner servers an address, which no other container needs.
    "-ip=0.0.0.0": "-ip=127.0.0.1",
}


@pytest.mark.parametrize("server", SAME)
def test_a_container_runs_the_command_of_the_stack(server):
    found = next(s for s in servers(Path("/F"), Settings()) if s.name == server)
    text = found.command.replace(f"{BINARIES}/", "").replace("127.0.0.1", "0.0.0.0")
    for there, here in PLACES.items():
        text = text.replace(there, here)
    words = shlex.split(text)
    if server in ("prometheus", "alertmanager"):  # the image's own program, without our keys
        words = [word for word in words if word.startswith("--")]
    assert sorted(command_of(SAME[server])) == sorted(words)


def test_containers_get_the_settings_of_the_stack(tmp_path):
    """By variables and secrets; only addresses and folders are others."""
    secrets = made_secrets(tmp_path)
    stack = Stack(Path("/F"), Settings())
    known = dict.fromkeys(
        ("admin", "dagster", "mlflow", "metrics", "reader", "s3_key", "s3_secret"), "P"
    )
    lines = stack._environment_text(known).splitlines()[1:]
    there = {name: _without_places(value) for name, value in (x.split("=", 1) for x in lines)}
    environment = {
        **dockerfile.environment("runtime"),
        **dockerfile.environment("mlflow"),
        **SERVICES["mlflow"]["environment"],
        **SERVICES["code-location"]["environment"],
        **{name: (secrets / name).read_text() for name in COMPOSE["secrets"]},
    }
    here = {name: _without_places(str(environment[name])) for name in there}
    assert here == there


def _without_places(value: str) -> str:
    """A value with hosts, ports, folders and random passwords cut out."""
    value = re.sub(r"(?<=tips_)(\w+):\w+@", r"\1:P@", value)
    value = re.sub(r"(?<=//|.@)[\w.]+:\d+", "HOST", value)
    value = value.replace("/F/state", "/state")
    return "P" if re.fullmatch(r"[0-9a-f]{48}", value) else value


def made_secrets(folder: Path) -> Path:
    script = ROOT / "deploy" / "containers" / "make-secrets.sh"
    subprocess.run(["sh", str(script), str(folder / "secrets")], check=True, capture_output=True)
    return folder / "secrets"


def test_secrets_are_made_once_for_their_owner_alone_and_are_all_that_compose_asks_for(tmp_path):
    folder = made_secrets(tmp_path)
    written = {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}
    assert written.keys() == COMPOSE["secrets"].keys()
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"] == f"${{TIPS_SECRETS_FOLDER:-../secrets}}/{name}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    passwords = [file.read_text() for file in (folder / "passwords").iterdir()]
    assert len(set(passwords)) == len(passwords)
    assert all(re.fullmatch(r"[0-9a-f]{48}", password) for password in passwords)
    again = {f.name: f.read_text() for f in made_secrets(tmp_path).iterdir() if f.is_file()}
    assert again == written
    assert {"/secrets/", "/containers.env"} <= set((ROOT / ".gitignore").read_text().split("\n"))


def test_prometheus_in_containers_is_the_top_level_file_but_for_addresses():
    hosts = dict(word.split("=", 1) for word in command_of("monitoring") if "=" in word)
    made = prometheus_configuration(Settings(), hosts)
    content = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert [_cut_targets(made), _cut_targets(content)] == [_cut_targets(content)] * 2
    for host, port in (target.split(":") for target in _targets(made)):
        assert host == "127.0.0.1" or host in SERVICES
        if host in SERVICES and SERVICES[host]["image"].startswith("tip-platform/"):
            assert int(port) in dockerfile.ports(image_of(host))
    assert set(hosts.values()) == {t.split(":")[0] for t in _targets(made)} - {"127.0.0.1"}


def _targets(content: dict[str, Any]) -> list[str]:
    jobs = [*content["scrape_configs"], *content["alerting"]["alertmanagers"]]
    return [target for job in jobs for c in job["static_configs"] for target in c["targets"]]


def _cut_targets(content: dict[str, Any]) -> dict[str, Any]:
    cut = copy.deepcopy(content)
    for job in [*cut["scrape_configs"], *cut["alerting"]["alertmanagers"]]:
        for static in job["static_configs"]:
            static["targets"] = len(static["targets"])
    return cut
