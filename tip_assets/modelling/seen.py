"""Ranges and categories of the training rows, stored in the booster.

`served_model.py` uses them to describe values that the booster has never seen.
"""

from typing import Any

import pandas as pd

from tip_assets import contract


def seen(rows: pd.DataFrame) -> dict[str, list[Any]]:
    """Return by feature the lowest and highest number, or the categories, of encoded rows."""
    found: dict[str, list[Any]] = {}
    for column in contract.FEATURES:
        values = rows[column.name]
        if isinstance(column, contract.CategoryColumn):
            codes = set(values.unique())
            found[column.name] = [name for name, code in column.codes.items() if code in codes]
        else:
            found[column.name] = [float(values.min()), float(values.max())]
    return found
