"""`deploy/terraform` as it is evaluated, and copies of it with a fault.

Belongs here: reading it. Does not belong here: what must be true of it (`test_terraform*.py`).
"""

import json
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tfparse

FOLDER = Path(__file__).parents[2] / "deploy" / "terraform"
BOOTSTRAP = FOLDER / "bootstrap"
SIZES = ("small.tfvars", "production.tfvars")
YOURS = "yours.tfvars.example"
_DOCUMENT = "aws_iam_policy_document"


@dataclass(frozen=True)
class Evaluated:
    """Resources and data sources with variables, `for_each` and references filled in."""

    found: dict[str, list[dict[str, Any]]]

    def of(self, kind: str, data: bool = False) -> list[dict[str, Any]]:
        """Those of a type. Raises KeyError when there is none: nothing would be checked."""
        wanted = "data" if data else "resource"
        return [item for item in self.found[kind] if item["__tfmeta"]["type"] == wanted]

    def documents(self) -> dict[str, list[dict[str, Any]]]:
        """The statements of every policy, by its address."""
        return {
            address(document): statements(document) for document in self.of(_DOCUMENT, data=True)
        }

    def rights_of(self, role: str) -> dict[str, set[str]]:
        """What the policies of a role allow: actions, each with its resources."""
        documents = {item["id"]: item for item in self.of(_DOCUMENT, data=True)}
        roles = {item["id"]: address(item) for item in self.of("aws_iam_role")}
        rights: dict[str, set[str]] = {}
        for policy in self.of("aws_iam_role_policy"):
            if roles[policy["role"]] == role:
                for statement in statements(documents[policy["policy"]]):
                    resources = statement["resources"]
                    known = resources if isinstance(resources, list) else [str(resources)]
                    for action in statement["actions"]:
                        rights.setdefault(action, set()).update(known)
        return rights

    def containers(self) -> list[dict[str, Any]]:
        """The container of every task that can be known before the database is made."""
        texts = [item["container_definitions"] for item in self.of("aws_ecs_task_definition")]
        return [container for text in texts if text for container in json.loads(text)]


def evaluated(folder: Path = FOLDER, sizes: str = SIZES[0], **others: Any) -> Evaluated:
    """The configuration with the variables of a size, of the example, and others."""
    chosen = [name for name in (sizes, YOURS) if (folder / name).exists()]
    if others:
        lines = (f"{name} = {json.dumps(value)}\n" for name, value in others.items())
        (folder / "others.tfvars").write_text("".join(lines))
        chosen.append("others.tfvars")
        return _evaluated.__wrapped__(folder, tuple(chosen))
    return _evaluated(folder, tuple(chosen))


@cache
def _evaluated(folder: Path, variables: tuple[str, ...]) -> Evaluated:
    found = tfparse.load_from_path(folder, vars_paths=list(variables), stop_on_hcl_error=True)
    return Evaluated(found)


def broken(folder: Path, file: str, good: str, bad: str, source: Path = FOLDER) -> Path:
    """A copy in which a file says something else. Raises ValueError if it did not say it."""
    copy = folder / "terraform"
    shutil.copytree(source, copy)
    text = (copy / file).read_text("utf-8")
    if good not in text:
        raise ValueError(f"{file} does not say: {good}")
    (copy / file).write_text(text.replace(good, bad, 1), "utf-8")
    return copy


def address(item: dict[str, Any]) -> str:
    return str(item["__tfmeta"]["path"])


def one_or_more(value: Any) -> list[Any]:
    """One block comes bare, several come in a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    return one_or_more(document.get("statement"))
