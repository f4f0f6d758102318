"""Files that people upload to the app are bounded: their rows, and what is kept of them."""

import gzip
import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app import feedback, uploads
from app.style import cells
from app.uploads import keep_upload
from tip_assets.ingestion.feedback import PREDICTION_ID, TIP
from tip_assets.ingestion.table_files import UnreadableFile
from tip_assets.metric_store.prediction_log import PredictionLog
from tip_assets.metric_store.store import MetricStore
from tip_assets.settings import Settings
from tip_assets_tests.ingestion.test_feedback import predict


def uploaded(name: str, content: bytes) -> io.BytesIO:
    """A file as Streamlit hands it over."""
    upload = io.BytesIO(content)
    upload.name = name
    return upload


def test_a_small_file_of_endless_rows_is_refused(tmp_path):
    parquet = io.BytesIO()
    pq.write_table(pa.table({"size": pa.array([2] * 100_000)}), parquet)
    assert len(parquet.getvalue()) < 10_000
    for name, content in (
        ("a.parquet", parquet.getvalue()),
        ("a.csv", b"size\n" + b"\n" * 100_000),
    ):
        given, rows = keep_upload(uploaded(name, content), tmp_path, 100_000)
        assert (given.read_bytes(), rows) == (content, 100_000)
        with pytest.raises(
            UnreadableFile, match="the file has 100,000 rows, and at most 99,999 are"
        ):
            keep_upload(uploaded(name, content), tmp_path, 99_999)
        assert not given.exists()


def test_a_gzip_file_is_bounded_by_what_it_unpacks_to(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "get_settings", lambda: Settings(max_upload_mb=1))
    content = b"size\n" + b"2\n" * 100_000
    given, rows = keep_upload(uploaded("a.CSV.GZ", gzip.compress(content)), tmp_path, 100_000)
    assert (given, given.read_bytes(), rows) == (tmp_path / "given.csv", content, 100_000)
    bomb, cut = gzip.compress(bytes(2 << 20)), gzip.compress(content)[:100]
    assert len(bomb) < 10_000
    for packed, reason in (
        (gzip.compress(content + b"2\n"), "has 100,001 rows"),
        (bomb, "unpacks to more than 1 MB"),
        (cut, "cannot be read: Compressed file ended"),
        (b"no gzip", "cannot be read: Not a gzipped file"),
    ):
        with pytest.raises(UnreadableFile, match=reason):
            keep_upload(uploaded("a.csv.gz", packed), tmp_path, 100_000)
        assert not given.exists()


def test_of_the_name_of_a_file_only_its_kind_is_used(tmp_path):
    given, rows = keep_upload(uploaded("../<b>bills</b>.CSV", b"size\n2\n"), tmp_path, 10)
    assert (given, rows) == (tmp_path / "given.csv", 1)
    assert keep_upload(uploaded("x.parquet", b"no Parquet"), tmp_path, 10)[1] == 0


def test_of_tips_that_are_refused_all_are_counted_and_the_first_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(feedback, "MOST_REFUSALS_SHOWN", 3)
    log = PredictionLog(MetricStore(url=f"sqlite:///{tmp_path}/metrics.db"))
    file = tmp_path / "tips.csv"
    file.write_text(f"{PREDICTION_ID},{TIP}\nnobody,1\na,b,c\n,2\nnobody,\nnobody,4\n")
    submitted = feedback.submit_file(log, file)
    assert (submitted.new, submitted.known, submitted.refused) == (0, 0, 4)
    assert feedback.describe(submitted) == "0 tips saved, 4 refused."
    # A broken line is reported after the others of its piece.
    assert submitted.first_refused["row"].tolist() == [1, 3, 5]


def test_decimal_commas_are_mentioned(tmp_path):
    log = PredictionLog(MetricStore(url=f"sqlite:///{tmp_path}/metrics.db"))
    predict(log, "a", "b")
    file = tmp_path / "tips.csv"
    file.write_text(f"{PREDICTION_ID.title()};{TIP}\na;2,50\nb;1.000\n")
    with pytest.raises(UnreadableFile, match="decimal commas in row 1 and decimal points in row 2"):
        feedback.submit_file(log, file)
    file.write_text(f"{PREDICTION_ID.title()};{TIP}\na;2,50\nb;3\n")
    assert feedback.submit_file(log, file).new == 2
    assert {key: row["actual"] for key, row in log.find(["a", "b"]).items()} == {"a": 2.5, "b": 3}


def test_cells_of_a_file_are_shown_as_text_and_not_without_end():
    table = pd.DataFrame({"day": ["x" * 1_000, ["Sun", "Mon"], None, float("nan"), 2]})
    shown = cells(table)["day"].tolist()
    assert shown == ["x" * 200, "['Sun', 'Mon']", None, None, "2"]
