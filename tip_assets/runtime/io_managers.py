"""IO managers: store asset values as `{storage}/assets/<asset>/<month>.<extension>`, and reports.

They extend Dagster's UPath base class and work with folders and object stores. Nothing is pickled.
Tables of another major version of the contract are refused.
"""

import ctypes
import io
import json
from abc import abstractmethod
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
from upath import UPath

from tip_assets import contract
from tip_assets.runtime.storage import write_atomically

# Tables without a version were written before versions were stored, under this contract.
UNSTAMPED = "1.0"


class OtherContract(dg.Failure):
    """A table has another major version of the contract; the message says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, allow_retries=False)

    def __str__(self) -> str:
        return str(self.description)


class MonthlyFiles(dg.UPathIOManager):
    """One file per asset and month, written atomically; subclasses convert values to bytes."""

    def __init__(self, storage: UPath, folder: str = "assets") -> None:
        super().__init__(base_path=storage / folder)

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        data = self.to_bytes(obj)
        write_atomically(path, data)
        context.add_output_metadata({"size_bytes": dg.MetadataValue.int(len(data))})

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:
        return self.from_bytes(path.read_bytes())

    def make_directory(self, path: UPath) -> None:
        """Folders are made by the write; object stores have none."""

    @abstractmethod
    def to_bytes(self, obj: Any) -> bytes:
        """Return a value as the bytes of its file; the same value has the same bytes."""

    @abstractmethod
    def from_bytes(self, data: bytes) -> Any:
        """Return the value of a file's bytes."""


class ParquetFiles(MonthlyFiles):
    """Tables as Parquet files. A window of one or more months loads as one table.

    The Parquet metadata has the version of the contract that the table was written under.
    """

    extension = ".parquet"

    def load_from_path(self, context: dg.InputContext, path: UPath) -> pd.DataFrame:
        return self.read(path)

    def read(self, path: UPath, columns: list[str] | None = None) -> pd.DataFrame:
        """Read the table of a month, or some of its columns.

        Raises OtherContract when today's code cannot read it.
        """
        with path.open("rb") as file:
            table = pd.read_parquet(file, columns=columns)
        _give_back_memory()
        written = table.attrs.pop(contract.VERSION_TAG, UNSTAMPED)
        if not contract.same_major(written, contract.VERSION):
            raise OtherContract(
                f"{path} was written under contract {written}, today's is {contract.VERSION}: "
                f"materialize raw_tips of {path.stem} and its downstream assets again "
                "(ingestion_job)"
            )
        return table

    def to_bytes(self, obj: pd.DataFrame) -> bytes:
        # pandas writes `attrs` to the file's metadata. The caller's table is not changed.
        stamped = obj.copy(deep=False)
        stamped.attrs = {contract.VERSION_TAG: contract.VERSION}
        buffer = io.BytesIO()
        stamped.to_parquet(buffer, index=False)
        _give_back_memory()
        return buffer.getvalue()

    def from_bytes(self, data: bytes) -> pd.DataFrame:
        return pd.read_parquet(io.BytesIO(data))

    def load_partitions(self, context: dg.InputContext) -> pd.DataFrame:
        # The base class returns a bare object for one month and a dict for several.
        loaded = super().load_partitions(context)
        if isinstance(loaded, pd.DataFrame):
            return loaded
        return joined([loaded[month] for month in sorted(loaded)])


def _give_back_memory() -> None:
    """Return freed memory to the system: after ten million rows, Arrow and glibc keep 600 MB."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim:
        trim(0)


def joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate tables; categorical columns stay categorical, with the categories of all."""
    for name in tables[0].columns:
        columns = [table[name] for table in tables if name in table]
        if all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
            kinds = pd.api.types.union_categoricals(columns).dtype
            tables = [table.assign(**{name: table[name].astype(kinds)}) for table in tables]
    return pd.concat(tables, ignore_index=True)


class JsonFiles(MonthlyFiles):
    """Plain data (dicts, lists, strings, numbers) as JSON files."""

    extension = ".json"

    def to_bytes(self, obj: Any) -> bytes:
        return json.dumps(obj, indent=2, sort_keys=True, allow_nan=False).encode()

    def from_bytes(self, data: bytes) -> Any:
        return json.loads(data)


class BoosterFiles(MonthlyFiles):
    """Boosters as UBJSON files."""

    extension = ".ubj"

    def to_bytes(self, obj: bytes) -> bytes:
        return obj

    def from_bytes(self, data: bytes) -> bytes:
        return data


class ReportFolders(dg.UPathIOManager):
    """HTML reports by name: `{storage}/reports/<month>/<report>.html`."""

    def __init__(self, storage: UPath) -> None:
        super().__init__(base_path=storage)

    def get_asset_relative_path(self, context: dg.InputContext | dg.OutputContext) -> UPath:
        return UPath("reports")

    def make_directory(self, path: UPath) -> None:
        """Folders are made by the write; object stores have none."""

    def dump_to_path(self, context: dg.OutputContext, obj: dict[str, str], path: UPath) -> None:
        for name, html in obj.items():
            write_atomically(path / f"{name}.html", html.encode())

    def load_from_path(self, context: dg.InputContext, path: UPath) -> dict[str, str]:
        return {file.stem: file.read_text("utf-8") for file in sorted(path.glob("*.html"))}
