"""Landing files are read as they are; nothing good is lost and nothing bad gets through."""

import csv
import io
import tempfile

import dagster as dg
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from tip_assets import contract
from tip_assets.assets.raw_tips import raw_tips
from tip_assets.ingestion.landing import is_feedback, landing_folder, read_month
from tip_assets.ingestion.simulate import Change, land_generated, sample_bytes
from tip_assets.runtime.resources import resources
from tip_assets.runtime.storage import quarantine_file
from tip_assets.settings import Settings
from tip_assets_tests.test_contract import BROKEN_VALUES, RECORD

HEADER = "total_bill,tip,sex,smoker,day,time,size"


def test_the_first_row_is_kept_and_an_index_column_dropped(land, sample):
    """The original system lost the first row of each part and grew an index column every run."""
    month = land(tips_csv=sample.to_csv())
    assert len(month.rows) == 244
    assert month.rows.loc[0, "total_bill"] == 16.99
    assert month.ignored_columns == {}


def test_csv_and_parquet_give_the_same_rows(land, sample, tmp_path):
    month = land(a_csv=sample_bytes(), b_parquet=sample.to_parquet(index=False))
    a, b = (month.rows[month.rows.source_file == f"{name}"] for name in ("a.csv", "b.parquet"))
    pd.testing.assert_frame_equal(
        a.drop(columns="source_file").reset_index(drop=True),
        b.drop(columns="source_file").reset_index(drop=True),
    )


@pytest.mark.parametrize("name", ["feedback-1.csv", "feedback-1.csv.gz", "Feedback-1.parquet"])
def test_feedback_stays_feedback_when_its_file_is_compressed_or_converted(name):
    assert is_feedback(f"folder/{name}")
    assert not is_feedback(f"folder/tips-{name}")


