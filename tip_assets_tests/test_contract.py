"""The contract accepts what is valid in any spelling, and refuses the rest by row and column."""

import ast
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tip_assets import contract
from tip_assets.assets.transformed_tips import transform
from tip_assets.modelling.served_model import InvalidRecords, encode
from tip_assets_tests.cli.test_month import Platform

REPOSITORY = Path(__file__).parents[1]
WORDS = {*contract.COLUMNS} | {
    word for column in contract.CATEGORIES for word in (*column.categories, *column.spellings)
}
# Strings that are one of these words and mean something else.
OTHER_MEANINGS = {
    ("tip_assets/ingestion/landing.py", "size"): "the size of a file, in fsspec's words",
    ("tip_assets/rehearsal/scenario.py", "size"): "the size of an event",
    ("app/bill_curve.py", "size"): "the size of a marker, in Plotly's words",
    ("app/served_plot.py", "size"): "the size of a font, in Plotly's words",
    (
        "tip_assets/settings/__init__.py",
        "tip",
    ): "a value of the setting `target`",
    ("tip_assets/tracking/registry.py", "yes"): "the value of an MLflow tag",
    ("tip_assets/assets/drift_metrics.py", "no"): "has not drifted, in a table for people",
}


def valid_value(column: contract.Column) -> st.SearchStrategy[object]:
    """Valid values of a column as producers write them: text or typed, any accepted spelling."""
    if isinstance(column, contract.CategoryColumn):
        spellings = st.sampled_from(sorted(column.spellings))
        return spellings.flatmap(lambda s: st.sampled_from([s, s.upper(), s.title(), f" {s} "]))
    if column.integer:
        numbers = st.integers(int(column.minimum), int(column.maximum))
    else:
        cents = st.integers(round(column.minimum * 100), round(column.maximum * 100))
        numbers = cents.map(lambda amount: amount / 100)
    return numbers | numbers.map(str)


RECORD = st.fixed_dictionaries({name: valid_value(c) for name, c in contract.COLUMNS.items()})
BROKEN_VALUES = {
    "number": [None, "", "abc", -1, "-0.5", float("nan"), float("inf"), 1e9, "12,5"],
    "category": [None, "", "maybe", 3, "Thurs day"],
}


@given(st.lists(RECORD, min_size=1, max_size=8), st.randoms())
def test_valid_records_are_accepted_in_any_spelling_and_column_order(records, random):
    frame = pd.DataFrame(records)
    columns = list(frame)
    random.shuffle(columns)
    checked = contract.check(frame[columns])
    assert checked.refused.empty
    assert list(checked.accepted) == list(contract.COLUMNS)
    for column in contract.CATEGORIES:
        assert set(checked.accepted[column.name]) <= set(column.categories)


@given(st.lists(RECORD, min_size=1, max_size=8), st.data())
def test_a_broken_value_refuses_its_row_and_names_the_column(records, data):
    frame = pd.DataFrame(records, index=range(1, len(records) + 1)).astype(object)
    column = data.draw(st.sampled_from(list(contract.COLUMNS.values())))
    row = data.draw(st.sampled_from(list(frame.index)))
    frame.at[row, column.name] = data.draw(st.sampled_from(BROKEN_VALUES[column.kind]))
    checked = contract.check(frame)
    assert list(zip(checked.refused["position"], checked.refused["column"], strict=True)) == [
        (row, column.name)
    ]
    assert list(checked.accepted.index) == [i for i in frame.index if i != row]


@given(RECORD)
def test_encoding_and_decoding_a_record_gives_the_record(record):
    accepted = contract.check(pd.DataFrame([record])).accepted
    encoded = encode(accepted, contract.document())
    assert list(encoded) == contract.FEATURE_NAMES
    decoded = contract.decode(encoded)
    for column in contract.CATEGORIES:
        assert list(decoded[column.name]) == list(accepted[column.name])


@pytest.mark.parametrize("column", contract.FEATURES, ids=lambda column: column.name)
def test_the_model_refuses_what_the_contract_refuses(column, sample):
    """In the original system an unknown category silently became NaN."""
    for value in BROKEN_VALUES[column.kind]:
        record = sample.head(3).astype(object)
        record.loc[1, column.name] = value
        with pytest.raises(InvalidRecords, match=f"row 2: {column.name} = "):
            encode(record, contract.document())
    with pytest.raises(InvalidRecords, match=f"'{column.name}' is missing"):
        encode(sample.drop(columns=column.name), contract.document())


