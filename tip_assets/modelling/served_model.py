"""The served model: predicts dollars from raw records.

MLflow copies this file into every registered version (models-from-code) and runs the copy. It must
therefore import nothing of this project; the contract at training time is stored beside it as
JSON. Training and ingestion call the same `encode` and `predict_dollars`, so there is one encoding.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import xgboost as xgb
from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext

# Inference parameters: the contract of the records, and whether to return a table that also
# describes the values of each record that were never seen.
CONTRACT_VERSION, WITH_NEVER_SEEN = "contract_version", "with_never_seen"
PREDICTED, NEVER_SEEN = "predicted_tip_usd", "never_seen"
# The booster's attributes: the share of the bill at which its trees start, and the ranges and
# categories of its training rows.
MARGIN_SHARE, SEEN = "margin_share", "seen"
_ROWS_AT_ONCE = 1_000_000  # xgboost holds a copy of them: 48 bytes a row


class InvalidRecords(MlflowException):
    """Records that the model refuses; the message names row, column and value.

    MLflow's server sends an MlflowException to the client unchanged, with status 400.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)


def encode(records: pd.DataFrame, contract: dict[str, Any]) -> pd.DataFrame:
    """Encode records as a table of features, float32, columns in the contract's order.

    `contract` is the document made by `tip_assets.contract.document()`. Raises InvalidRecords as
    `feature_matrix` does.
    """
    names = [column["name"] for column in contract["features"]]
    return pd.DataFrame(feature_matrix(records, contract), index=records.index, columns=names)


def feature_matrix(records: pd.DataFrame, contract: dict[str, Any]) -> np.ndarray:
    """Encode records as the feature matrix, float32, columns in the contract's order.

    Raises InvalidRecords for a missing column, a missing or non-numeric number, a number out of
    range, an unknown category.
    """
    # By column in memory, which is how a table of a million rows is read and written.
    features = np.empty((len(records), len(contract["features"])), dtype="float32", order="F")
    for place, column in enumerate(contract["features"]):
        name = column["name"]
        if name not in records:
            raise InvalidRecords(f"the column {name!r} is missing")
        convert = _codes if column["kind"] == "category" else _numbers
        features[:, place] = convert(records[name], column)
    return features


def predict_dollars(
    booster: xgb.Booster, features: pd.DataFrame | np.ndarray, bill: np.ndarray, target: str
) -> np.ndarray:
    """Predict tips in dollars for encoded features; `bill` is in dollars, one per row.

    Uses the trees up to the best iteration. With the target `tip_rate` they predict tip / bill,
    with `tip_above_share` the amount above the booster's share of the bill. Negative tips are
    clipped to zero.
    """
    rounds, parts = _rounds(booster), []
    for start in range(0, max(len(bill), 1), _ROWS_AT_ONCE):
        of = slice(start, start + _ROWS_AT_ONCE)
        parts.append(
            booster.predict(_matrix(booster, features[of], bill[of]), iteration_range=rounds)
        )
    dollars = np.concatenate(parts).astype(float) * (bill if target == "tip_rate" else 1.0)
    return np.maximum(dollars, 0.0)


def contributions_in_dollars(
    booster: xgb.Booster, features: pd.DataFrame | np.ndarray, bill: np.ndarray, target: str
) -> np.ndarray:
    """Return each prediction's contributions in dollars: a column per feature, and last the start.

    TreeSHAP (Lundberg et al., 2020, "From local explanations to global understanding with
    explainable AI for trees") as xgboost computes it. A row adds up to the prediction, except that
    `predict_dollars` clips negative ones to zero. The start is the model's mean over its training
    rows: of the tip, or for the target `tip_rate` of the rate times this bill. For a booster that
    starts from a share of the bill, the start includes that share of this bill.
    """
    shares = booster.predict(
        _matrix(booster, features, bill), pred_contribs=True, iteration_range=_rounds(booster)
    )
    return shares.astype(float) * (bill[:, None] if target == "tip_rate" else 1.0)


def never_seen(booster: xgb.Booster, features: np.ndarray, contract: dict[str, Any]) -> np.ndarray:
    """Describe values on which the booster was not trained: `Mondays; bills above 50.81`.

    Empty for records within its training data, and for a booster without stored ranges.
    """
    notes = np.full(len(features), "", dtype=object)
    known = json.loads(booster.attr(SEEN) or "{}")
    columns = [(column, features[:, place]) for place, column in enumerate(contract["features"])]
    for column, values in sorted(columns, key=lambda pair: str(pair[0]["kind"])):
        if column["name"] in known:
            for outside, what in _outside(values, column, known[column["name"]]):
                notes[outside] = [f"{said}; {what}" if said else what for said in notes[outside]]
    return notes


