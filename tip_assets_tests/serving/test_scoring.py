"""A file is scored row by row as the contract says, and its answer is safe to open."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion import table_files
from tip_assets.ingestion.feedback import PREDICTION_ID
from tip_assets.ingestion.table_files import UnreadableFile
from tip_assets.modelling.intervals import HELD_OUT, HeldOutErrors
from tip_assets.modelling.search import best_of, search
from tip_assets.modelling.served_model import WaiterTipModel, encode
from tip_assets.modelling.split import PART, TRAIN
from tip_assets.modelling.training import load_booster, predict_rows, train_booster
from tip_assets.serving.loaded_model import LoadedModel
from tip_assets.serving.scored_files import ScoredFileWriter, _harmless
from tip_assets.serving.scoring import (
    CONTRIBUTIONS,
    HIGH,
    LOW,
    NEVER_SEEN,
    PREDICTED,
    REFUSED,
    score_file,
)
from tip_assets.tracking.registry import ModelVersion
from tip_assets_tests.support.records import record


def loaded(ubj: bytes, document: dict | None = None) -> LoadedModel:
    """A booster as the registry would give it."""
    model = WaiterTipModel()
    model.contract = json.loads(json.dumps(document or contract.document()))
    model.booster = load_booster(ubj)
    model.target = model.booster.attr("target")
    kept = model.booster.attr(HELD_OUT)
    version = ModelVersion(7, "run", "source", {}, datetime.now(UTC))
    return LoadedModel(version, model, HeldOutErrors.from_json(kept) if kept else None)


@pytest.fixture(scope="module")
def ubj(rows, recipe):
    best = best_of(search(rows[rows[PART] == TRAIN], recipe))
    return train_booster("2024-01", rows, best, recipe)


@pytest.fixture(scope="module")
def model(ubj):
    return loaded(ubj)


def scored(model, folder: Path, content: str, name: str = "bills.csv"):
    """The answer to a file: CSV as text, Parquet as a table, and the counted reasons."""
    (folder / name).write_text(content)
    text, parquet, reasons = io.StringIO(), folder / "answer.parquet", {}
    with ScoredFileWriter(text, parquet, with_ids=True) as writer:
        for piece in score_file(model, UPath(folder / name), 0.9, "abc"):
            writer.write(piece)
            for reason, rows in piece.reasons.items():
                reasons[reason] = reasons.get(reason, 0) + rows
    return text.getvalue(), pd.read_parquet(parquet), reasons


HEADER = "total_bill,sex,smoker,day,time,size"


def test_every_row_has_a_prediction_or_a_reason_in_both_formats(
    model, tmp_path, monkeypatch, sample, rows, ubj
):
    monkeypatch.setattr(table_files, "_BYTES_A_PIECE", 2_000)  # several pieces
    lines = sample[contract.FEATURE_NAMES].to_csv(index=False).splitlines()
    lines[3] = "20,Female,No,Someday,Dinner,0"
    lines[100] = "20,Female,No"
    lines[200] = "abc,Female,No,Sun,Dinner,2"
    text, typed, reasons = scored(model, tmp_path, "\n".join(lines) + "\n")
    table = pd.read_csv(io.StringIO(text))
    for answer in (table, typed):
        assert answer["row"].tolist() == list(range(1, 245))
        assert (answer[PREDICTED].isna() == answer[REFUSED].notna()).all()
        assert answer.loc[[2, 99, 199], REFUSED].str.contains("day is not|fields|is not a n").all()
        assert answer[REFUSED].notna().sum() == 3
        kept = answer[answer[REFUSED].isna()]
        seen = kept[kept[NEVER_SEEN].isna()]
        assert len(seen) > 200
        assert (seen[LOW] <= seen[PREDICTED]).all()
        assert (seen[PREDICTED] <= seen[HIGH]).all()
        assert kept[PREDICTION_ID].tolist() == [f"abc-{row}" for row in kept["row"]]
    assert "size must be at least 1 people" in typed.loc[2, REFUSED]
    kept = typed[REFUSED].isna().to_numpy()
    expected = predict_rows(load_booster(ubj), rows)
    assert typed.loc[kept, PREDICTED].tolist() == pytest.approx(expected[kept].tolist())
    assert table.loc[kept, PREDICTED].tolist() == pytest.approx(expected[kept].round(2).tolist())
    assert sum(reasons.values()) == 3
    assert reasons["total_bill", "is not a number"] == 1


def test_contributions_add_up_and_intervals_are_left_out_where_nobody_asks(model, tmp_path, sample):
    bills, text = tmp_path / "bills.csv", io.StringIO()
    bills.write_text(f"{sample.to_csv(index=False)}x,Female,No,Sun,Dinner,2,1\n")
    with ScoredFileWriter(text, with_intervals=False, with_contributions=True) as writer:
        for piece in score_file(model, UPath(bills), None, with_contributions=True):
            writer.write(piece)
    answer = pd.read_csv(io.StringIO(text.getvalue()))
    assert LOW not in answer
    kept = answer[answer[REFUSED].isna()]
    assert len(kept) == len(answer) - 1 == 244
    sums = kept[list(CONTRIBUTIONS)].sum(axis=1).clip(lower=0)
    assert (sums - kept[PREDICTED]).abs().max() < 0.05  # each is rounded to cents
    assert answer[list(CONTRIBUTIONS)].iloc[-1].isna().all()


def test_other_columns_of_the_file_stay_as_text_before_ours(model, tmp_path):
    lines = f"id,{HEADER},tip,note,{PREDICTED}\n007,20.5,Female,No,Sun,Dinner,2,3.5,=1+1,9\n"
    text, typed, _ = scored(model, tmp_path, f"{lines}008,x,Female,No,Sun,Dinner,2,,,\n")
    columns = ["row", *contract.FEATURE_NAMES, "id", "tip", "note", PREDICTED]
    assert text.splitlines()[0].split(",")[: len(columns)] == columns
    assert list(typed)[: len(columns)] == columns
    first, second = text.splitlines()[1:]
    assert first.split(",")[7:10] == ["007", "3.5", "'=1+1"]
    assert first.split(",")[10] != "9"
    assert second.split(",")[7:11] == ["008", "", "", ""]
    assert typed["id"].tolist() == ["007", "008"]
    assert typed["note"].tolist() == ["=1+1", None]


def test_a_file_with_decimal_commas_is_scored_and_refused_cells_stay_as_they_stand(model, tmp_path):
    plain, _, _ = scored(model, tmp_path, f"{HEADER}\n20.5,Female,No,Sun,Dinner,2\n")
    header = HEADER.upper().replace(",", "\t")
    rows = "20,5\tFemale\tNo\tSun\tDinner\t2\n1.5,2\tMale\tNo\tSun\tDinner\t2\n"
    export, _, _ = scored(model, tmp_path, f"{header}\n{rows}")
    accepted, refused = export.splitlines()[1:]
    assert accepted == plain.splitlines()[1]
    assert refused == '2,"1.5,2",Male,No,Sun,Dinner,2,,,,,,total_bill is not a number'


def test_cells_that_are_lists_or_bytes_are_refused_as_they_stand(model, tmp_path):
    bills = pd.DataFrame([record()] * 4).astype({"sex": object, "day": object})
    bills["day"] = [["Sun", "Mon"], ["Sun"], [], None]
    bills["sex"] = [b"Male", b"\xff", b"Male", None]
    bills.to_parquet(tmp_path / "bills.parquet")
    text, parquet = io.StringIO(), tmp_path / "answer.parquet"
    (piece,) = score_file(model, UPath(tmp_path / "bills.parquet"), 0.9)
    with ScoredFileWriter(text, parquet) as writer:
        writer.write(piece)
    table = pd.read_csv(io.StringIO(text.getvalue()))
    for answer in (table, pd.read_parquet(parquet)):
        assert answer["day"].tolist()[:3] == ["['Sun' 'Mon']", "['Sun']", "[]"]
        assert answer["sex"].tolist()[:2] == ["Male", "\ufffd"]
        assert answer.loc[3, ["day", "sex"]].isna().all()
        assert answer[REFUSED].notna().all()


def test_a_file_that_is_no_table_of_bills_is_refused_as_a_whole(model, tmp_path):
    with pytest.raises(UnreadableFile, match="the file has no column time, size"):
        scored(model, tmp_path, "total_bill,sex,smoker,day\n20,Female,No,Sun\n")
    with pytest.raises(UnreadableFile, match="cannot be read"):
        scored(model, tmp_path, "PAR1 but no parquet", "bills.parquet")


def test_a_model_of_another_contract_refuses_the_file(ubj, tmp_path):
    old = loaded(ubj, contract.document() | {"version": "0.9"})
    with pytest.raises(MlflowException, match=r"made for contract 0\.9"):
        scored(old, tmp_path, f"{HEADER}\n20,Female,No,Sun,Dinner,2\n")


FORMULAS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\ufeff\u200b=1",
    "\uff1d1",
    "|x",
]


def test_cells_that_a_spreadsheet_would_run_are_text(model, tmp_path):
    lines = [f'20,Female,No,"{cell}",Dinner,2' for cell in FORMULAS]
    text, typed, _ = scored(model, tmp_path, "\n".join([HEADER, *lines]) + "\n")
    table = pd.read_csv(io.StringIO(text))
    assert table["day"].tolist() == [f"'{cell}" for cell in FORMULAS]
    assert typed["day"].tolist() == FORMULAS
    text, _, _ = scored(model, tmp_path, f"{HEADER}\n-3,Female,No,Sun,Dinner,2\n")
    assert pd.read_csv(io.StringIO(text))["total_bill"].tolist() == [-3]


@given(st.text())
def test_no_text_is_left_that_begins_a_formula(text):
    harmless = str(_harmless(text))
    shown = "".join(char for char in harmless if char.isprintable() and not char.isspace())
    assert harmless in (text, f"'{text}")
    assert shown[:1] not in set("=@|%") or not shown
    if shown[:1] in set("+-"):
        float(harmless)


USUAL = record()
STRANGE = record(total_bill=250.0, day="Monday")


def model_matrix(record: dict) -> xgb.DMatrix:
    return xgb.DMatrix(encode(pd.DataFrame([record]), contract.document()))


def start(ubj: bytes, rows: pd.DataFrame, bill: float) -> float:
    """What the trees start from, and their mean over all they can give."""
    booster = load_booster(ubj)
    nothing = xgb.DMatrix(rows[contract.FEATURE_NAMES], base_margin=np.zeros(len(rows)))
    of_trees = booster.predict(nothing, pred_contribs=True)[0, -1]
    return float(booster.attr("margin_share")) * bill + float(of_trees)


def answer(model, record, coverage=0.9):
    return model.answer(record, coverage)


def test_an_answer_adds_up_and_is_the_models_own(model, sample, rows, ubj):
    expected = predict_rows(load_booster(ubj), rows)
    for place in range(0, len(sample), 7):
        record = sample[contract.FEATURE_NAMES].iloc[place].to_dict()
        found = answer(model, record)
        parts = found.parts
        assert found.prediction == pytest.approx(expected[place])
        total = parts.start + sum(parts.features.values()) + parts.clipped
        assert total == pytest.approx(found.prediction, abs=1e-12)
        assert list(parts.features) == contract.FEATURE_NAMES
        # The start is the fitted share of the bill and the mean of what the trees add.
        assert parts.starts_from_share
        assert parts.start == pytest.approx(start(ubj, rows, record["total_bill"]), rel=1e-3)
        if not found.never_seen:
            assert found.interval.low <= found.prediction <= found.interval.high


def test_a_version_of_the_recipe_before_answers_adds_up_and_knows_no_ranges(rows, recipe):
    """Its booster has neither a share nor the ranges of its training rows."""
    old = replace(recipe, target="tip_rate", search_space="shallow", trials=1)
    best = best_of(search(rows[rows[PART] == TRAIN], old))
    booster = load_booster(train_booster("2024-01", rows, best, old))
    booster.set_attr(seen=None)
    model = loaded(bytes(booster.save_raw("ubj")))
    found = answer(model, STRANGE)
    rate = booster.predict(model_matrix(STRANGE))[0]
    assert found.prediction == pytest.approx(rate * 250, rel=1e-5)
    assert found.parts.starts_from_share
    assert found.parts.start + sum(found.parts.features.values()) == pytest.approx(rate * 250)
    assert (found.never_seen, found.interval is None) == ("", False)


def test_a_record_unlike_the_training_rows_says_so_and_promises_no_interval(model, tmp_path, rows):
    dearest = rows[rows[PART] == TRAIN][contract.BILL].max()
    words = f"Mondays; bills above {dearest:g}"
    found = answer(model, STRANGE)
    assert (found.never_seen, found.interval) == (words, None)
    assert found.parts is not None
    at_the_bound = found = answer(model, USUAL | {"total_bill": dearest})
    assert (at_the_bound.never_seen, found.interval is None) == ("", False)
    lines = [",".join(str(value) for value in record.values()) for record in (USUAL, STRANGE)]
    text, typed, _ = scored(model, tmp_path, "\n".join([HEADER, *lines]) + "\n")
    for table in (pd.read_csv(io.StringIO(text)), typed):
        assert table[NEVER_SEEN].tolist()[1:] == [words]
        assert table[NEVER_SEEN].isna().tolist() == [True, False]
        assert table[LOW].isna().tolist() == table[HIGH].isna().tolist() == [False, True]
        assert table[PREDICTED].notna().all()


def test_a_prediction_below_zero_is_lifted_and_says_so():
    features = np.zeros((4, len(contract.FEATURE_NAMES)), dtype="float32")
    matrix = xgb.DMatrix(features, label=[-2.0] * 4, feature_names=contract.FEATURE_NAMES)
    booster = xgb.train({"base_score": -2.0}, matrix, num_boost_round=1)
    booster.set_attr(best_iteration="0", target="tip")
    model = loaded(bytes(booster.save_raw("ubj")))
    found = answer(model, record())
    assert (found.prediction, found.interval) == (0.0, None)
    assert found.parts.clipped == pytest.approx(2)
    assert not found.parts.starts_from_share


def test_a_version_that_encodes_otherwise_has_no_contributions(ubj):
    model = loaded(ubj)
    own = model.model.predict
    model.model.predict = lambda *asked: own(*asked) + 0.5
    assert answer(model, record()).parts is None


def test_a_record_that_breaks_the_contract_is_refused_with_a_reason(model):
    with pytest.raises(MlflowException, match=r"size = 2\.5 is not a whole number from 1 to 20"):
        answer(model, record(size=2.5))