def test_codes_are_those_of_the_original_system():
    codes = {column.name: column.codes for column in contract.CATEGORIES}
    assert codes == {
        "sex": {"Female": 0, "Male": 1},
        "smoker": {"No": 0, "Yes": 1},
        "day": {"Thur": 0, "Fri": 1, "Sat": 2, "Sun": 3, "Mon": 4, "Tue": 5, "Wed": 6},
        "time": {"Lunch": 0, "Dinner": 1},
    }


@pytest.mark.parametrize("factor", [100, 1e-300], ids=["cents for dollars", "next to nothing"])
def test_bills_in_another_unit_are_refused(sample, factor):
    """A tip rate over next to nothing would be infinite."""
    other = sample.assign(total_bill=sample.total_bill * factor)
    assert len(contract.check(other).accepted) == 0


def test_the_sample_is_the_published_table(sample):
    """plotly carries the same 244 rows in the same order."""
    import plotly.express as px

    published = px.data.tips()
    assert len(sample) == 244
    pd.testing.assert_frame_equal(sample[list(published)], published, check_dtype=False)


def words_of_the_contract(source: str) -> set[str]:
    """The strings of a module, docstrings aside, that are a name of the contract."""
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    strings = [node for node in nodes if isinstance(node, ast.Constant)]
    return {node.value for node in strings if node.value in WORDS and id(node) not in docstrings}


def test_no_module_but_the_contract_names_a_column_or_a_category():
    modules = [
        path for folder in ("tip_assets", "app") for path in REPOSITORY.glob(f"{folder}/**/*.py")
    ]
    found = {
        (str(path.relative_to(REPOSITORY)), word)
        for path in modules
        if path != Path(contract.__file__)
        for word in words_of_the_contract(path.read_text("utf-8"))
    }
    assert len(modules) > 40
    assert found == OTHER_MEANINGS.keys()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('rows["total_bill"]', {"total_bill"}),
        ('def f(kind="Lunch"):\n    """tip"""\n    return kind', {"Lunch"}),
        ('DAYS = {"thursday": 0, "Sat": 1}', {"thursday", "Sat"}),
        ('f"{total}size"', {"size"}),
        ('"""tip"""\nx = "tips", "tip_rate", size.time', set()),
    ],
)
def test_a_planted_name_is_found(source, found):
    assert words_of_the_contract(source) == found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("1.0", "1.7", True), ("1.0", "2.0", False), ("1.9", "10.9", False), ("2", "2.1", True)],
)
def test_records_of_equal_majors_suit_each_other(one, other, same):
    assert contract.same_major(one, other) == same


@pytest.mark.slow
def test_a_champion_of_another_contract_is_held_against_nothing_until_a_person_releases(tmp_path):
    platform = Platform(tmp_path)
    platform.environment["TIPS_TRIALS"] = "20"
    platform.tips("run", "--month", "2024-01", "--sample")
    platform.client.set_model_version_tag("waiter-tips", "1", contract.VERSION_TAG, "0.9")
    (document,) = tmp_path.rglob("contract.json")
    document.write_text(json.dumps(contract.document() | {"version": "0.9"}))
    bills = tmp_path / "bills.csv"
    bills.write_text("total_bill,sex,smoker,day,time,size\n20,Female,No,Sun,Dinner,2\n")
    refused = platform.tips("predict", str(bills), code=1)
    words = f"the records follow contract {contract.VERSION}, this model was made for contract 0.9"
    assert words in refused

    platform.tips("simulate", "--month", "2024-02")
    printed = platform.tips("run", "--month", "2024-02", code=3)
    assert "not compared with champion version 1, which was made for contract 0.9" in printed
    assert "held: the champion was made for contract 0.9" in printed
    assert "a person has to release" in printed
    value = platform.value("registered_model", "2024-02")
    assert value["incumbent"]["version"] == 1
    assert (value["comparison"], value["served_by"]) == (None, None)
    assert platform.aliases()["champion"] == 1

    platform.tips("release", "--month", "2024-02", "--reason", "new contract")
    assert platform.aliases()["champion"] == 2
    assert "1 rows predicted" in platform.tips("predict", str(bills))


def test_a_count_of_another_column_keeps_its_value(monkeypatch, sample):
    wide = contract.NumberColumn("minutes", "Minutes", "minutes", 0, 600, integer=True)
    monkeypatch.setattr(contract, "FEATURES", (*contract.FEATURES, wide))
    encoded = transform(sample.head(3).assign(minutes=[1, 127, 600]))
    assert encoded["minutes"].tolist() == [1, 127, 600]
    assert encoded["size"].dtype == "int8"
