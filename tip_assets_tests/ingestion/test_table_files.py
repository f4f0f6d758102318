"""Tables are read in every form that spreadsheets, exports and pandas write; others are refused."""

import gzip

import pandas as pd
import pytest

from tip_assets import contract
from tip_assets.ingestion.simulate import sample_bytes

HEADER = "total_bill,tip,sex,smoker,day,time,size"


def test_lines_may_end_as_on_old_macintoshes(land, sample):
    month = land(tips_csv=sample.to_csv(index=False, lineterminator="\r"))
    assert (len(month.rows), len(month.quarantine)) == (244, 0)


def test_a_compressed_copy_beside_its_file_is_not_counted_twice(land, sample):
    content = sample.to_csv(index=False).encode()
    month = land(**{"tips_csv": content, "tips_csv.gz": gzip.compress(content)})
    assert len(month.rows) == 244
    (entry,) = month.quarantine.to_dict("records")
    assert (entry["file"], entry["reason"]) == (
        "tips.csv.gz",
        "tips.csv is there, too: its rows would count twice",
    )


@pytest.mark.parametrize("index", ["day", ["day", "size"], "row"])
def test_a_column_that_pandas_used_as_the_index_is_read(land, sample, index):
    frame = sample.assign(row=range(5, 249)).set_index(index)
    month = land(indexed_parquet=frame.to_parquet())
    assert month.quarantine.empty
    pd.testing.assert_frame_equal(month.rows[list(contract.COLUMNS)], records(land, sample))


def test_an_index_without_a_name_is_no_column(land, sample):
    month = land(filtered_parquet=sample[sample["size"] > 2].to_parquet())
    assert (len(month.rows), month.ignored_columns) == (84, {})


def records(land, sample):
    """The sample's records as landing reads them from a plain file."""
    rows = land(plain_csv=sample_bytes()).rows
    return rows[rows.source_file == "plain.csv"][list(contract.COLUMNS)].reset_index(drop=True)


def exported(sample, separator=",", decimal=".", rename=str) -> bytes:
    """The sample as spreadsheets and exports write it."""
    return sample.rename(columns=rename).to_csv(index=False, sep=separator, decimal=decimal)


@pytest.mark.parametrize(
    ("separator", "decimal", "rename", "read_as"),
    [
        (",", ".", str, None),
        (",", ".", str.title, ["column names in another letter case"]),
        (";", ".", str, ["separator ';'"]),
        ("\t", ".", str.upper, ["separator tab", "column names in another letter case"]),
        (";", ",", str, ["separator ';'", "decimal commas"]),
        ("\t", ",", str, ["separator tab", "decimal commas"]),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_what_spreadsheets_and_exports_write_is_read_and_said(
    land, sample, separator, decimal, rename, read_as, ending
):
    content = exported(sample, separator, decimal, rename).encode()
    if ending == "csv.gz":
        content, read_as = gzip.compress(content), ["gzip", *(read_as or [])]
    month = land(**{f"export_{ending}": content})
    assert month.quarantine.empty
    assert month.read_as == ({f"export.{ending}": read_as} if read_as else {})
    pd.testing.assert_frame_equal(month.rows[list(contract.COLUMNS)], records(land, sample))


def test_under_decimal_commas_a_value_that_does_not_fit_is_refused_as_it_stands(land):
    good = "20,5;3,25;Male;No;Sun;Dinner;2\n"
    odd = ["1.234", "1.234,5", "12,", ",5", "1,2,3", "1e1", "12 5"]
    rows = [f"{value};3,25;Male;No;Sun;Dinner;2\n" for value in odd]
    header = HEADER.replace(",", ";")
    month = land(odd_csv=f"{header}\n{good * 100}{''.join(rows)}1,234;1;Male;No;Sun;Dinner;2\n")
    assert month.rows["total_bill"].tolist() == [20.5] * 100 + [1.234]
    assert month.quarantine["value"].tolist() == odd
    assert set(month.quarantine["reason"]) == {"is not a number"}


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_stray_decimal_comma_is_refused_as_a_row(land, sample, separator):
    header, *lines = exported(sample, separator).splitlines()
    stray = separator.join(['"1,5"', '"1,234"', "Male", "No", "Sun", "Dinner", "2"])
    month = land(stray_csv="\n".join([header, *lines, stray]))
    assert (len(month.rows), month.rows_refused) == (244, 1)


SEMICOLONS = HEADER.replace(",", ";")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            f"{SEMICOLONS}\n12,5;1,5;Male;No;Sun;Dinner;2\n12.5;1.5;Male;No;Sun;Dinner;2\n",
            "numbers have decimal commas in row 1 and decimal points in row 2",
        ),
        (
            "total_bill,tip;sex,smoker;day,time;size\n10,2;Male,No;Sun,Dinner;2\n",
            "the columns may be separated by ',' or by ';'",
        ),
        (
            f"{HEADER},Tip\n10,2,Male,No,Sun,Dinner,2,3\n",
            "more than one column named tip: tip, Tip",
        ),
    ],
)
def test_an_ambiguous_file_is_refused_whole_with_the_reason(land, content, reason):
    month = land(ambiguous_csv=content, good_csv=sample_bytes())
    assert len(month.rows) == 244
    (entry,) = month.quarantine.to_dict("records")
    assert entry["file"] == "ambiguous.csv"
    assert reason in entry["reason"]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_gzip_file_that_was_cut_off_is_a_reason(land, sample, share):
    content = gzip.compress(sample_bytes())
    names = {"cut_csv.gz": content[: int(len(content) * share)], "no_csv.gz": b"no gzip"}
    month = land(**names, good_csv=sample_bytes())
    assert set(month.quarantine["file"]) == {"cut.csv.gz", "no.csv.gz"}
    assert month.rows["source_file"].value_counts()["good.csv"] == 244


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_a_parquet_file_that_was_cut_off_is_a_reason(land, sample, share):
    whole = sample.to_parquet(index=False)
    month = land(cut_parquet=whole[: int(len(whole) * share)], good_csv=sample_bytes())
    assert len(month.rows) == 244
    assert list(month.quarantine["file"]) == ["cut.parquet"]


def test_a_parquet_file_of_another_schema_is_refused_by_row(land):
    other = pd.DataFrame(
        {
            "total_bill": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "tip": [True, False],
            "sex": [b"\xff", b"M"],
            "smoker": [0, 1],
            "day": ["Sun", None],
            "time": pd.Categorical(["Dinner", "Lunch"]),
            "size": ["2", "3"],
        }
    )
    month = land(other_parquet=other.to_parquet(index=False))
    assert len(month.rows) == 0
    refused = month.quarantine.groupby("row")["column"].agg(set)
    assert refused[1] == {"total_bill", "tip", "sex", "smoker"}
    assert refused[2] == {"total_bill", "tip", "sex", "smoker", "day"}
