"""A Parquet file that is cut by its row groups gives the records of the whole file."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion import landing, row_groups
from tip_assets.ingestion.file_parts import parts_of, read_part
from tip_assets.ingestion.landing import landing_folder, read_month
from tip_assets.ingestion.row_groups import row_groups_of
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.ingestion.table_files import Piece, read_pieces

RECORDS = generate(200, 1, UNCHANGED)
WANTED = list(contract.COLUMNS)


def write(path: Path, sizes: list[int]) -> None:
    """Write records as a Parquet file with row groups of these sizes; one may be empty."""
    table = pa.Table.from_pandas(RECORDS, preserve_index=False)
    with pa.parquet.ParquetWriter(path, table.schema) as writer:
        start = 0
        for size in sizes:
            writer.write_table(table.slice(start, size), row_group_size=max(1, size))
            start += size


def numbered(pieces: list[Piece]) -> pd.DataFrame:
    """The records of pieces with their row numbers as the index."""
    return pd.concat([piece.records for piece in pieces])


@given(st.lists(st.integers(0, 30), max_size=6), st.integers(1, 70))
def test_the_parts_of_a_file_have_its_records_and_row_numbers(sizes, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = UPath(folder) / "many.parquet"
        write(Path(folder) / "many.parquet", sizes)
        parts = row_groups_of(path, rows) or [None]
        pieces = [piece for part in parts for piece in read_pieces(path, WANTED, part)]
        pd.testing.assert_frame_equal(numbered(pieces), numbered(list(read_pieces(path, WANTED))))
    assert sum(len(piece) for piece in pieces) == sum(sizes)
    without_records = [piece for piece in pieces if not len(piece)]
    assert len(without_records) == 1
    assert without_records[0] is pieces[0]
    held = [sum(sizes[n] for n in part.numbers) for part in parts if part]
    assert all(size >= rows for size in held[:-1])


def test_files_that_cannot_be_cut_are_whole_parts(tmp_path):
    folder = UPath(tmp_path)
    (folder / "torn.parquet").write_bytes(b"PAR1 and no more")
    (folder / "tips.csv").write_bytes(b"x")
    write(tmp_path / "good.parquet", [40, 40])
    names = ["good.parquet", "tips.csv", "torn.parquet"]
    parts = parts_of([folder / name for name in names], names)
    assert [part.name for part in parts] == names
    (entry,) = read_part(parts[2]).quarantine
    assert str(entry["reason"]).startswith("the file cannot be read")


@pytest.mark.parametrize("rows", [10, 10**9])
def test_what_follows_damage_in_a_file_is_not_read(tmp_path, monkeypatch, rows):
    """The rest of a damaged file counts as one entry, however the file was cut."""
    folder = landing_folder(UPath(tmp_path), "2024-01")
    folder.mkdir(parents=True)
    path = Path(folder.path) / "torn.parquet"
    write(path, [50, 50, 50])
    facts = pa.parquet.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = facts.dictionary_page_offset or facts.data_page_offset
    data[start : start + facts.total_compressed_size] = bytes(facts.total_compressed_size)
    path.write_bytes(data)
    original = row_groups.row_groups_of
    monkeypatch.setattr(
        "tip_assets.ingestion.file_parts.row_groups_of", lambda path: original(path, rows)
    )
    month = landing.read_month(UPath(tmp_path), "2024-01")
    assert np.array_equal(month.rows["source_row"], np.arange(1, len(month.rows) + 1))
    assert len(month.rows) <= 50
    assert len(month.quarantine) == 1
    assert len(read_month(UPath(tmp_path), "2024-01", map).rows) == len(month.rows)