def _outside(
    values: np.ndarray, column: dict[str, Any], known: list[Any]
) -> list[tuple[np.ndarray, str]]:
    """Yield masks of a column's values outside of the known ones, each with a description."""
    name = column["name"]
    if column["kind"] == "category":
        return [
            (values == code, column["plurals"].get(category, f"{name} {category}"))
            for category, code in column["codes"].items()
            if category not in known
        ]
    low, high = np.asarray(known, dtype="float32")
    return [
        (values < low, f"{column['plural'] or name} below {known[0]:g}"),
        (values > high, f"{column['plural'] or name} above {known[1]:g}"),
    ]


class WaiterTipModel(PythonModel):
    """Predicts the tip in dollars for records of the contract's feature columns.

    If the inference parameter `contract_version` has another major version than the model, the
    records are refused. With the parameter `with_never_seen`, returns a table of
    `predicted_tip_usd` and `never_seen`.
    """

    def load_context(self, context: PythonModelContext) -> None:
        self.contract = json.loads(Path(context.artifacts["contract"]).read_text("utf-8"))
        self.booster = xgb.Booster(model_file=context.artifacts["booster"])
        self.booster.set_param({"nthread": 1})
        self.target = self.booster.attr("target")

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray | pd.DataFrame:
        options = params or {}
        stated = options.get(CONTRACT_VERSION, "")
        _refuse_other_contract(stated, self.contract["version"])
        features = feature_matrix(model_input, self.contract)
        bill = model_input[self.contract["bill"]].to_numpy(dtype=float)
        dollars = predict_dollars(self.booster, features, bill, self.target)
        if not options.get(WITH_NEVER_SEEN):
            return dollars
        unknown = never_seen(self.booster, features, self.contract)
        return pd.DataFrame({PREDICTED: dollars, NEVER_SEEN: unknown}, index=model_input.index)


def _refuse_other_contract(stated: str, own: str) -> None:
    if stated and stated.partition(".")[0] != own.partition(".")[0]:
        raise InvalidRecords(
            f"the records follow contract {stated}, this model was made for contract {own}: "
            "their major versions must be the same. Use a model made for the records' contract"
        )


def _matrix(
    booster: xgb.Booster, features: pd.DataFrame | np.ndarray, bill: np.ndarray
) -> xgb.DMatrix:
    # Passed as a frame, a single row takes ten times as long.
    values = np.asarray(features, dtype="float32")
    share = booster.attr(MARGIN_SHARE)
    margin = None if share is None else float(share) * bill
    names = booster.feature_names
    return xgb.DMatrix(values, base_margin=margin, feature_names=names, nthread=1)


def _rounds(booster: xgb.Booster) -> tuple[int, int]:
    return 0, int(booster.attr("best_iteration")) + 1


def _codes(values: pd.Series, column: dict[str, Any]) -> np.ndarray:
    # Each distinct text is looked up once: a file has millions of rows and a dozen spellings.
    if isinstance(values.dtype, pd.CategoricalDtype):
        places, different = values.cat.codes.to_numpy(), values.cat.categories
    else:
        try:
            places, different = pd.factorize(values)
        except TypeError:  # lists cannot be compared
            places, different = pd.factorize(values.astype("string"))
    categories = [column["spellings"].get(str(value).strip().casefold()) for value in different]
    codes = [column["codes"].get(category, np.nan) for category in categories]
    # A missing value has index -1: the last entry.
    found = np.array([*codes, np.nan])[places]
    reason = f"is not one of {', '.join(column['codes'])}"
    _refuse(np.isnan(found), values, column["name"], reason)
    return found.astype("float32")


def _numbers(values: pd.Series, column: dict[str, Any]) -> np.ndarray:
    numeric = pd.api.types.is_numeric_dtype(values.dtype)
    read = values if numeric else pd.to_numeric(values, errors="coerce")
    numbers = read.to_numpy(dtype=float, na_value=np.nan)
    low, high = column["minimum"], column["maximum"]
    with np.errstate(invalid="ignore"):
        valid = (numbers >= low) & (numbers <= high)
        if column["integer"]:
            valid &= numbers % 1 == 0
    kind = "whole number" if column["integer"] else "number"
    reason = f"is not a {kind} from {low:g} to {high:g}"
    _refuse(~valid, values, column["name"], reason)
    return numbers.astype("float32")


def _refuse(broken: np.ndarray, values: pd.Series, name: str, reason: str) -> None:
    rows = np.flatnonzero(broken)
    if len(rows):
        others = f" ({len(rows) - 1} more rows like it)" if len(rows) > 1 else ""
        value = values.iloc[rows[0]]
        shown = value.item() if isinstance(value, np.generic) else value
        raise InvalidRecords(f"row {rows[0] + 1}: {name} = {shown!r} {reason}{others}")


mlflow.models.set_model(WaiterTipModel())
