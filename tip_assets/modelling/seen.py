"""What a booster was trained on, so that it can say where it has never been.

Belongs here: ranges and categories of training rows. Does not belong here: which records lie
outside of them (`served_model.py`, which travels with the model).
"""

from typing import Any

import pandas as pd

from tip_assets import contract


def seen(rows: pd.DataFrame) -> dict[str, list[Any]]:
    """By feature, the lowest and highest number or the categories of encoded rows."""
    found: dict[str, list[Any]] = {}
    for column in contract.FEATURES:
        values = rows[column.name]
        if isinstance(column, contract.CategoryColumn):
            codes = set(values)
            found[column.name] = [name for name, code in column.codes.items() if code in codes]
        else:
            found[column.name] = [float(values.min()), float(values.max())]
    return found
