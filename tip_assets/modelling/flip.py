"""Flip test: how far predictions move when only a sensitive column changes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tip_assets import contract


def flip(rows: pd.DataFrame, predict: Callable[[pd.DataFrame], np.ndarray]) -> dict[str, Any]:
    """Predict encoded rows with each category of each sensitive column, all else unchanged.

    Returns by column, in dollars: `mean_usd` and `most_usd`, the mean and largest range of a row's
    predictions, and `mean_tip_usd`, the mean prediction when every row has that category.
    """
    facts = {}
    for column in contract.SENSITIVE:
        predictions = {
            category: predict(rows.assign(**{column.name: code}))
            for category, code in column.codes.items()
        }
        apart = np.ptp(np.stack(list(predictions.values())), axis=0)
        facts[column.name] = {
            "mean_usd": float(apart.mean()),
            "most_usd": float(apart.max()),
            "mean_tip_usd": {name: float(tips.mean()) for name, tips in predictions.items()},
        }
    return facts


def flip_metrics(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the changes as metrics: `flip_sex_mean_usd`, ..."""
    return {
        f"flip_{column}_{name}": of_column[name]
        for column, of_column in facts.items()
        for name in ("mean_usd", "most_usd")
    }


def describe_flip(facts: Mapping[str, Mapping[str, Any]]) -> str:
    """Describe the changes; empty for a model that was trained before they were measured."""
    return "; ".join(
        f"only {column} changed: {of_column['mean_usd']:.3f} USD on average, at most "
        f"{of_column['most_usd']:.3f}"
        for column, of_column in facts.items()
    )
