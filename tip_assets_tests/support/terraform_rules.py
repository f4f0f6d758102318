"""What must never be in the infrastructure: each rule gives the addresses of what breaks it.

Rules look at the configuration as Terraform would see it: with variables, `for_each` and references
filled in. That each of them can fail is shown in `deploy/test_terraform_safety.py`.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tip_assets_tests.support.terraform import (
    Evaluated,
    address,
    inner_blocks,
    one_or_more,
    references,
    statements,
    written,
)

WORLD = {"0.0.0.0/0", "::/0"}
# Whose AWS's own lists of rights may be attached to: the roles of the workflows.
MANAGED = {"ReadOnlyAccess", "PowerUserAccess"}
_SECRET = re.compile(r"password|secret|token|private_key|access_key", re.IGNORECASE)
# Which of such names hold no secret: names, switches, addresses, versions, lengths of one.
_NO_SECRET = re.compile(r"_(arn|name|id|endpoint|version|length)$|^(manage|exclude)_|^secrets?$")


def open_to_the_world(found: Evaluated) -> Iterator[str]:
    """Ingress from everywhere, but for 443 of the load balancer."""
    (balancer,) = (
        group["id"]
        for group in found.of("aws_security_group")
        if address(group) == 'aws_security_group.place["load-balancer"]'
    )
    for rule in found.of("aws_vpc_security_group_ingress_rule"):
        if WORLD & {rule.get("cidr_ipv4"), rule.get("cidr_ipv6")}:
            ports = (rule.get("from_port"), rule.get("to_port"), rule["ip_protocol"])
            if ports != (443, 443, "tcp") or rule["security_group_id"] != balancer:
                yield address(rule)
    for kind in ("aws_security_group", "aws_default_security_group"):
        yield from (address(group) for group in found.of(kind) if group.get("ingress"))
    yield from (address(g) for g in found.found.get("aws_security_group_rule", []))
    for listener in found.of("aws_lb_listener"):
        if (listener["port"], listener["protocol"]) != (443, "HTTPS"):
            yield address(listener)
        if not listener["ssl_policy"].startswith("ELBSecurityPolicy-TLS13"):
            yield address(listener)


def pages_without_login(found: Evaluated) -> Iterator[str]:
    """Ways to a server that do not pass the identity provider."""
    for rule in found.of("aws_lb_listener_rule"):
        first, *_ = sorted(one_or_more(rule["action"]), key=lambda action: action["order"])
        if (
            first["type"] != "authenticate-oidc"
            or first["authenticate_oidc"]["on_unauthenticated_request"] != "authenticate"
        ):
            yield address(rule)
    for listener in found.of("aws_lb_listener"):
        if listener["default_action"]["type"] != "fixed-response":
            yield address(listener)


def public_places(found: Evaluated) -> Iterator[str]:
    """Buckets, databases and tasks that can be reached from the internet."""
    closed = {block["bucket"]: block for block in found.of("aws_s3_bucket_public_access_block")}
    for bucket in found.of("aws_s3_bucket"):
        ways = ("acls", "policy")
        switches = [f"block_public_{way}" for way in ways]
        switches += ["ignore_public_acls", "restrict_public_buckets"]
        block = _of_bucket(closed, bucket)
        if not all(block.get(switch) is True for switch in switches):
            yield address(bucket)
    yield from (address(acl) for acl in found.found.get("aws_s3_bucket_acl", []))
    for database in found.found.get("aws_db_instance", []):
        if database.get("publicly_accessible") is not False:
            yield address(database)
    for service in found.found.get("aws_ecs_service", []):
        if service["network_configuration"].get("assign_public_ip") is not False:
            yield address(service)
    for subnet in found.found.get("aws_subnet", []):
        if subnet.get("map_public_ip_on_launch") is not False:
            yield address(subnet)


def _of_bucket(blocks: dict[str, dict], bucket: dict) -> dict:
    """What is said of a bucket; its id is its name."""
    return blocks.get(bucket["id"]) or blocks.get(bucket["bucket"]) or {}


def public_policies(found: Evaluated) -> Iterator[str]:
    """Rights that anybody in the world has: of the bucket, the topic, the key, an endpoint."""
    for place, parts in found.documents().items():
        for part in parts:
            anybody = any("*" in who["identifiers"] for who in one_or_more(part.get("principals")))
            own = {"kms:CallerAccount", "aws:PrincipalAccount"}
            asked = {condition["variable"] for condition in one_or_more(part.get("condition"))}
            layers = [r for r in part.get("resources", []) if "-starport-layer-bucket/" in r]
            if part.get("effect") != "Deny" and anybody and not own & asked and not layers:
                yield place


def routes_out(found: Evaluated) -> Iterator[str]:
    """Ways from the private subnets to the internet."""
    private = {
        table["id"] for table in found.of("aws_route_table") if "private" in table["tags"]["Name"]
    }
    for route in found.of("aws_route"):
        if route["route_table_id"] in private:
            yield address(route)
    yield from (address(gateway) for gateway in found.found.get("aws_nat_gateway", []))
    for rule in found.of("aws_vpc_security_group_egress_rule"):
        if rule.get("cidr_ipv4") in WORLD and "identity_provider" not in address(rule):
            yield address(rule)


def without_encryption(found: Evaluated) -> Iterator[str]:
    """What is kept without the platform's own key, or travels in the clear."""
    (key,) = found.of("aws_kms_key")
    if key.get("enable_key_rotation") is not True:
        yield address(key)
    for kind, argument in {
        "aws_cloudwatch_log_group": "kms_key_id",
        "aws_db_instance": "kms_key_id",
        "aws_secretsmanager_secret": "kms_key_id",
        "aws_sns_topic": "kms_master_key_id",
    }.items():
        for item in found.of(kind):
            if not _is_key(item.get(argument), key):
                yield address(item)
    for database in found.of("aws_db_instance"):
        if database.get("storage_encrypted") is not True:
            yield address(database)
    for repository in found.of("aws_ecr_repository"):
        if not _is_key(repository.get("encryption_configuration", {}).get("kms_key"), key):
            yield address(repository)
    rules = {
        item["bucket"]: item["rule"]["apply_server_side_encryption_by_default"]
        for item in found.of("aws_s3_bucket_server_side_encryption_configuration")
    }
    for bucket in found.of("aws_s3_bucket"):
        by = _of_bucket(rules, bucket)
        # A load balancer writes its logs with S3's own key only.
        own = by.get("sse_algorithm") == "AES256" and "access_logs" in address(bucket)
        if not own and not _is_key(by.get("kms_master_key_id"), key):
            yield address(bucket)
    yield from without_tls(found)


