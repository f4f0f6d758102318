"""Calls of AWS's interfaces that were made while tests ran, and the rights that they need.

Belongs here: recording them, what was recorded before, and which right allows which call. Does not
belong here: who has which rights (`deploy/terraform/roles.tf`).

The rights that calls need: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tip_assets_tests.support.recorder import sitecustomize

RECORDED = Path(__file__).with_name("recorded_aws_calls.json")
Calls = dict[str, dict[str, list[str]]]
# Calls of S3 that need a right of another name.
_RIGHTS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjects": "ListBucket",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
}
# What AWS checks besides, when a call is made as the platform makes it: a task that is given tags,
# and the roles of its definition.
IMPLIED = {"ecs:RunTask": ("ecs:TagResource", "iam:PassRole")}


class Recorder:
    """The calls of this process, by the role it plays, and of processes that it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Processes that are started meanwhile note their calls."""
        before = {name: os.environ.get(name) for name in ("PYTHONPATH", sitecustomize.FOLDER)}
        os.environ["PYTHONPATH"] = str(Path(sitecustomize.__file__).parent)
        os.environ[sitecustomize.FOLDER] = str(self.folder)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    def rights(self, root: str = "") -> Calls:
        """Who needed which rights, and on which folders of the storage below `root`."""
        found: dict[str, dict[str, set[str]]] = {}
        for file in self.folder.glob("*.jsonl"):
            for line in file.read_text("utf-8").splitlines():
                role, service, call, key = json.loads(line)
                right = f"{service}:{_RIGHTS.get(call, call) if service == 's3' else call}"
                kinds = found.setdefault(role, {}).setdefault(right, set())
                if key and right != "s3:ListBucket":
                    kinds.add(key.removeprefix(root).strip("/").partition("/")[0])
        return {
            role: {right: sorted(kinds) for right, kinds in sorted(rights.items())}
            for role, rights in sorted(found.items())
        }


@contextmanager
def played(recorder: Recorder, role: str) -> Iterator[None]:
    """Calls of this process count as those of a role; clients that are there already do not."""
    import boto3
    import botocore.session

    def noted(params: dict, model: object, **_: object) -> None:
        sitecustomize.note(role, model.service_model.service_name, model.name, params or {})

    made = botocore.session.Session._register_builtin_handlers

    def register(self: botocore.session.Session, events: object) -> None:
        made(self, events)
        events.register("before-parameter-build", noted)

    botocore.session.Session._register_builtin_handlers = register
    boto3.DEFAULT_SESSION = None
    try:
        with recorder.recording():
            yield
    finally:
        botocore.session.Session._register_builtin_handlers = made
        boto3.DEFAULT_SESSION = None


def assert_recorded(place: str, calls: Calls) -> None:
    """What was recorded is what was recorded before; with WRITE_AWS_CALLS it is kept instead."""
    known = json.loads(RECORDED.read_text("utf-8")) if RECORDED.exists() else {}
    if os.environ.get("WRITE_AWS_CALLS"):
        known = dict(sorted({**known, place: calls}.items()))
        RECORDED.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
    assert known.get(place) == calls


def all_recorded() -> Calls:
    """What was recorded in all of them, together."""
    found: Calls = {}
    for calls in json.loads(RECORDED.read_text("utf-8")).values():
        for role, rights in calls.items():
            for right, kinds in rights.items():
                known = found.setdefault(role, {}).setdefault(right, [])
                known.extend(kind for kind in kinds if kind not in known)
    return found
