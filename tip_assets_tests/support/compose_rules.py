"""Rules on the services of `deploy/compose.yaml`: each gives a sentence for every breach.

Belongs here: reading the files, and the rules. Does not belong here: breaking them to see that they
tell (`deploy/test_containers.py`).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tip_assets.settings import Settings
from tip_assets_tests.support.dockerfile import Dockerfile

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
PORT = re.compile(r"^127\.0\.0\.1:\$\{TIPS_(\w+)_PORT:-(\d+)\}:(\d+)$")
ONCE = ("databases", "monitoring")
# Ports that a container with settings listens on, or writes down for Prometheus.
PORTS_READ = ("app", "app_metrics", "exporter", "mlflow", "prometheus", "alertmanager")
WITH_PASSWORD = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|CREDENTIAL|_KEY$", re.IGNORECASE)

Services = dict[str, dict[str, Any]]


@lru_cache(maxsize=1)
def compose() -> dict[str, Any]:
    """The compose file, with its aliases resolved."""
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
    return content


@lru_cache(maxsize=1)
def dockerfile() -> Dockerfile:
    return Dockerfile.read(ROOT / "deploy" / "Dockerfile")


def ours(service: dict[str, Any]) -> str | None:
    """The target of the Dockerfile that a service runs."""
    name = str(service["image"])
    return name.removeprefix("tip-platform/") if name.startswith("tip-platform/") else None


def bounded(services: Services) -> Iterator[str]:
    """Every service comes back, is watched, and cannot take the machine."""
    for name, service in services.items():
        expected = "no" if name in ONCE else "unless-stopped"
        if service.get("restart") != expected:
            yield f"{name}: restart is {service.get('restart')}"
        if not {"mem_limit", "cpus", "pids_limit"} <= service.keys():
            yield f"{name}: no limit of memory, processors or processes"
        target = ours(service)
        watched = service.get("healthcheck") or (target and dockerfile().health(target))
        if name not in ONCE and not watched:
            yield f"{name}: nobody asks whether it is healthy"


def locked_up(services: Services) -> Iterator[str]:
    """No service can change its own files, become root, or use a capability of the kernel."""
    for name, service in services.items():
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
            yield f"{name}: writable root, or capabilities"
        if service.get("security_opt") != ["no-new-privileges:true"] or "cap_add" in service:
            yield f"{name}: may gain privileges"
        if service.get("privileged") or service.get("network_mode") == "host":
            yield f"{name}: is not contained"


def on_loopback(services: Services) -> Iterator[str]:
    """Every published port is on loopback, at the default of its setting, and is one of the image.

    The setting's name is the service's; Dagster's web server has that of Dagster.
    """
    for name, service in services.items():
        for port in service.get("ports", []):
            found = PORT.match(str(port))
            if not found:
                yield f"{name}: {port} is not a port of loopback that a setting names"
                continue
            setting, outside, inside = found.groups()
            field = Settings.model_fields.get(f"{setting.lower()}_port")
            if field is None or field.default != int(outside):
                yield f"{name}: {port} is not the default of TIPS_{setting}_PORT"
            target = ours(service)
            if target and int(inside) not in dockerfile().ports(target):
                yield f"{name}: its image does not listen on {inside}"


def at_the_usual_ports(services: Services) -> Iterator[str]:
    """Settings that all containers share change no port at which one looks for another."""
    for name, service in services.items():
        for server in PORTS_READ if "env_file" in service else ():
            variable = f"TIPS_{server.upper()}_PORT"
            usual = Settings.model_fields[f"{server}_port"].default
            if service.get("environment", {}).get(variable) != usual:
                yield f"{name}: containers.env may change {variable}"


def of_our_images(services: Services) -> Iterator[str]:
    """What is built is a target that exists; what is not ours has a full version."""
    built = {s["build"]["target"] for s in services.values() if "build" in s}
    for name, service in services.items():
        target = ours(service)
        if target and target not in dockerfile().targets:
            yield f"{name}: there is no target {target}"
        elif target and target not in built:
            yield f"{name}: nobody builds {target}"
        elif not target and not re.search(
            r":v?\d+\.\d+(\.\d+)?[\w.-]*(@sha256:\w{64})?$", service["image"]
        ):
            yield f"{name}: {service['image']} has no full version"
        if "build" in service and service["build"]["target"] != target:
            yield f"{name}: builds another target than it runs"


def without_passwords(services: Services) -> Iterator[str]:
    """No password is written down: secrets come from files."""
    for name, service in services.items():
        environment = service.get("environment", {})
        words = [*map(str, environment.values()), *map(str, service.get("command", []))]
        if any(WITH_PASSWORD.search(word) for word in words):
            yield f"{name}: a URL with a password"
        for variable in environment:
            if SECRET_NAME.search(variable) and not variable.endswith("_FILE"):
                yield f"{name}: {variable} is written down"


def with_declared_secrets(services: Services) -> Iterator[str]:
    """Every secret that is asked for is declared, every declared one is asked for."""
    declared = set(compose()["secrets"])
    asked = {secret for service in services.values() for secret in service.get("secrets", [])}
    yield from (f"{name} is not declared" for name in asked - declared)
    yield from (f"nobody asks for {name}" for name in declared - asked)


def waiting_for_what_is_there(services: Services) -> Iterator[str]:
    """Servers wait for the end of what runs once, and for the health of the others."""
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            ended = other in ONCE
            expected = "service_completed_successfully" if ended else "service_healthy"
            if other not in services or how["condition"] != expected:
                yield f"{name}: waits for {other}, {how['condition']}"