def _is_key(value: object, key: dict) -> bool:
    """Whether a value is the key, by its id, or an attribute of it that is not known yet."""
    return value == key["id"] or (isinstance(value, dict) and value.get("__name__") == "platform")


def without_tls(found: Evaluated) -> Iterator[str]:
    """Buckets whose policy answers requests that are not encrypted; a database that does."""
    documents = {item["id"]: item for item in found.of("aws_iam_policy_document", data=True)}
    refusing = set()
    for policy in found.of("aws_s3_bucket_policy"):
        document = documents[policy["policy"]]
        sources = [documents[i] for i in document.get("source_policy_documents", [])]
        for part in [part for source in (document, *sources) for part in statements(source)]:
            secure = [c for c in one_or_more(part.get("condition")) if "SecureTr" in c["variable"]]
            if part.get("effect") == "Deny" and secure and secure[0]["values"] == ["false"]:
                refusing.add(policy["bucket"])
    for bucket in found.of("aws_s3_bucket"):
        if not refusing & {bucket["id"], bucket["bucket"]}:
            yield address(bucket)
    for group in found.of("aws_db_parameter_group"):
        values = {p["name"]: p["value"] for p in one_or_more(group["parameter"])}
        if values.get("rds.force_ssl") != "1":
            yield address(group)


