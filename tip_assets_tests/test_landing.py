"""Landing files are read as they are; nothing good is lost and nothing bad gets through."""

import pandas as pd
import pytest
from upath import UPath

from tip_assets.landing import landing_folder, read_month
from tip_assets.simulate import Change, land_generated, sample_bytes

HEADER = "total_bill,tip,sex,smoker,day,time,size"


@pytest.fixture
def land(tmp_path):
    """Drop files into 2024-01 and read the month."""

    def drop(**files: bytes | str):
        for name, content in files.items():
            stem, _, ending = name.rpartition("_")
            path = landing_folder(UPath(tmp_path), "2024-01") / f"{stem}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_month(UPath(tmp_path), "2024-01")

    return drop


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
            ["dirty.csv", 2, "total_bill", "must be more than 0 USD"],
            ["dirty.csv", 3, None, "the line does not have 8 fields"],
            ["dirty.csv", 4, "sex", "is not one of Female, Male"],
            ["dirty.csv", 4, "size", "must be a whole number"],
        ],
        key=str,
    )
    assert month.rows_refused == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Empty CSV"),
        (bytes(range(256)), "not UTF-8"),
        (f"{HEADER},tip\n1,1,Male,No,Sun,Dinner,2,1\n".encode(), "more than one column named tip"),
    ],
)
def test_a_file_that_cannot_be_read_names_itself_and_stops_no_other(land, content, reason):
    month = land(bad_csv=content, good_csv=sample_bytes())
    assert len(month.rows) == 244
    (entry,) = month.quarantine.to_dict("records")
    assert entry["file"] == "bad.csv"
    assert reason in entry["reason"]


def test_generated_broken_files_lose_no_row(tmp_path):
    storage = UPath(tmp_path)
    land_generated(storage, "2024-01", rows=100, seed=1, change=Change(), broken=True)
    month = read_month(storage, "2024-01")
    # 100 good rows, 8 rows of which 7 have a fault, 4 rows without a column, an unreadable file.
    assert (len(month.rows), month.rows_refused) == (101, 11)
    assert "generated-seed1-cut-off.parquet" in set(month.quarantine["file"])
    assert all(name.startswith("generated") for name in month.files)
