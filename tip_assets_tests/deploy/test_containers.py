"""Images and compose file: what they promise, and that they are the stack's own commands.

Belongs here: rules on both as parsed, each broken once, in a copy, to see that it is told. Does not
belong here: building and running them (`python -m deploy.containers`), or what the linters of
`make lint` find.
"""

import copy
import re
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.stack.folder import Stack
from deploy.stack.monitoring import prometheus_configuration
from deploy.stack.servers import BINARIES, servers
from tip_assets.settings import Settings
from tip_assets_tests.support import compose_rules as rules
from tip_assets_tests.support.compose_rules import (
    ROOT,
    WITH_PASSWORD,
    Services,
    compose,
    dockerfile,
    ours,
)

RULES: dict[Callable[[Services], Iterator[str]], Callable[[Services], Any]] = {
    rules.bounded: lambda s: s["exporter"].pop("mem_limit"),
    rules.locked_up: lambda s: s["app"].update(read_only=False),
    rules.on_loopback: lambda s: s["mlflow"].update(ports=["${TIPS_MLFLOW_PORT:-5000}:5000"]),
    rules.at_the_usual_ports: lambda s: s["exporter"]["environment"].pop("TIPS_EXPORTER_PORT"),
    rules.of_our_images: lambda s: s["grafana"].update(image="grafana/grafana:latest"),
    rules.without_passwords: lambda s: s["grafana"]["environment"].update(
        GRAFANA_ADMIN_PASSWORD="x"
    ),
    rules.with_declared_secrets: lambda s: s["app"]["secrets"].append("TIPS_POSTGRES_ADMINS"),
    rules.waiting_for_what_is_there: lambda s: s["app"]["depends_on"].update(
        mlflow={"condition": "service_started"}
    ),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_compose_file_keeps_the_rule_and_a_broken_one_does_not(
    rule: Callable[[Services], Iterator[str]],
) -> None:
    services = copy.deepcopy(compose()["services"])
    assert list(rule(services)) == []
    RULES[rule](services)
    assert len(list(rule(services))) == 1


def test_images_run_as_nobody_and_say_how_healthy_they_are() -> None:
    for target in {ours(s) for s in compose()["services"].values()} - {None}:
        assert dockerfile().user(str(target)) == "10001:10001", target
        assert dockerfile().health(str(target)), target
    assert re.search(r"^ARG BASE=\S+:3\.11\.\d+-\S+@sha256:[0-9a-f]{64}$", dockerfile().text, re.M)
    assert not WITH_PASSWORD.search(dockerfile().text)


def test_only_what_the_images_copy_is_sent_to_the_builder() -> None:
    first, *others = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in "#"
    ]
    assert first == "*"
    sent = {line[1:] for line in others if line.startswith("!")}
    copied = dockerfile().copied
    assert {
        path for path in copied if not any(f"{path}/".startswith(f"{s}/") for s in sent)
    } == set()
    assert {s for s in sent if not any(f"{path}/".startswith(f"{s}/") for path in copied)} == set()


def command_of(name: str) -> list[str]:
    """What a service runs: its own command, or that of its image."""
    service = compose()["services"][name]
    return list(service.get("command") or dockerfile().command(ours(service) or ""))


# The stack's servers, what a service is called there, and what differs: programs and places.
SAME = {"mlflow": "mlflow", "dagster": "webserver", "daemon": "daemon", "exporter": "exporter",
        "s3": "s3", "prometheus": "prometheus", "alertmanager": "alertmanager"}  # fmt: skip
PLACES = {
    "/F/monitoring/prometheus.yml": "/monitoring/prometheus.yml",
    "/F/monitoring/alertmanager.yml": "/monitoring/alertmanager.yml",
    "/F/mlflow-metrics": "/tmp/mlflow-metrics",
    "/F/s3-keys.json": "/run/secrets/s3-keys.json",
    "/F/s3.sock": "/tmp/s3.sock",
    "/F/filer.sock": "/tmp/filer.sock",
    "-dir=/F/s3": "-dir=/state",
    "/F/prometheus": "/prometheus",
    "/F/alertmanager": "/alertmanager",
    # SeaweedFS tells its inner servers an address, which no other container needs.
    "-ip=0.0.0.0": "-ip=127.0.0.1",
}


@pytest.mark.parametrize("server", SAME)
def test_a_container_runs_the_command_of_the_stack(server: str) -> None:
    found = next(s for s in servers(Path("/F"), Settings()) if s.name == server)
    text = found.command.replace(f"{BINARIES}/", "").replace("127.0.0.1", "0.0.0.0")
    for there, here in PLACES.items():
        text = text.replace(there, here)
    words = shlex.split(text)
    if server in ("prometheus", "alertmanager"):  # the image's own program, without our keys
        words = [word for word in words if word.startswith("--")]
    assert sorted(command_of(SAME[server])) == sorted(words)


def test_the_app_is_started_by_its_own_command() -> None:
    assert command_of("app") == ["tips", "app"]


def test_containers_are_told_what_the_stack_tells(tmp_path: Path) -> None:
    """By variables and secrets; only addresses and folders are others."""
    secrets = made_secrets(tmp_path)
    stack = Stack(Path("/F"), Settings())
    known = dict.fromkeys(
        ("admin", "dagster", "mlflow", "metrics", "reader", "s3_key", "s3_secret"), "P"
    )
    lines = stack._environment_text(known).splitlines()[1:]
    there = {name: _without_places(value) for name, value in (x.split("=", 1) for x in lines)}
    environment = {
        **dockerfile().environment("mlflow"),
        **dockerfile().environment("platform"),
        **compose()["services"]["mlflow"]["environment"],
        **compose()["services"]["code-location"]["environment"],
        **{name: (secrets / name).read_text() for name in compose()["secrets"]},
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


def test_secrets_are_made_once_for_their_owner_alone_and_are_all_that_compose_asks_for(
    tmp_path: Path,
) -> None:
    folder = made_secrets(tmp_path)
    written = {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}
    assert written.keys() == compose()["secrets"].keys()
    for name, secret in compose()["secrets"].items():
        assert secret["file"] == f"${{TIPS_SECRETS_FOLDER:-../secrets}}/{name}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    passwords = [file.read_text() for file in (folder / "passwords").iterdir()]
    assert len(set(passwords)) == len(passwords)
    assert all(re.fullmatch(r"[0-9a-f]{48}", password) for password in passwords)
    again = {f.name: f.read_text() for f in made_secrets(tmp_path).iterdir() if f.is_file()}
    assert again == written
    assert {"/secrets/", "/containers.env"} <= set((ROOT / ".gitignore").read_text().split("\n"))


def test_prometheus_in_containers_is_the_top_level_file_but_for_addresses() -> None:
    hosts = dict(word.split("=", 1) for word in command_of("monitoring") if "=" in word)
    made = prometheus_configuration(Settings(), hosts)
    content = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert [_cut_targets(made), _cut_targets(content)] == [_cut_targets(content)] * 2
    services = compose()["services"]
    for host, port in (target.split(":") for target in _targets(made)):
        assert host == "127.0.0.1" or host in services
        target = ours(services[host]) if host in services else None
        assert not target or int(port) in dockerfile().ports(target)
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
