"""The same months on an S3 server: same bytes, every change of the landing seen once."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from tip_assets.assets.raw_tips import LANDED
from tip_assets.landing import (
    landing_digests,
    landing_files,
    landing_folder,
    newest_landing,
    read_month,
)
from tip_assets.resources.metric_store import MetricStore
from tip_assets.sensors import landing_sensor
from tip_assets.settings import Settings
from tip_assets.simulate import sample_bytes
from tip_assets_tests.ports import free_port

pytestmark = pytest.mark.services
BINARIES = Path(sys.executable).parent
KEYS = {"AWS_ACCESS_KEY_ID": "TIPS", "AWS_SECRET_ACCESS_KEY": "of-this-test-only"}


class Server:
    """SeaweedFS's S3 server with a bucket `tips`, to be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        key = {"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "tips", "credentials": [key], "actions": actions}
        (folder / "keys.json").write_text(json.dumps({"identities": [identity]}))
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
                return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError("the S3 server does not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("s3"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def on_s3(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings with a prefix of their own in the bucket."""
    for name, value in environment(server).items():
        monkeypatch.setenv(name, value)
    return Settings(storage=f"s3://tips/{tmp_path.name}", state=str(tmp_path / "state"))


def environment(server: Server) -> dict[str, str]:
    return {**KEYS, "AWS_ENDPOINT_URL_S3": server.address, "AWS_DEFAULT_REGION": "us-east-1"}


def tips(variables: dict[str, str], *arguments: str, code: int = 0) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TIPS_", "DAGSTER_"))}
    done = subprocess.run(
        [BINARIES / "tips", *arguments],
        env=clean | {"TIPS_TRIALS": "4"} | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def stored(root: UPath) -> dict[str, bytes]:
    """Every stored object but MLflow's, by its name under the root."""
    kinds = ("landing", "assets", "reports", "quarantine")
    names = [name for kind in kinds for name in root.fs.find((root / kind).path)]
    return {name.removeprefix(root.path).lstrip("/"): root.fs.cat_file(name) for name in names}


def test_months_on_s3_are_those_of_a_folder_byte_for_byte(server, on_s3, tmp_path):
    bucket = environment(server) | {"TIPS_STORAGE": on_s3.storage, "TIPS_STATE": on_s3.state}
    folder = {"TIPS_STORAGE": str(tmp_path / "folder")}
    for variables in (bucket, folder):
        tips(variables, "run", "--month", "2024-01", "--sample")
        tips(variables, "simulate", "--month", "2024-02", "--broken")
        assert variables["TIPS_STORAGE"] in tips(variables, "run", "--month", "2024-02")
    tips(bucket, "run", "--month", "2024-01")
    found = stored(on_s3.storage_root)
    assert found == stored(UPath(tmp_path / "folder"))
    assert len(found) > 20
    bills = tmp_path / "bills.csv"
    bills.write_text("total_bill,sex,smoker,day,time,size\n20,Female,No,Sun,Dinner,2\n")
    assert tips(bucket, "predict", str(bills)) == tips(folder, "predict", str(bills))


def test_a_storage_that_is_away_fails_the_month_in_words_and_loses_nothing(server, on_s3):
    bucket = environment(server) | {"TIPS_STORAGE": on_s3.storage, "TIPS_STATE": on_s3.state}
    tips(bucket, "run", "--month", "2024-01", "--sample")
    before = stored(on_s3.storage_root)
    server.stop()
    try:
        started = time.monotonic()
        printed = tips(bucket, "run", "--month", "2024-01", code=1)
        assert time.monotonic() - started < 120
        assert server.address in printed
    finally:
        server.start()
    tips(bucket, "run", "--month", "2024-01")
    assert stored(on_s3.storage_root) == before


def test_every_change_of_a_large_landing_is_seen_once(on_s3):
    """More than one page of keys, written within the same seconds, and some taken away again."""
    root, instance = on_s3.storage_root, dg.DagsterInstance.ephemeral()
    store, cursor = MetricStore(url=on_s3.metric_store_url), None

    def asked() -> list[str]:
        nonlocal cursor
        months = []
        for _ in range(2):  # files count when two ticks have seen them unchanged
            with dg.build_sensor_context(
                instance=instance,
                cursor=cursor,
                resources={"settings": on_s3, "metric_store": store},
            ) as context:
                result = landing_sensor(context)
            cursor = result.cursor
            months += [request.partition_key for request in result.run_requests]
        for month in months:
            digest = landing_digests(root)[month]
            event = dg.AssetMaterialization("raw_tips", partition=month, metadata={LANDED: digest})
            instance.report_runless_asset_event(event)
        return months

    folder = landing_folder(root, "2024-01")
    objects = {(folder / f"{number}.csv").path: b"x%d" % number for number in range(1100)}
    root.fs.pipe(objects)
    assert len(landing_files(root, "2024-01")) == 1100
    assert asked() == ["2024-01"]
    assert asked() == []
    (folder / "7.csv").write_bytes(b"changed")
    assert asked() == ["2024-01"]
    (folder / "1099.csv").unlink()
    assert asked() == ["2024-01"]
    cursor = None
    assert asked() == []
    assert newest_landing(root) is not None


def test_objects_are_read_like_files(on_s3, tmp_path):
    for root in (on_s3.storage_root, UPath(tmp_path)):
        folder = landing_folder(root, "2024-01")
        for name in (
            "a b ü.csv",
            "deep/er/tips.csv",
            "deep/.hidden.csv",
            "notes.txt",
            "cut.parquet",
        ):
            path = folder / name
            if root.protocol != "s3":
                path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample_bytes())
    there, here = (read_month(r, "2024-01") for r in (on_s3.storage_root, UPath(tmp_path)))
    assert there.files == here.files == ["a b ü.csv", "cut.parquet", "deep/er/tips.csv"]
    assert there.rows.equals(here.rows)
    assert list(there.quarantine["file"]) == ["cut.parquet"]
