"""Files on an S3 server: read like those of a folder, every change of the landing seen once.

Whole months on S3, and an S3 server that goes away, are in `deploy/test_stack.py`.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import s3fs
from upath import UPath

from app.report_files import months_with_reports, read_report
from tip_assets.assets.raw_tips import LANDED
from tip_assets.automation.landing_sensor import landing_sensor
from tip_assets.ingestion.feedback import land_tips
from tip_assets.ingestion.landing import (
    landing_digests,
    landing_files,
    landing_folder,
    newest_landing,
    read_month,
)
from tip_assets.ingestion.simulate import sample_bytes
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.runtime.storage import report_folder, write_atomically
from tip_assets.settings import Settings
from tip_assets_tests.ingestion.test_feedback import NOW, predict, tell
from tip_assets_tests.support.aws_calls import assert_recorded, played
from tip_assets_tests.support.busy_s3_proxy import BusyProxy
from tip_assets_tests.support.processes import call, environment_of
from tip_assets_tests.support.s3_server import KEYS, LISTER, Server, client

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]


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


def test_files_that_may_not_be_read_are_not_taken_for_refused(on_s3, monkeypatch):
    path = landing_folder(on_s3.storage_root, "2024-01") / "tips.csv"
    path.write_bytes(sample_bytes())
    for name, value in LISTER.items():
        monkeypatch.setenv(name, value)
    # A file system that is made anew, as in another process: fsspec keeps those it has made.
    root = UPath(on_s3.storage, **on_s3.storage_root.storage_options, skip_instance_cache=True)
    assert len(landing_files(root, "2024-01")) == 1
    with pytest.raises(PermissionError):
        read_month(root, "2024-01")


def test_every_change_of_a_large_landing_is_seen_once(server, on_s3):
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

    # Producers are other programs: nothing here may hear of a change but by listing.
    producer, (bucket, _, prefix) = client(server.address), root.path.partition("/")

    def key(number: int, month: str = "2024-01") -> dict[str, str]:
        return {"Bucket": bucket, "Key": f"{prefix}/landing/{month}/{number}.csv"}

    for number in range(1100):
        producer.put_object(**key(number), Body=b"x%d" % number)
    assert len(landing_files(root, "2024-01")) == 1100
    assert asked() == ["2024-01"]
    assert asked() == []
    producer.put_object(**key(7), Body=b"changed")
    assert asked() == ["2024-01"]
    assert (landing_folder(root, "2024-01") / "7.csv").read_bytes() == b"changed"
    producer.put_object(**key(1, "2024-02"), Body=b"a new month")
    assert [path.name for path in landing_files(root, "2024-02")] == ["1.csv"]
    assert asked() == ["2024-02"]
    producer.delete_object(**key(1099))
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


def test_the_app_asks_for_reports_and_lands_tips(on_s3, aws_calls):
    """Its rights on AWS are made of that, and of what the stack's app asks for."""
    root = on_s3.storage_root
    write_atomically(report_folder(root, "2024-01") / "data_drift.html", b"<p>a report</p>")
    log = PredictionLog(MetricStore(url=on_s3.metric_store_url))
    predict(log, "a", at=datetime(2019, 5, 2, tzinfo=UTC))
    tell(log, a=2)
    s3fs.S3FileSystem.clear_instance_cache()
    with played(aws_calls, "app"):
        root = on_s3.storage_root
        assert months_with_reports(root) == ["2024-01"]
        assert "a report" in str(read_report(root, "2024-01", "data_drift"))
        assert read_report(root, "2024-01", "data_quality") is None
        assert land_tips(log, root, submitted_before=NOW, now=NOW) == 1
    s3fs.S3FileSystem.clear_instance_cache()
    assert_recorded("test_s3", aws_calls.rights(root.path.partition("/")[2]))


def test_a_busy_server_is_asked_again_and_a_large_month_goes_in_parts(server, on_s3, monkeypatch):
    proxy = BusyProxy(server.address, refusals=1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.address)
    s3fs.S3FileSystem.clear_instance_cache()
    data = os.urandom(101 * 2**20)
    try:
        path = on_s3.storage_root / "assets" / "large.parquet"
        write_atomically(path, data)
        assert path.read_bytes() == data
    finally:
        proxy.stop()
        s3fs.S3FileSystem.clear_instance_cache()
    parts = {request for request in proxy.tries if "partNumber" in request}
    assert len(parts) == 3
    # By the client that the settings bound: a caller of it would begin with a first attempt.
    for part in parts:
        assert proxy.tries[part] == ["attempt=1", "attempt=2; max=5"]
    # Nobody sees a part of it: the object is there when the last request has been answered.
    assert any(request.startswith("POST") and "uploadId" in request for request in proxy.tries)


def test_a_folder_of_the_bucket_is_predicted_into_another(on_s3, server, month_settings):
    bills, answers = (on_s3.storage_root / name for name in ("bills", "answers"))
    lines = sample_bytes().decode().splitlines()
    for name, file_lines in (("a.csv", lines), ("more/b.csv", lines[:9])):
        write_atomically(bills / name, "\n".join(file_lines).encode())
    variables = environment_of(Path(month_settings.storage)) | environment(server)
    no_output = call(["predict", str(bills)], variables)
    assert "name it with --output" in no_output.stderr
    done = call(["predict", str(bills), "--output", str(answers)], variables)
    assert done.returncode == 0, done.stderr
    assert "252 rows predicted, 0 refused" in done.stderr
    write_atomically(bills / "a-broken.csv", bytes(range(256)))
    done = call(["predict", str(bills), "--output", str(answers)], variables)
    assert done.returncode == 1
    assert "error: a-broken.csv: the file cannot be read" in done.stderr
    assert "252 rows predicted, 0 refused" in done.stderr
    assert len((answers / "a.csv").read_text().splitlines()) == 245
    assert len((answers / "more" / "b.csv").read_text().splitlines()) == 9
