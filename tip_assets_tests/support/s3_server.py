"""SeaweedFS' S3 server, as the stack runs it, and a client of it."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tip_assets_tests.support.ports import free_port

BINARIES = Path(sys.executable).parent
KEYS = {"AWS_ACCESS_KEY_ID": "TIPS", "AWS_SECRET_ACCESS_KEY": "of-this-test-only"}
# May list objects and not read them.
LISTER = {"AWS_ACCESS_KEY_ID": "LISTER", "AWS_SECRET_ACCESS_KEY": "of-this-test-too"}


def identity(keys: dict[str, str], actions: list[str]) -> dict:
    """Somebody with rights, as SeaweedFS configures them."""
    name, secret = keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]
    return {
        "name": name,
        "credentials": [{"accessKey": name, "secretKey": secret}],
        "actions": actions,
    }


class Server:
    """SeaweedFS's S3 server with a bucket `tips`, to be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        identities = [
            identity(KEYS, ["Admin", "Read", "Write", "List", "Tagging"]),
            identity(LISTER, ["List"]),
        ]
        (folder / "keys.json").write_text(json.dumps({"identities": identities}))
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        # Its other servers take ports of their own; they are not used.
        others = [f"-{name}.port={free_port()}" for name in ("master", "volume", "filer", "admin")]
        command = [
            *(BINARIES / "weed", "mini", f"-dir={self.folder}/data", "-ip=127.0.0.1"),
            *("-ip.bind=127.0.0.1", f"-s3.port={self.port}", f"-s3.config={self.folder}/keys.json"),
            *("-s3.allowDeleteBucketNotEmpty=false", "-s3.autoCreateBucket=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false"),
            *("-bucket=tips", *others),
        ]
        (self.folder / "data").mkdir(exist_ok=True)
        environment = os.environ | {"WEED_S3_SSE_KEY": "local", "GOMEMLIMIT": "512MiB"}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
            try:
                urllib.request.urlopen(f"{self.address}/healthz", timeout=2)
                # It answers before it has made the bucket.
                client(self.address).head_bucket(Bucket="tips")
                return
            except (OSError, ClientError):
                time.sleep(0.2)
        raise TimeoutError("the S3 server does not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None


def client(address: str) -> Any:
    """Return a client that is none of the platform's."""
    keys = {name.lower(): value for name, value in KEYS.items()}
    return boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)
