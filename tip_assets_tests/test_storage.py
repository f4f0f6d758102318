"""Files are replaced as a whole, and a window of months arrives as one table."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from upath import UPath

from tip_assets.io_managers import JsonFiles, ParquetFiles
from tip_assets.partitions import months, training_window, window_input
from tip_assets.storage import write_atomically


def test_a_write_that_fails_leaves_the_old_object_and_no_other(tmp_path, monkeypatch):
    path = UPath(tmp_path / "folder" / "object.json")
    write_atomically(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk is gone")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk is gone"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["object.json"]


def test_an_object_store_takes_one_request():
    path = UPath("memory://bucket/assets/object.json")
    write_atomically(path, b"data")
    assert path.read_bytes() == b"data"


def test_a_table_has_the_same_bytes_every_time(tmp_path, rows):
    files = ParquetFiles(UPath(tmp_path))
    assert files.to_bytes(rows) == files.to_bytes(rows.copy())
    pd.testing.assert_frame_equal(files.from_bytes(files.to_bytes(rows)), rows)


def test_what_json_cannot_say_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        JsonFiles(UPath(tmp_path)).to_bytes({"rmse": float("nan")})


@pytest.mark.parametrize(
    ("present", "month"),
    [
        (["2024-01"], "2024-01"),
        (["2024-01", "2024-02", "2024-03"], "2024-03"),
        (["2024-01", "2024-03"], "2024-03"),
        (["2024-03"], "2024-03"),
    ],
    ids=["first month", "three months", "a gap", "nothing before"],
)
def test_a_window_is_one_table_whichever_months_are_there(tmp_path, present, month):
    """Dagster hands over a bare object for one month and a dict for several."""

    @dg.asset(partitions_def=months, io_manager_key="files")
    def numbers(context: dg.AssetExecutionContext) -> pd.DataFrame:
        return pd.DataFrame({"month": [context.partition_key]})

    @dg.asset(
        ins={"numbers": dg.AssetIn(partition_mapping=training_window, metadata=window_input)},
        partitions_def=months,
        io_manager_key="json",
    )
    def window(numbers: pd.DataFrame) -> list[str]:
        return list(numbers["month"])

    storage = UPath(tmp_path)
    resources = {"files": ParquetFiles(storage), "json": JsonFiles(storage)}
    with dg.DagsterInstance.ephemeral() as instance:
        for key in present:
            dg.materialize([numbers], partition_key=key, resources=resources, instance=instance)
        result = dg.materialize(
            [numbers, window],
            selection=[window],
            partition_key=month,
            resources=resources,
            instance=instance,
        )
        assert result.output_for_node("window") == present
