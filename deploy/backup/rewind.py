"""Bring a bucket back to a moment from its object versions; deletes no version.

For a bucket with versioning, as deploy/terraform creates it. The databases must come back to the
same moment.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from deploy.backup import Refused

_LANDING = "landing/"
# Metadata of a copy: the version it was made from. A second rewind then changes nothing.
_COPIED_FROM = "rewound-from"


@dataclass(frozen=True)
class Change:
    """What to do with a key: copy this version over the current one, or delete if None."""

    key: str
    version: str | None


def changes(
    s3: Any, bucket: str, prefix: str, moment: datetime, landing: bool = False
) -> list[Change]:
    """Return what differs from the moment, sorted by key. Raises Refused.

    Landing files belong to their producers: unless `landing` is set, existing ones are left, and
    only deleted ones come back.
    """
    _check(s3, bucket, moment)
    found = []
    for key, entries in sorted(_entries(s3, bucket, prefix).items()):
        then = next((e for e in entries if e["LastModified"] <= moment), None)
        change = _change(s3, bucket, key, entries[0], then)
        is_landing = key.removeprefix(prefix).startswith(_LANDING)
        exists = "Size" in entries[0]
        if change and (landing or not (is_landing and exists)):
            found.append(change)
    return found


def carry_out(s3: Any, bucket: str, change: Change) -> None:
    """Copy the version to the top of its key, or put a delete marker there."""
    if change.version is None:
        s3.delete_object(Bucket=bucket, Key=change.key)
        return
    source = {"Bucket": bucket, "Key": change.key, "VersionId": change.version}
    head = s3.head_object(**source)
    options = {
        "MetadataDirective": "REPLACE",
        "Metadata": head["Metadata"] | {_COPIED_FROM: change.version},
        "ContentType": head["ContentType"],
    }
    # In parts where one request would be too large.
    s3.copy(source, bucket, change.key, ExtraArgs=options)


def _check(s3: Any, bucket: str, moment: datetime) -> None:
    """Raise Refused if the versions cannot tell what was in the bucket."""
    now = datetime.now(UTC)
    if moment > now:
        raise Refused(f"{moment.isoformat()} is in the future")
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        raise Refused(f"the bucket {bucket} keeps no versions")
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        rules = []
    kept = [
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for rule in rules
        if "NoncurrentVersionExpiration" in rule
    ]
    if kept and moment < now - timedelta(days=min(kept)):
        raise Refused(f"the bucket {bucket} keeps replaced versions for {min(kept)} days only")


def _entries(s3: Any, bucket: str, prefix: str) -> dict[str, list[dict[str, Any]]]:
    """Return the versions and delete markers of each key, newest first."""
    by_key = defaultdict(list)
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in chain(page.get("Versions", []), page.get("DeleteMarkers", [])):
            by_key[entry["Key"]].append(entry)
    for entries in by_key.values():
        # Times are in whole seconds. Of equal ones, versions are listed newest first, and before
        # markers: in doubt the object stays.
        entries.sort(key=lambda entry: (entry["LastModified"], entry["IsLatest"]), reverse=True)
    return by_key


def _change(
    s3: Any, bucket: str, key: str, now: dict[str, Any], then: dict[str, Any] | None
) -> Change | None:
    exists = "Size" in now  # a delete marker has none
    if then is None or "Size" not in then:
        return Change(key, None) if exists else None
    if then["VersionId"] == now["VersionId"]:
        return None
    if exists:
        metadata = s3.head_object(Bucket=bucket, Key=key)["Metadata"]
        if metadata.get(_COPIED_FROM) == then["VersionId"]:
            return None
    return Change(key, then["VersionId"])
