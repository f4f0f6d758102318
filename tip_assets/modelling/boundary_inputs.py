"""Boundary inputs: records that every model must predict plausibly before its errors count."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tip_assets import contract

# Two ways of calling one model differ only by rounding, less than a millionth of a dollar.
SAME_WITHIN_USD = 1e-6


def boundary_inputs() -> pd.DataFrame:
    """Return encoded rows at the contract's corners: all combinations of categories and bounds.

    Training data may have no such records. Between the corners, a tree predicts what it predicts
    at one of them, apart from the term of the bill that its target adds.
    """
    corners = [
        list(column.codes.values())
        if isinstance(column, contract.CategoryColumn)
        else [column.minimum, column.maximum]
        for column in contract.FEATURES
    ]
    return pd.DataFrame(itertools.product(*corners), columns=contract.FEATURE_NAMES)


def prediction_facts(records: pd.DataFrame, predicted: np.ndarray) -> dict[str, Any]:
    """Return the number of non-finite predictions, and the lowest and highest of the others.

    Each comes with its record, so that the prediction can be repeated.
    """
    finite = np.isfinite(predicted)
    numbers = np.flatnonzero(finite)
    facts: dict[str, Any] = {
        "rows": len(records),
        "not_finite": int((~finite).sum()),
        "first_not_finite": None if finite.all() else _record(records, int(np.argmin(finite))),
        "lowest": None,
        "highest": None,
    }
    if len(numbers):
        for name, place in (
            ("lowest", numbers[np.argmin(predicted[numbers])]),
            ("highest", numbers[np.argmax(predicted[numbers])]),
        ):
            facts[name] = {"usd": float(predicted[place]), "record": _record(records, int(place))}
    return facts


def difference_facts(expected: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """Return how many predictions differ from the expected ones, and by how much."""
    same = np.isclose(found, expected, rtol=0, atol=SAME_WITHIN_USD, equal_nan=True)
    both = np.isfinite(expected) & np.isfinite(found)
    return {
        "rows": len(expected),
        "different": int((~same).sum()),
        "largest_difference_usd": float(np.abs(found - expected)[both].max(initial=0.0)),
    }


def implausible(predictions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Describe predictions outside of the contract's range of the tip; empty if there are none.

    `predictions` are facts by kind of rows.
    """
    faults = []
    for rows, facts in predictions.items():
        if facts["not_finite"]:
            faults.append(
                f"{facts['not_finite']} of {facts['rows']} {rows} rows get no number, the first is "
                f"{_describe(facts['first_not_finite'])}"
            )
        for extreme in (facts["lowest"], facts["highest"]):
            if extreme and not contract.LABEL.minimum <= extreme["usd"] <= contract.LABEL.maximum:
                faults.append(
                    f"{extreme['usd']:.2f} USD for the {rows} row {_describe(extreme['record'])} "
                    f"is not from {contract.LABEL.minimum:g} to {contract.LABEL.maximum:g} USD"
                )
    return list(dict.fromkeys(faults))


def unfaithful(fresh_process: Mapping[str, Any]) -> list[str]:
    """Describe different predictions of a process that loads the registered version, if any."""
    if not fresh_process["different"]:
        return []
    return [
        f"loaded in a fresh process, the registered version predicts "
        f"{fresh_process['different']} of {fresh_process['rows']} boundary inputs differently from "
        f"its booster, by up to {fresh_process['largest_difference_usd']:.6f} USD"
    ]


def unservable(registered_model: Mapping[str, Any]) -> list[str]:
    """Describe why a version must never serve, even if released; empty if it may serve."""
    if "predictions" not in registered_model:
        return ["no predictions at the boundary inputs: materialize registered_model again"]
    return [
        *implausible(registered_model["predictions"]),
        *unfaithful(registered_model["fresh_process"]),
    ]


def _record(records: pd.DataFrame, place: int) -> dict[str, Any]:
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in records.iloc[place].items()
    }


def _describe(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in record.items())
