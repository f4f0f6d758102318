"""What a month of AWS costs, by the configuration and list prices.

Belongs here: prices, what is assumed of the use, and the sum. `python -m
tip_assets_tests.support.terraform_costs` prints the bills; docs/aws.md has the totals. Does not
belong here: discounts, taxes, and what was there before, such as the domain.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tip_assets_tests.support.terraform import SIZES, Evaluated, evaluated

HOURS = 730
# USD, on demand, us-east-1, as listed in 2025; per hour unless the name says otherwise.
PRICES = {
    "core of Fargate X86_64": 0.04048,
    "GB of memory of Fargate X86_64": 0.004445,
    "core of Fargate ARM64": 0.03238,
    "GB of memory of Fargate ARM64": 0.00356,
    "t4g.nano": 0.0042,
    "t4g.large": 0.0672,
    "GB of an instance's disk, a month": 0.08,
    "GB of snapshots, a month": 0.05,
    "db.t4g.micro": 0.016,
    "db.t4g.medium": 0.065,
    "GB of database disk, a month": 0.115,
    "load balancer": 0.0225,
    "unit of its load": 0.008,
    "public address": 0.005,
    "endpoint in a zone": 0.01,
    "secret, a month": 0.40,
    "key, a month": 1.00,
    "alarm, a month": 0.10,
    "metric of ours, a month": 0.30,
    "private zone of names, a month": 0.50,
    "GB of S3, a month": 0.023,
    "1000 listings or writes": 0.005,
    "GB of logs": 0.50,
    "GB of images, a month": 0.10,
}
# What depends on the use: of small, of production.
USE = {
    "load": (0.1, 0.5),  # units of the load balancer
    "runs": (4, 40),  # of a quarter of an hour each
    "gigabytes": (5, 200),  # on S3, with replaced versions
    "writes": (100_000, 300_000),  # the landing is listed twice a minute
    "logs": (2, 10),  # GB
    "images": (10, 30),  # GB
}


@dataclass(frozen=True)
class Line:
    """A line of the bill, USD a month."""

    what: str
    cost: float


def bill(sizes: str) -> list[Line]:
    """The lines for one of the files of sizes."""
    return list(_lines(evaluated(sizes=sizes), SIZES.index(sizes)))


def _lines(found: Evaluated, use: int) -> Iterator[Line]:
    tasks = {task["id"]: task for task in found.of("aws_ecs_task_definition")}
    services = found.of("aws_ecs_service")
    cores = sum(tasks[s["task_definition"]]["cpu"] * s["desired_count"] for s in services) / 1024
    memory = (
        sum(tasks[s["task_definition"]]["memory"] * s["desired_count"] for s in services) / 1024
    )
    (month,) = (task for task in tasks.values() if task["family"].endswith("-run"))
    kind = month["runtime_platform"]["cpu_architecture"]
    yield Line(
        f"services on Fargate {kind}, {cores:g} cores and {memory:g} GB",
        HOURS * _fargate(kind, cores, memory),
    )
    yield Line(
        f"{USE['runs'][use]} months run, a quarter of an hour each",
        USE["runs"][use] / 4 * _fargate(kind, month["cpu"] / 1024, month["memory"] / 1024),
    )
    (database,) = found.of("aws_db_instance")
    machines, kind = 1 + database["multi_az"], database["instance_class"]
    disk = database["allocated_storage"]
    yield Line(
        f"database, {machines} {kind} with {disk} GB",
        machines * (HOURS * PRICES[kind] + disk * PRICES["GB of database disk, a month"]),
    )
    yield _way_out(found)
    zones = 2
    yield Line(
        "load balancer with 2 public addresses",
        HOURS
        * (
            PRICES["load balancer"]
            + USE["load"][use] * PRICES["unit of its load"]
            + zones * PRICES["public address"]
        ),
    )
    # And the administrator's, the identity provider's clients', the key of the state.
    clients = len(found.of("aws_lb_listener_rule"))
    secrets = len(found.of("aws_secretsmanager_secret")) + 1 + clients
    alarms = len(found.of("aws_cloudwatch_metric_alarm"))
    metrics = len(found.of("aws_cloudwatch_log_metric_filter"))
    yield Line(
        f"{secrets} secrets, 2 keys, {alarms} alarms, {metrics} metric, a private zone",
        secrets * PRICES["secret, a month"]
        + 2 * PRICES["key, a month"]
        + alarms * PRICES["alarm, a month"]
        + metrics * PRICES["metric of ours, a month"]
        + PRICES["private zone of names, a month"],
    )
    thousands = USE["writes"][use] // 1000
    yield Line(
        f"S3, {USE['gigabytes'][use]} GB and {thousands} thousand listings or writes",
        USE["gigabytes"][use] * PRICES["GB of S3, a month"]
        + USE["writes"][use] / 1000 * PRICES["1000 listings or writes"],
    )
    yield Line(
        f"logs, {USE['logs'][use]} GB; images, {USE['images'][use]} GB",
        USE["logs"][use] * PRICES["GB of logs"]
        + USE["images"][use] * PRICES["GB of images, a month"],
    )


def _way_out(found: Evaluated) -> Line:
    """How tasks reach AWS's services."""
    for instance in found.found.get("aws_instance", []):
        kind, disk = instance["instance_type"], instance["root_block_device"]["volume_size"]
        hourly = PRICES[kind] + PRICES["public address"]
        cost = HOURS * hourly + disk * PRICES["GB of an instance's disk, a month"]
        return Line(f"NAT instance, 1 {kind} with a public address", cost)
    interfaces = [e for e in found.of("aws_vpc_endpoint") if e["vpc_endpoint_type"] == "Interface"]
    places = sum(len(endpoint["subnet_ids"]) for endpoint in interfaces)
    return Line(f"endpoints, {places}", HOURS * places * PRICES["endpoint in a zone"])


def _fargate(kind: str, cores: float, memory: float) -> float:
    """An hour."""
    core, gigabyte = PRICES[f"core of Fargate {kind}"], PRICES[f"GB of memory of Fargate {kind}"]
    return cores * core + memory * gigabyte


def bill_of_one_machine() -> list[Line]:
    """The bill of everything in containers on one machine, with snapshots of a week."""
    machine, disk, kept = "t4g.large", 50, 30
    return [
        Line(f"1 {machine} with 8 GB of memory", HOURS * PRICES[machine]),
        Line(f"disk of {disk} GB", disk * PRICES["GB of an instance's disk, a month"]),
        Line("public address", HOURS * PRICES["public address"]),
        Line(f"snapshots, {kept} GB", kept * PRICES["GB of snapshots, a month"]),
    ]


def bills() -> dict[str, list[Line]]:
    """The bill of each deployment."""
    return {"one machine": bill_of_one_machine()} | {
        sizes.partition(".")[0]: bill(sizes) for sizes in SIZES
    }


def totals() -> dict[str, float]:
    """What each deployment costs, as docs/aws.md has it."""
    return {name: sum(line.cost for line in lines) for name, lines in bills().items()}


if __name__ == "__main__":
    for name, lines in bills().items():
        rows = [*lines, Line("together", sum(line.cost for line in lines))]
        print(f"{name}, USD a month")  # noqa: T201
        print("\n".join(f"{row.cost:8.2f}  {row.what}" for row in rows), end="\n\n")  # noqa: T201
