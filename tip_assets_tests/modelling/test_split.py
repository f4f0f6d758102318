"""The part of a row depends on its content alone, for ever."""

import dataclasses

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tip_assets import contract
from tip_assets.modelling.search import folds_of
from tip_assets.modelling.split import TEST, content_hash, fingerprint, part_of

ENCODED = st.fixed_dictionaries(
    {
        "total_bill": st.integers(1, 30_000).map(lambda cents: cents / 100),
        "tip": st.integers(0, 10_000).map(lambda cents: cents / 100),
        "size": st.integers(1, 20),
        **{c.name: st.sampled_from(sorted(c.codes.values())) for c in contract.CATEGORIES},
    }
)


@given(st.lists(ENCODED, min_size=1, max_size=20), st.randoms())
def test_a_row_and_its_duplicates_are_on_one_side_in_any_order(records, random):
    frame = pd.DataFrame(records)
    parts = dict(zip(content_hash(frame), part_of(frame), strict=True))
    order = list(range(len(frame))) * 2
    random.shuffle(order)
    shuffled = frame.iloc[order]
    again = zip(content_hash(shuffled), part_of(shuffled), strict=True)
    assert all(parts[key] == part for key, part in again)


@given(ENCODED, st.sampled_from(sorted(contract.COLUMNS)))
def test_any_changed_value_changes_the_hash(record, column):
    changed = record | {column: record[column] + 1}
    first, second = content_hash(pd.DataFrame([record, changed]))
    assert first != second


@given(ENCODED)
def test_money_that_went_through_single_precision_is_the_same_row(record):
    frame = pd.DataFrame([record])
    single = frame.astype({"total_bill": "float32", "tip": "float32"})
    assert content_hash(frame) == content_hash(single)


def test_the_split_of_the_sample_never_changes(rows):
    """Pins the hash: another one would move test rows of old months into training."""
    assert fingerprint(rows) == "8ac2c1d862ce9497"
    assert list(content_hash(rows)[:2]) == [10297509253589584922, 413024758327485554]


def test_a_fifth_of_many_rows_is_for_testing():
    rng = np.random.default_rng(0)
    size = 50_000
    frame = pd.DataFrame({name: rng.integers(0, 2, size) for name in contract.COLUMNS})
    frame["total_bill"] = rng.integers(1, 30_000, size) / 100
    frame["tip"] = rng.integers(1, 10_000, size) / 100
    share = (part_of(frame) == TEST).mean()
    assert abs(share - 0.2) < 4 * np.sqrt(0.2 * 0.8 / size)


@given(st.lists(ENCODED, min_size=5, max_size=30, unique_by=str), st.randoms(), st.integers(0, 99))
def test_equal_rows_are_held_out_together_and_every_row_once(recipe, records, random, seed):
    repeated = [record for record in records for _ in range(random.randint(1, 4))]
    random.shuffle(repeated)
    train = pd.DataFrame(repeated)
    folds = folds_of(train, dataclasses.replace(recipe, seed=seed))
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(len(train)))
    for learned, held_out in folds:
        assert not {*content_hash(train.iloc[learned])} & {*content_hash(train.iloc[held_out])}
        assert len(learned) + len(held_out) == len(train)


def test_folds_are_shuffled_and_repeatable(recipe, rows):
    """Rows of a file lie in order of time: blocks of them would be folds of days."""
    folds, again = folds_of(rows, recipe), folds_of(rows, recipe)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(folds, again, strict=True))
    assert all(np.ptp(held_out) > len(rows) / 2 for _, held_out in folds)
    other = folds_of(rows, dataclasses.replace(recipe, seed=recipe.seed + 1))
    assert not np.array_equal(folds[0][1], other[0][1])
