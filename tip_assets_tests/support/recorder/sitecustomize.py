"""Notes every call of an AWS interface: who makes it, which it is, on which kind of object.

Python imports this module when it starts, if its folder is on PYTHONPATH: so that each process that
a test starts notes its calls, whatever library makes them. Nothing is imported for it, and nothing
is done without RECORDED_AWS_CALLS, the folder of the notes.
"""

import importlib.abc
import importlib.util
import json
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = "RECORDED_AWS_CALLS"
# Words of a command line, and whose they are on AWS; the first that is found counts.
_WHO = {
    "dagster-webserver": "webserver",
    "dagster-daemon": "daemon",
    "grpc": "code-location",
    "code-server": "code-location",
    "spawn_main": "run",  # a month, or the process that draws its reports
    "mlflow": "mlflow",
    "streamlit": "app",
}


def who() -> str:
    """The role that this process would have."""
    words = Path("/proc/self/cmdline").read_text().split("\0")
    if "-m app" in " ".join(words[1:4]):
        return "app"
    for place, word in enumerate(words[:2]):
        if Path(word).name == "tips":
            command = words[place + 1]
            return command if command in ("exporter", "databases") else "operator"
    text = " ".join(words[:12])
    return next((role for word, role in _WHO.items() if word in text), "unknown")


def note(role: str, service: str, call: str, parameters: dict[str, Any]) -> None:
    """A line in the file of this process."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    key = parameters.get("Key") or ""
    objects = parameters.get("Delete", {}).get("Objects", [])
    keys = [item["Key"] for item in objects] or [key]
    with Path(folder, f"{os.getpid()}.jsonl").open("a") as notes:
        notes.writelines(json.dumps([role, service, call, key]) + "\n" for key in keys)


def _noted(params: Any, model: Any, **_: Any) -> None:
    note(who(), model.service_model.service_name, model.name, params or {})


class _OnImport(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Adds a handler to botocore's own when they are imported."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name != "botocore.handlers":
            return None
        sys.meta_path.remove(self)
        self.found = importlib.util.find_spec(name)
        return importlib.util.spec_from_loader(name, self, origin=self.found.origin)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return importlib.util.module_from_spec(self.found)

    def exec_module(self, module: ModuleType) -> None:
        self.found.loader.exec_module(module)
        module.BUILTIN_HANDLERS.append(("before-parameter-build", _noted))


if FOLDER in os.environ:
    sys.meta_path.insert(0, _OnImport())
