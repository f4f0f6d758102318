"""A bucket comes back to a moment from its versions, on moto's S3 and on the stack's S3 server."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from deploy.backup import Refused, rewind
from deploy.backup.__main__ import app
from tip_assets_tests.support.s3_server import KEYS, Server

BUCKET = "rewound"
PREFIX = "platform/"


@pytest.fixture(params=["moto", pytest.param("seaweedfs", marks=pytest.mark.services)])
def s3(request, tmp_path, monkeypatch) -> Iterator[Any]:
    """A client of a server with a bucket that keeps versions."""
    if request.param == "moto":
        server, variables = None, request.getfixturevalue("aws").environment()
    else:
        server = Server(tmp_path)
        server.start()
        variables = KEYS | {"AWS_ENDPOINT_URL": server.address, "AWS_DEFAULT_REGION": "us-east-1"}
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps another server's keys
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    try:
        where = {"LocationConstraint": variables["AWS_DEFAULT_REGION"]}
        client.create_bucket(
            Bucket=BUCKET, **({} if server else {"CreateBucketConfiguration": where})
        )
        versioned = {"Status": "Enabled"}
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versioned)
        yield client
        for page in client.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
            for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                client.delete_object(Bucket=BUCKET, Key=entry["Key"], VersionId=entry["VersionId"])
        client.delete_bucket(Bucket=BUCKET)
    finally:
        if server:
            server.stop()


def put(s3: Any, **objects: str) -> None:
    for name, text in objects.items():
        s3.put_object(Bucket=BUCKET, Key=key(name), Body=text, Metadata={"of": name})


def key(name: str) -> str:
    return f"{PREFIX}landing/{name}" if name.startswith("tips") else f"{PREFIX}assets/{name}"


def content(s3: Any) -> dict[str, str]:
    """The objects of the bucket, with their text."""
    listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    names = [entry["Key"] for entry in listed]
    return {n: s3.get_object(Bucket=BUCKET, Key=n)["Body"].read().decode() for n in names}


def versions(s3: Any) -> set[str]:
    found = s3.list_object_versions(Bucket=BUCKET)
    return {entry["VersionId"] for entry in found.get("Versions", [])}


def moment() -> datetime:
    """Now; what is written before and after has other whole seconds."""
    time.sleep(1.1)
    now = datetime.now(UTC).replace(microsecond=0)
    time.sleep(1.1)
    return now


def play(s3: Any) -> tuple[datetime, dict[str, str]]:
    """Objects before a moment and after it; returns the moment and what was there."""
    put(s3, kept="1", replaced="1", deleted="1", gone="1", tips1="1", tips2="1")
    time.sleep(1.1)
    s3.delete_object(Bucket=BUCKET, Key=key("gone"))
    put(s3, replaced="2")
    then, before = moment(), content(s3)
    put(s3, replaced="3", made="3", tips1="3", tips3="3")
    put(s3, replaced="4", gone="4")
    s3.delete_object(Bucket=BUCKET, Key=key("deleted"))
    s3.delete_object(Bucket=BUCKET, Key=key("tips2"))
    s3.put_object(Bucket=BUCKET, Key="elsewhere", Body="3")
    return then, before


def command(then: datetime, *options: str) -> str:
    words = ["rewind", f"s3://{BUCKET}/{PREFIX}", then.strftime("%Y-%m-%dT%H:%M:%S"), *options]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_bucket_comes_back_to_a_moment_and_no_version_is_lost(s3):
    then, before = play(s3)
    after, kept = content(s3), versions(s3)
    assert len(before) == 5
    told = command(then, "--dry-run")
    assert content(s3) == after
    assert told.endswith("5 objects would change\n")
    assert command(then).endswith("5 objects changed\n")
    landed = {name: text for name, text in after.items() if "landing" in name}
    assert content(s3) == before | landed | {"elsewhere": "3"}
    assert kept <= versions(s3)
    assert s3.head_object(Bucket=BUCKET, Key=key("replaced"))["Metadata"]["of"] == "replaced"
    whole = versions(s3)
    assert command(then).endswith("0 objects changed\n")
    assert versions(s3) == whole
    assert command(then, "--landing").endswith("2 objects changed\n")
    assert content(s3) == before | {"elsewhere": "3"}


def test_a_moment_that_versions_do_not_reach_is_refused(s3):
    now = datetime.now(UTC)
    with pytest.raises(Refused, match="future"):
        rewind.changes(s3, BUCKET, PREFIX, now + timedelta(hours=1))
    rule = {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    assert rewind.changes(s3, BUCKET, PREFIX, now - timedelta(days=6)) == []
    with pytest.raises(Refused, match="7 days"):
        rewind.changes(s3, BUCKET, PREFIX, now - timedelta(days=8))
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    with pytest.raises(Refused, match="no versions"):
        rewind.changes(s3, BUCKET, PREFIX, now)
