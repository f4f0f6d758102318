"""Records sorted column by column get the verdicts of `contract.check`, value by value."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tip_assets import contract
from tip_assets.ingestion import valid_records
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.ingestion.table_files import Piece, as_piece

NUMBER_TEXTS = [
    "2",
    "2.5",
    " 3 ",
    "1e1",
    "+4",
    "-1",
    "nan",
    "inf",
    "0x1",
    "1,5",
    "",
    "many",
    "\u0663",
]
CATEGORY_TEXTS = [
    "Thur",
    " thursday",
    "SUN",
    "\u017fun",
    "Yes",
    "No",
    "Lunch",
    "Male",
    "male",
    "x",
    "",
]
MARKS = st.sampled_from([".", ","])


@st.composite
def column(draw, kept: contract.Column, rows: int) -> pa.Array:
    """Values of a column as text or typed, most of them valid, with nulls among them."""
    if isinstance(kept, contract.CategoryColumn):
        values = st.sampled_from([*kept.categories, *kept.categories, *CATEGORY_TEXTS, None])
        texts = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), pa.string())
        return texts.dictionary_encode() if draw(st.booleans()) else texts
    kind = draw(st.sampled_from(["text", "float", "whole", "truth"]))
    values = {
        "text": st.floats(0, 400).map(str)
        | st.integers(0, 30).map(str)
        | st.sampled_from(NUMBER_TEXTS),
        "float": st.sampled_from([2.5, 3.5])
        | st.floats(allow_nan=True, width=32)
        | st.floats(1, 20).map(round).map(float),
        "whole": st.integers(-2, 400),
        "truth": st.booleans(),
    }[kind]
    types = {"text": pa.string(), "float": pa.float64(), "whole": pa.int64(), "truth": pa.bool_()}
    listed = draw(st.lists(values | st.none(), min_size=rows, max_size=rows))
    return pa.array(listed, types[kind])


def valid(kept: contract.Column, rows: int) -> st.SearchStrategy[pa.Array]:
    """Valid values of a column: where all columns were strange, hardly a record would be valid."""
    values = kept.categories if isinstance(kept, contract.CategoryColumn) else [1.0, 2.0, 20.0]
    return st.lists(st.sampled_from(values), min_size=rows, max_size=rows).map(pa.array)


@st.composite
def piece(draw) -> Piece:
    """Records with at most two columns whose values may be anything."""
    rows = draw(st.integers(1, 6))
    strange = draw(st.sets(st.sampled_from(list(contract.COLUMNS)), max_size=2))
    arrays = [
        draw(column(kept, rows) if name in strange else valid(kept, rows))
        for name, kept in contract.COLUMNS.items()
    ]
    batch = pa.RecordBatch.from_arrays(arrays, list(contract.COLUMNS))
    return Piece(batch, np.arange(3, 3 + rows), decimal=draw(MARKS))


@given(piece(), st.booleans())
def test_whole_columns_get_the_verdicts_of_single_values(piece, with_label):
    fast = valid_records.check(piece, with_label)
    slow = contract.check(piece.records, with_label, piece.decimal)
    assert list(fast.accepted.index) == list(slow.accepted.index)
    for name in fast.accepted:
        assert list(fast.accepted[name]) == list(slow.accepted[name])
    columns = ["position", "column", "value", "reason"]
    assert fast.refused[columns].to_numpy().tolist() == slow.refused[columns].to_numpy().tolist()


def test_a_number_written_as_text_is_the_nearest_float():
    texts = ["36.398723586801964", "20.299999999999997", " 7.1 "]
    records = generate(3, 1, UNCHANGED).assign(total_bill=texts)
    for found in (valid_records.check(as_piece(records.astype(str))), contract.check(records)):
        assert list(found.accepted["total_bill"]) == [float(text) for text in texts]


def test_a_number_with_a_nul_behind_it_is_refused():
    records = generate(2, 1, UNCHANGED).assign(total_bill=["20.5", "20.5\x00"])
    assert list(contract.check(records).refused["position"]) == [1]


@pytest.mark.parametrize("as_text", [False, True])
def test_valid_records_are_never_looked_at_one_by_one(monkeypatch, as_text):
    records = generate(500, 1, UNCHANGED)
    monkeypatch.setattr(contract, "check", lambda *_: pytest.fail("looked at one by one"))
    found = valid_records.check(as_piece(records.astype(str) if as_text else records))
    assert found.refused.empty
    pd.testing.assert_frame_equal(
        found.accepted.astype(object).reset_index(drop=True),
        records[list(found.accepted)].astype(object),
        check_dtype=False,
    )


@pytest.mark.parametrize("name", [column.name for column in contract.NUMBERS])
@pytest.mark.parametrize("value", [-1.0, 1e9, 2.5, float("nan"), float("inf")])
def test_a_number_gets_the_verdict_of_a_single_value(name, value):
    records = generate(3, 1, UNCHANGED).astype({name: float})
    records.loc[1, name] = value
    fast, slow = valid_records.check(as_piece(records)), contract.check(records)
    assert len(fast.accepted) == len(slow.accepted)
    assert list(fast.refused["reason"]) == list(slow.refused["reason"])
