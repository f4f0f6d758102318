"""The schema of Terraform's AWS provider: which blocks and attributes each type has and needs.

Belongs here: reading it. Does not belong here: what is held against it
(`deploy/test_terraform.py`).

No provider can be had on a machine without Terraform's registry. Its schema is published in another
form, as classes of Python, one package for each type; they are read, never imported.
"""

import ast
import zipfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".venv" / "provider-schema"
_PACKAGE = "cdktf_cdktf_provider_aws"
# What every resource has, whatever its provider.
META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}


@dataclass
class Block:
    """What may stand in a block: attributes, blocks within it, and which of them must."""

    attributes: set[str] = field(default_factory=set)
    blocks: dict[str, "Block"] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    # Of a whole resource: what can be asked of it afterwards.
    readable: set[str] = field(default_factory=set)


@cache
def resource(kind: str) -> Block:
    """The schema of a resource, such as `aws_s3_bucket`. Raises KeyError if there is none."""
    return _read(kind.removeprefix("aws_"))


@cache
def data_source(kind: str) -> Block:
    """The schema of a data source. Raises KeyError if there is none."""
    return _read(f"data_{kind}")


@cache
def provider() -> Block:
    """What may be said of the provider itself."""
    return _read("provider")


@cache
def provider_version() -> str:
    """The version of the provider that the schema is of."""
    text = _source("s3_bucket")
    return text.partition("providers/hashicorp/aws/")[2].partition("/")[0]


@cache
def _archive() -> zipfile.ZipFile:
    (file,) = FOLDER.glob(f"{_PACKAGE}-*.whl")
    return zipfile.ZipFile(file)


def _source(module: str) -> str:
    return _archive().read(f"{_PACKAGE}/{module}/__init__.py").decode()


def _read(module: str) -> Block:
    """The first class with a scope is the resource; its blocks are classes of their own."""
    classes = {
        node.name: node
        for node in ast.parse(_source(module)).body
        if isinstance(node, ast.ClassDef)
    }
    top = next(c for c in classes.values() if "scope" in _positional(c))
    block = _block(top, classes)
    block.readable = {
        item.name
        for item in top.body
        if isinstance(item, ast.FunctionDef) and any(_is_property(d) for d in item.decorator_list)
    }
    return block


def _block(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Block:
    init, found = _init(node), Block()
    words = _parameter_docs(init)
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        name = argument.arg
        if name in META:
            continue
        inner = [c for c in _names(argument.annotation) if c in classes]
        is_block = words.get(name, "").startswith(f"{name} block.")
        if is_block and inner:
            found.blocks[name] = _block(classes[inner[0]], classes)
        else:
            found.attributes.add(name)
        if default is None:
            found.required.add(name)
    return found


def _init(node: ast.ClassDef) -> ast.FunctionDef:
    return next(
        item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"
    )


def _positional(node: ast.ClassDef) -> list[str]:
    return [argument.arg for argument in _init(node).args.args]


def _is_property(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name | ast.Attribute) and "property" in ast.unparse(decorator)


def _parameter_docs(function: ast.FunctionDef) -> dict[str, str]:
    lines = (ast.get_docstring(function) or "").splitlines()
    parameters = (line.strip().removeprefix(":param ") for line in lines if ":param " in line)
    return {name: words for name, _, words in (p.partition(": ") for p in parameters)}


def _names(annotation: ast.expr | None) -> list[str]:
    """The classes that an annotation names; those of the module are written as text."""
    if annotation is None:
        return []
    nodes = list(ast.walk(annotation))
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
