"""Generate landing files for demonstrations and tests.

Every file name starts with `generated`, so that they are never mixed up with real files.
"""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd
from upath import UPath

from tip_assets import contract
from tip_assets.ingestion.landing import landing_folder
from tip_assets.runtime.storage import write_atomically

SAMPLE_FILE, LANDED_SAMPLE = "tips.csv", "bundled-sample.csv"
GENERATED = "generated"
_LEAST_SHARE = 0.05
_BILL_NOISE = 0.05  # relative, so that no generated bill repeats one of the sample


@dataclass(frozen=True)
class Change:
    """How a generated month differs from the sample.

    `prices` multiplies bills and tips, `generosity` tips only. `lunch_share` is the share of lunch
    rows (None: as in the sample); `larger_parties` the share of tables that get one more person.
    """

    prices: float = 1.0
    generosity: float = 1.0
    lunch_share: float | None = None
    larger_parties: float = 0.0


UNCHANGED = Change()


def sample_bytes() -> bytes:
    """Return the bundled sample as CSV: 244 tips (Bryant & Smith, 1995)."""
    return files("tip_assets.ingestion").joinpath("data", SAMPLE_FILE).read_bytes()


def land_sample(storage: UPath, month: str) -> UPath:
    """Write the sample to a month's landing folder."""
    path = landing_folder(storage, month) / LANDED_SAMPLE
    if not path.exists() or path.read_bytes() != sample_bytes():
        write_atomically(path, sample_bytes())
    return path


def sample_records() -> pd.DataFrame:
    """Return the bundled sample."""
    import io

    return pd.read_csv(io.BytesIO(sample_bytes()))


def generate(
    rows: int, seed: int, change: Change, pool: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Draw records like those of `pool` (None: the sample), with a change.

    Tables are drawn with replacement, their bills with 5 % noise. A tip is the least-squares
    prediction from bill and party size, times the residual ratio of a randomly drawn table. Copies
    of a table therefore have different tips, and a model gains nothing from having seen one.
    """
    rng = np.random.default_rng(seed)
    sample = sample_records() if pool is None else pool
    drawn = sample.iloc[rng.choice(len(sample), rows, p=_weights(sample, change.lunch_share))]
    records = drawn.reset_index(drop=True)
    bill, tip = contract.BILL, contract.LABEL.name
    records[bill] *= np.exp(rng.normal(0, _BILL_NOISE, rows))
    records[contract.PARTY] += (rng.random(rows) < change.larger_parties).astype(int)
    line, _, _, _ = np.linalg.lstsq(_design(sample), sample[tip], rcond=None)
    ratios = sample[tip] / _expected_tips(sample, line)
    tips = _expected_tips(records, line) * rng.choice(ratios, rows)
    tips = tips * change.prices * change.generosity
    records[tip] = tips.clip(contract.LABEL.minimum, contract.LABEL.maximum).round(2)
    records[bill] = (records[bill] * change.prices).round(2)
    return records


def land_generated(
    storage: UPath, month: str, rows: int, seed: int, change: Change, broken: bool = False
) -> list[UPath]:
    """Write a generated month to its landing folder, optionally with broken files."""
    folder = landing_folder(storage, month)
    records = generate(rows, seed, change)
    contents = {f"{GENERATED}-seed{seed}.csv": records.to_csv(index=False).encode()}
    if broken:
        contents |= _broken_files(records, seed)
    paths = []
    for name, data in contents.items():
        write_atomically(folder / name, data)
        paths.append(folder / name)
    return paths


def _broken_files(records: pd.DataFrame, seed: int) -> dict[str, bytes]:
    """Return a file with one fault per row, a file without one column, and a truncated file."""
    faults = records.head(8).astype(object)
    for row, (column, value) in enumerate(
        [
            (contract.BILL, -12.5),
            (contract.BILL, 1834),  # cents for dollars
            (contract.LABEL.name, "two dollars"),
            (contract.LABEL.name, None),
            (contract.DAY, "Thurs day"),
            (contract.SMOKER, "maybe"),
            (contract.PARTY, 2.5),
        ]
    ):
        faults.loc[row, column] = value
    short = records.iloc[8:12].drop(columns=contract.MEAL)
    whole = records.iloc[12:40].to_parquet(index=False)
    return {
        f"{GENERATED}-seed{seed}-faults.csv": faults.to_csv(index=False).encode(),
        f"{GENERATED}-seed{seed}-no-time.csv": short.to_csv(index=False).encode(),
        f"{GENERATED}-seed{seed}-cut-off.parquet": whole[: len(whole) // 2],
    }


def _expected_tips(records: pd.DataFrame, line: np.ndarray) -> np.ndarray:
    """Return the line's predictions, at least a small share of the bill: it may fall below zero."""
    return np.maximum(_design(records) @ line, _LEAST_SHARE * records[contract.BILL].to_numpy())


def _design(records: pd.DataFrame) -> np.ndarray:
    columns = [np.ones(len(records)), records[contract.BILL], records[contract.PARTY]]
    return np.column_stack(columns)


def _weights(sample: pd.DataFrame, lunch_share: float | None) -> np.ndarray | None:
    if lunch_share is None:
        return None
    lunch = (sample[contract.MEAL] == contract.LUNCH).to_numpy()
    return np.where(lunch, lunch_share / lunch.sum(), (1 - lunch_share) / (~lunch).sum())
