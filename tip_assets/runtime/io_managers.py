"""How asset values become files: `{storage}/assets/<asset>/<month>.<extension>`, and reports.

Belongs here: one small family on Dagster's UPath base class, for folders and object stores alike.
Does not belong here: anything that looks into a value. Nothing is ever pickled. A table of another
major version of the contract is not let in.
"""

import io
import json
from abc import abstractmethod
from typing import Any

import dagster as dg
import pandas as pd
from upath import UPath

from tip_assets import contract
from tip_assets.runtime.storage import write_atomically

# Tables without a version are older than the stamp: until then there was no other contract.
UNSTAMPED = "1.0"


class OtherContract(dg.Failure):
    """A table of another major version of the contract; the message says what to do."""

    def __init__(self, words: str) -> None:
        super().__init__(words, allow_retries=False)

    def __str__(self) -> str:
        return str(self.description)


class MonthlyFiles(dg.UPathIOManager):
    """A file per asset and month, written atomically; a subclass says how bytes are made."""

    def __init__(self, storage: UPath, folder: str = "assets") -> None:
        super().__init__(base_path=storage / folder)

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        data = self.to_bytes(obj)
        write_atomically(path, data)
        context.add_output_metadata({"bytes": dg.MetadataValue.int(len(data))})

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:
        return self.from_bytes(path.read_bytes())

    def make_directory(self, path: UPath) -> None:
        """Folders are made by the write; object stores have none."""

    @abstractmethod
    def to_bytes(self, obj: Any) -> bytes:
        """A value as the bytes of its file; the same value gives the same bytes."""

    @abstractmethod
    def from_bytes(self, data: bytes) -> Any:
        """The value of a file's bytes."""


class ParquetFiles(MonthlyFiles):
    """Tables. A window of months arrives as one table, whether it covers one month or twelve.

    Each file carries the version of the contract it was written under, in its Parquet metadata.
    """

    extension = ".parquet"

    def load_from_path(self, context: dg.InputContext, path: UPath) -> pd.DataFrame:
        return self.read(path)

    def read(self, path: UPath, columns: list[str] | None = None) -> pd.DataFrame:
        """The table of a month's file, or some of its columns.

        Raises OtherContract when today's code cannot read it.
        """
        with path.open("rb") as file:
            table = pd.read_parquet(file, columns=columns)
        written = table.attrs.pop(contract.VERSION_TAG, UNSTAMPED)
        if not contract.same_major(written, contract.VERSION):
            raise OtherContract(
                f"{path} was written under contract {written}, today's is {contract.VERSION}: "
                f"materialize raw_tips of {path.stem} again and what follows from it "
                "(ingestion_job)"
            )
        return table

    def to_bytes(self, obj: pd.DataFrame) -> bytes:
        # pandas keeps `attrs` in the metadata of the file. The caller's table stays as it is.
        stamped = obj.copy(deep=False)
        stamped.attrs = {contract.VERSION_TAG: contract.VERSION}
        buffer = io.BytesIO()
        stamped.to_parquet(buffer, index=False)
        return buffer.getvalue()

    def from_bytes(self, data: bytes) -> pd.DataFrame:
        return pd.read_parquet(io.BytesIO(data))

    def load_partitions(self, context: dg.InputContext) -> pd.DataFrame:
        # The base class hands over a bare object for one month and a dict for several.
        loaded = super().load_partitions(context)
        if isinstance(loaded, pd.DataFrame):
            return loaded
        return joined([loaded[month] for month in sorted(loaded)])


def joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The rows of several tables in one; a column of categories stays one, with those of all."""
    for name in tables[0].columns:
        columns = [table[name] for table in tables if name in table]
        if all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
            kinds = pd.api.types.union_categoricals(columns).dtype
            tables = [table.assign(**{name: table[name].astype(kinds)}) for table in tables]
    return pd.concat(tables, ignore_index=True)


class JsonFiles(MonthlyFiles):
    """Plain data: dicts, lists, strings, numbers."""

    extension = ".json"

    def to_bytes(self, obj: Any) -> bytes:
        return json.dumps(obj, indent=2, sort_keys=True, allow_nan=False).encode()

    def from_bytes(self, data: bytes) -> Any:
        return json.loads(data)


class BoosterFiles(MonthlyFiles):
    """Boosters as their UBJSON bytes."""

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