def wildcard_actions(found: Evaluated) -> Iterator[str]:
    """Allowed actions with a star, roles for anybody, and AWS's own lists where none is meant."""
    for place, parts in found.documents().items():
        for part in parts:
            allows = part.get("effect", "Allow") == "Allow"
            if allows and (
                part.get("not_actions") or any("*" in a for a in part.get("actions", []))
            ):
                yield place
    for attached in found.found.get("aws_iam_role_policy_attachment", []):
        if attached["policy_arn"].rpartition("/")[2] not in MANAGED:
            yield address(attached)


def wildcard_resources(found: Evaluated) -> Iterator[str]:
    """Rights of tasks on everything, but for actions that know no resource."""
    for role in found.of("aws_iam_role"):
        for action, resources in found.rights_of(address(role)).items():
            unbound = {"ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition"}
            if "*" in resources and action not in unbound:
                yield f"{address(role)}: {action}"


def secrets_in_the_open(found: Evaluated) -> Iterator[str]:
    """Secrets that reach a task as plain variables."""
    for container in found.containers():
        for variable in container["environment"]:
            name, value = variable["name"], str(variable["value"])
            if _SECRET.search(name) or re.search(r"://[^/@]*:[^/@]*@", value):
                yield f"{container['name']}: {name}"


def forgetting(found: Evaluated) -> Iterator[str]:
    """What could be lost: no backups, no versions, nothing that asks before it deletes."""
    for database in found.of("aws_db_instance"):
        kept = database.get("backup_retention_period", 0) >= 7
        asked = database.get("deletion_protection") is True
        if not kept or not asked or database.get("skip_final_snapshot") is not False:
            yield address(database)
    enabled = {
        item["bucket"]
        for item in found.of("aws_s3_bucket_versioning")
        if item["versioning_configuration"]["status"] == "Enabled"
    }
    for bucket in found.of("aws_s3_bucket"):
        versions = enabled & {bucket["id"], bucket["bucket"]}
        if not versions and "access_logs" not in address(bucket):
            yield address(bucket)
    for group in found.of("aws_cloudwatch_log_group"):
        if not group.get("retention_in_days"):
            yield address(group)
    for repository in found.of("aws_ecr_repository"):
        scans = repository.get("image_scanning_configuration", {}).get("scan_on_push") is True
        if repository.get("image_tag_mutability") != "IMMUTABLE" or not scans:
            yield address(repository)


def silent_alarms(found: Evaluated) -> Iterator[str]:
    """Alarms that tell nobody."""
    (topic,) = found.of("aws_sns_topic")
    for alarm in found.of("aws_cloudwatch_metric_alarm"):
        if alarm.get("alarm_actions") != [topic["id"]]:
            yield address(alarm)


RULES: list[Callable[[Evaluated], Iterator[str]]] = [
    *(open_to_the_world, pages_without_login, public_places, public_policies, routes_out),
    *(without_encryption, wildcard_actions, wildcard_resources, secrets_in_the_open),
    *(forgetting, silent_alarms),
]


def literal_secrets(folder: Path) -> list[str]:
    """Arguments and variables named like a secret that do not take it from where it is kept."""
    found = []
    for block in written(folder):
        if block.words[0] == "variable" and _is_secret(block.words[1]):
            found.append(block.address)
        bodies = [block.body, *(body for _, body in _within(block.body))]
        for name, value in ((n, v) for body in bodies for n, v in body.items() if _is_secret(n)):
            kept = {to for to, _ in references({"": value})}
            # Written to a secret, or read from one; never into the state.
            sources = ("ephemeral.aws_secretsmanager_", "data.aws_secretsmanager_")
            if name == "secret_string" or not any(to.startswith(sources) for to in kept):
                found.append(f"{block.address}: {name}")
    for file in folder.glob("*.tf*"):
        # A key of AWS, or a password in an address.
        text = file.read_text("utf-8")
        found += re.findall(r"\bAKIA[0-9A-Z]{16}\b|://\w+:\w+@", text)
    return found


def _is_secret(name: str) -> bool:
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name)


def _within(body: dict) -> Iterator[tuple[str, dict]]:
    for name, inner in inner_blocks(body):
        yield name, inner
        yield from _within(inner)