def test_bad_rows_are_quarantined_by_file_row_column_and_reason(land):
    month = land(
        dirty_csv=f"{HEADER},shift\n"
        "10,2,Male,No,THURSDAY,lunch,2,a\n"
        "-10,2,Male,No,Sun,Dinner,2,a\n"
        "broken,line\n"
        "10,2,Other,No,Sun,Dinner,2.5,a\n"
    )
    assert list(month.rows["day"]) == ["Thur"]
    assert month.ignored_columns == {"dirty.csv": ["shift"]}
    found = month.quarantine[["file", "row", "column", "reason"]].to_numpy().tolist()
    assert sorted(found, key=str) == sorted(
        [
            ["dirty.csv", 2, "total_bill", "must be at least 0.01 USD"],
            ["dirty.csv", 3, None, "the line does not have as many fields as the header"],
            ["dirty.csv", 4, "sex", "is not one of Female, Male"],
            ["dirty.csv", 4, "size", "must be a whole number"],
        ],
        key=str,
    )
    assert month.rows_refused == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (bytes(range(256)), "binary, not text"),
        (f"{HEADER},tip\n{'x' * (20 << 20)}\n".encode(), "has a line of more than 8 MB"),
        (f"{HEADER},tip\n1,1,Male,No,Sun,Dinner,2,1\n".encode(), "more than one column named tip"),
    ],
)
def test_a_file_that_cannot_be_read_names_itself_and_stops_no_other(land, content, reason):
    month = land(bad_csv=content, good_csv=sample_bytes())
    assert len(month.rows) == 244
    (entry,) = month.quarantine.to_dict("records")
    assert entry["file"] == "bad.csv"
    assert reason in entry["reason"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_storage_that_fails_amid_a_file_fails_the_month_and_refuses_no_row(tmp_path, ending):
    """The kernel answers reads of `/proc/self/mem` like those of a disk that is broken."""
    folder, settings = tmp_path / "landing" / "2024-01", Settings(storage=str(tmp_path))
    folder.mkdir(parents=True)
    (folder / "good.csv").write_bytes(sample_bytes())
    (folder / f"on_a_broken_disk.{ending}").symlink_to("/proc/self/mem")
    result = dg.materialize(
        [raw_tips], partition_key="2024-01", resources=resources(settings), raise_on_error=False
    )
    (failure,) = result.get_step_failure_events()
    assert "OSError: [Errno" in failure.step_failure_data.error.to_string()
    assert not quarantine_file(settings.storage_root, "2024-01").exists()


def test_generated_broken_files_lose_no_row(tmp_path):
    storage = UPath(tmp_path)
    land_generated(storage, "2024-01", rows=100, seed=1, change=Change(), broken=True)
    month = read_month(storage, "2024-01")
    # 100 good rows, 8 rows of which 7 have a fault, 4 rows without a column, an unreadable file.
    assert (len(month.rows), month.rows_refused) == (101, 11)
    assert "generated-seed1-cut-off.parquet" in set(month.quarantine["file"])
    assert all(name.startswith("generated") for name in month.files)


FAULT = st.sampled_from(
    [(name, value) for name, c in contract.COLUMNS.items() for value in BROKEN_VALUES[c.kind]]
)
NAME = st.text(st.characters(codec="utf-8", exclude_characters="/\0\r\n"), max_size=12).map(
    lambda text: f"x{text}.csv"
)


@st.composite
def dirty_csv(draw):
    """A CSV file as bytes, and for each of its rows the column that is broken, if any."""
    records = draw(st.lists(RECORD, max_size=8))
    faults = [draw(st.none() | FAULT) for _ in records]
    columns = draw(st.permutations([*contract.COLUMNS, *draw(st.sampled_from([[], ["é"], [""]]))]))
    text = io.StringIO()
    separator = draw(st.sampled_from(",;"))
    if separator == ";" and len(columns) < 2:
        separator = ","
    table = csv.writer(
        text, delimiter=separator, lineterminator=draw(st.sampled_from(["\n", "\r\n"]))
    )
    table.writerow(columns)
    for record, fault in zip(records, faults, strict=True):
        values = {"é": "two\nlines, ü", "": "7"} | record
        if fault:
            values[fault[0]] = "" if fault[1] is None else fault[1]
        table.writerow([values[column] for column in columns])
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    return text.getvalue().encode(encoding), [fault and fault[0] for fault in faults]


@given(dirty_csv(), NAME, st.sampled_from(["", "a b/", "ünï/c/"]))
def test_every_row_of_a_dirty_file_is_kept_or_refused_with_its_column(dirty, name, folder):
    content, broken = dirty
    with tempfile.TemporaryDirectory() as storage:
        path = landing_folder(UPath(storage), "2024-01") / folder / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        month = read_month(UPath(storage), "2024-01")
        assert path.read_bytes() == content
    expected = {row: column for row, column in enumerate(broken, start=1) if column}
    found = dict(zip(month.quarantine["row"], month.quarantine["column"], strict=True))
    assert found == expected
    assert list(month.rows["source_row"]) == [
        row for row in range(1, len(broken) + 1) if row not in expected
    ]
    assert set(month.files) == {f"{folder}{name}"}


@given(st.binary(max_size=400), st.sampled_from([".csv", ".parquet", ".csv.gz"]))
def test_any_bytes_are_rows_or_a_reason(content, ending):
    with tempfile.TemporaryDirectory() as storage:
        path = landing_folder(UPath(storage), "2024-01") / f"bytes{ending}"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        month = read_month(UPath(storage), "2024-01")
    assert len(month.rows) == 0
    assert all(month.quarantine["reason"])


def test_a_quote_that_is_never_closed_costs_the_rows_inside_it_and_no_more(land):
    good = "10,2,Male,No,Sun,Dinner,2\n"
    month = land(quote_csv=f'{HEADER}\n{good * 3}10,2,"Male,No,Sun,Dinner,2\n{good}')
    assert len(month.rows) == 3
    assert len(month.quarantine) > 0


def materialize_raw_tips(folder, landed: bytes) -> tuple[str, list[int]]:
    """Run the asset on one landing file; its data version, and the sizes that are recorded."""
    settings = Settings(storage=str(folder))
    path = landing_folder(settings.storage_root, "2024-01") / "tips.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(landed)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [raw_tips], partition_key="2024-01", resources=resources(settings), instance=instance
        )
    (made,) = result.asset_materializations_for_node("raw_tips")
    sizes = [
        made.metadata["size_bytes"].value,
        (folder / "assets/raw_tips/2024-01.parquet").stat().st_size,
    ]
    return made.tags["dagster/data_version"], sizes


def test_a_table_is_encoded_once_and_its_version_is_of_what_it_holds(tmp_path, monkeypatch):
    """Each table was encoded three times, and a release of pyarrow made every month stale."""
    encode, rows, options = pd.DataFrame.to_parquet, [], {}

    def spy(frame, *args, **kwargs):
        rows.append(len(frame))
        return encode(frame, *args, **kwargs, **options)

    monkeypatch.setattr(pd.DataFrame, "to_parquet", spy)
    version, (described, size) = materialize_raw_tips(tmp_path / "a", sample_bytes())
    assert sorted(rows) == [0, 244]  # the quarantine and the table
    assert described == size
    options["compression"] = "gzip"
    other_writer, (_, other_size) = materialize_raw_tips(tmp_path / "b", sample_bytes())
    assert other_size != size
    assert other_writer == version
    first, *rest = sample_bytes().splitlines(keepends=True)
    changed = [rest[0].replace(b"16.99", b"17.00"), *rest[1:]]
    swapped = [rest[1], rest[0], *rest[2:]]
    for number, lines in enumerate((changed, swapped)):
        landed = b"".join([first, *lines])
        assert materialize_raw_tips(tmp_path / str(number), landed)[0] != version
