"""Tasks on AWS are told what the images and the platform understand: targets, ports, variables."""

from pathlib import Path

import yaml

from tip_assets.settings import Settings
from tip_assets_tests.support import dockerfile
from tip_assets_tests.support.terraform import FOLDER, SIZES, Evaluated, evaluated

DEPLOY = FOLDER.parent
# Read by others than the platform's own settings.
OTHERS = {
    "AWS_DEFAULT_REGION",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT",
    "MLFLOW_DISABLE_TELEMETRY",
    "MLFLOW_SERVER_ALLOWED_HOSTS",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
}


def test_variables_are_settings_of_the_platform():
    fields = Settings.model_fields.items()
    known = {field.validation_alias or f"TIPS_{name.upper()}" for name, field in fields}
    workspace = yaml.safe_load((DEPLOY / "containers" / "workspace.yaml").read_text())
    (location,) = (part["grpc_server"] for part in workspace["load_from"])
    known |= OTHERS | {location["host"]["env"]}
    for container in evaluated().containers():
        named = [v["name"] for v in container["environment"] + container["secrets"]]
        assert len(named) == len(set(named)), container["name"]
        assert set(named) - known == set(), container["name"]


def test_images_and_ports_are_those_of_the_dockerfile():
    found, known = evaluated(sizes=SIZES[1]), dockerfile.targets()
    for repository in found.of("aws_ecr_repository"):
        assert repository["name"].partition("/")[2] in known
    for container in found.containers():
        target = container["image"].rpartition("/")[2].partition(":")[0]
        for mapping in container.get("portMappings", []):
            assert mapping["containerPort"] in dockerfile.ports(target), container["name"]
    location = (DEPLOY / "containers" / "workspace.yaml").read_text()
    (code,) = (c for c in found.containers() if c["name"] == "code-location")
    assert f"port: {code['portMappings'][0]['containerPort']}" in location


def ways(found: Evaluated, kind: str, here: str, there: str) -> set[tuple[str, str, int]]:
    """Who may speak to whom at which port, by one side's rules."""
    names = {g["id"]: g["name"] for g in found.of("aws_security_group")}
    places = {place: name.removeprefix("tip-platform-") for place, name in names.items()}
    rules = [r for r in found.of(f"aws_vpc_security_group_{kind}_rule") if r.get(there) in places]
    return {(places[r[here]], places[r[there]], r["from_port"]) for r in rules}


def test_only_those_who_are_given_a_server_may_reach_it():
    """With endpoints; without them, `test_terraform.py` has the way out."""
    found, group = evaluated(sizes=SIZES[1]), "security_group_id"
    needed = {("databases", "database", 5432), ("databases", "aws", 443)}
    for container in found.containers():
        name, told = container["name"], {v["name"] for v in container["environment"]}
        needed |= {(name, "aws", 443), (name, "database", 5432)}
        if "TIPS_CODE_LOCATION_HOST" in told:
            needed.add((name, "code-location", 4000))
        if "/platform:" in container["image"]:  # it has MLflow's client
            needed.add((name, "mlflow", 5000))
    for target in found.of("aws_lb_target_group"):
        site = target["name"].removeprefix("tip-platform-")
        needed.add(("load-balancer", site, target["port"]))
    assert ways(found, "egress", group, f"referenced_{group}") == needed
    back = ways(found, "ingress", group, f"referenced_{group}")
    assert {(there, here, port) for here, there, port in back} == needed


def test_scripts_that_tasks_start_with_are_in_their_image():
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    used = {c["healthCheck"]["command"][-1].split()[0] for c in _with_checks()}
    assert used == {"answers", "dagster", "dagster-daemon"}
    assert "/usr/local/bin/answers" in text
    assert Path(DEPLOY / "containers" / "answers.py").exists()


def _with_checks() -> list[dict]:
    return [c for c in evaluated().containers() if "healthCheck" in c]
