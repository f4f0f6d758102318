"""Validate records fast: whole columns in Arrow first, the remaining records one by one.

Belongs here: which records are valid as Arrow holds them. Does not belong here: why a value is
refused; that is for `contract.check`, which judges every record that is not clearly valid.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tip_assets import contract
from tip_assets.ingestion.table_files import Piece

_DECIMAL_COMMA = r"^[+-]?\d+(,\d+)?$"


def check(piece: Piece, with_label: bool = True) -> contract.CheckedRecords:
    """Sort the records of a piece as `contract.check` does; categories come as pandas' own."""
    columns = [*contract.FEATURES, contract.LABEL] if with_label else contract.FEATURES
    if any(column.name not in piece.columns for column in columns):
        return contract.check(piece.records, with_label, piece.decimal)
    accepted, valid = _clearly_valid(piece, columns)
    if valid.all():
        return contract.CheckedRecords(accepted, contract.no_refusals())
    others = contract.check(piece.records_where(~valid), with_label, piece.decimal)
    kept = [accepted[valid], others.accepted.astype(contract.CATEGORY_TYPES)]
    frames = [frame for frame in kept if len(frame)] or kept[:1]
    return contract.CheckedRecords(pd.concat(frames).sort_index(), others.refused)


def _clearly_valid(
    piece: Piece, columns: Sequence[contract.Column]
) -> tuple[pd.DataFrame, np.ndarray]:
    """The records typed, and which of them are clearly valid; the others mean nothing."""
    typed, valid = {}, np.ones(len(piece), dtype=bool)
    for column in columns:
        values = piece.batch.column(column.name)
        if isinstance(column, contract.CategoryColumn):
            codes = _codes(values, column)
            typed[column.name] = pd.Categorical.from_codes(
                codes, dtype=contract.CATEGORY_TYPES[column.name]
            )
            valid &= codes >= 0
        else:
            numbers = _numbers(values, piece.decimal)
            within = (numbers >= column.minimum) & (numbers <= column.maximum)
            if column.integer:
                within &= numbers == np.rint(numbers)
                numbers = np.where(within, numbers, 0).astype("int64")
            typed[column.name] = numbers
            valid &= within
    return pd.DataFrame(typed, index=pd.Index(piece.rows, dtype="int64")), valid


def _numbers(values: pa.Array, decimal: str) -> np.ndarray:
    """Numbers as floats; NaN for all of them when one is not written as Arrow reads it."""
    try:
        if _is_text(values.type):
            if decimal == ",":
                plain = pc.match_substring_regex(values, _DECIMAL_COMMA)
                values = pc.if_else(plain, pc.replace_substring(values, ",", "."), None)
            return values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
            return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        pass  # one of them is no number: each is looked at
    return np.full(len(values), np.nan)


def _codes(values: pa.Array, column: contract.CategoryColumn) -> np.ndarray:
    """The place of each value's category, -1 for what is none; each spelling is looked up once."""
    if not isinstance(values, pa.DictionaryArray):
        if not _is_text(values.type):
            return np.full(len(values), -1)
        values = values.dictionary_encode()
    elif not _is_text(values.type.value_type):
        return np.full(len(values), -1)
    spellings, places = column.spellings, {name: i for i, name in enumerate(column.categories)}
    found = [
        -1 if text is None else places.get(spellings.get(text.strip().casefold(), ""), -1)
        for text in values.dictionary.to_pylist()
    ]
    # A null has the place after the last.
    indices = values.indices.fill_null(len(found)).to_numpy(zero_copy_only=False)
    return np.array([*found, -1], dtype="int64")[indices]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
