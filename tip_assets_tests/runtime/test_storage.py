"""Files are replaced as a whole, and a window of months arrives as one table."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from upath import UPath

from tip_assets import contract
from tip_assets.partitions import months, training_window, window_input
from tip_assets.runtime.io_managers import JsonFiles, OtherContract, ParquetFiles
from tip_assets.runtime.storage import write_atomically
from tip_assets.serving import champion
from tip_assets.serving.champion import NothingToDo


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


def written_under(version: str, path: UPath, rows: pd.DataFrame, patch: pytest.MonkeyPatch) -> None:
    with patch.context() as then:
        then.setattr(contract, "VERSION", version)
        write_atomically(path, ParquetFiles(path.parent).to_bytes(rows))


def test_a_table_carries_the_contract_it_was_written_under(tmp_path, rows):
    path = UPath(tmp_path / "2024-01.parquet")
    files = ParquetFiles(UPath(tmp_path))
    write_atomically(path, files.to_bytes(rows))
    assert files.from_bytes(path.read_bytes()).attrs == {"tips.contract": contract.VERSION}
    assert (rows.attrs, files.read(path).attrs) == ({}, {})


def test_a_table_of_another_major_contract_is_refused(tmp_path, rows, monkeypatch):
    path, files = UPath(tmp_path / "2024-01.parquet"), ParquetFiles(UPath(tmp_path))
    written_under("99.3", path, rows, monkeypatch)
    with pytest.raises(OtherContract) as refused:
        files.read(path)
    today = f"today's is {contract.VERSION}"
    for words in (str(path), "contract 99.3", today, "materialize raw_tips of 2024-01"):
        assert words in str(refused.value)
    for version in (f"{contract.VERSION.partition('.')[0]}.77", contract.VERSION):
        written_under(version, path, rows, monkeypatch)
        pd.testing.assert_frame_equal(files.read(path), rows)


def test_a_table_from_before_versions_were_stored_is_of_the_first(tmp_path, rows, monkeypatch):
    path, files = UPath(tmp_path / "2024-01.parquet"), ParquetFiles(UPath(tmp_path))
    write_atomically(path, rows.to_parquet(index=False))
    monkeypatch.setattr(contract, "VERSION", "1.7")
    pd.testing.assert_frame_equal(files.read(path), rows)
    monkeypatch.setattr(contract, "VERSION", "2.0")
    with pytest.raises(OtherContract, match=r"written under contract 1\.0"):
        files.read(path)


def test_a_rebuild_refuses_data_of_another_contract(tmp_path, rows, recipe, monkeypatch):
    path = UPath(tmp_path) / "assets" / "splits" / "2024-01.parquet"
    written_under("99.0", path, rows, monkeypatch)
    with pytest.raises(NothingToDo, match=r"2024-01\.parquet was written under contract 99\.0"):
        champion._window(UPath(tmp_path), recipe)


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


def test_a_window_with_a_month_of_another_contract_stops(tmp_path, monkeypatch):
    @dg.asset(partitions_def=months, io_manager_key="files")
    def numbers() -> pd.DataFrame:
        return pd.DataFrame({"month": [1]})

    @dg.asset(
        ins={"numbers": dg.AssetIn(partition_mapping=training_window, metadata=window_input)},
        partitions_def=months,
        io_manager_key="files",
    )
    def window(numbers: pd.DataFrame) -> pd.DataFrame:
        return numbers

    resources = {"files": ParquetFiles(UPath(tmp_path))}
    before = contract.VERSION
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([numbers], partition_key="2024-01", resources=resources, instance=instance)
        monkeypatch.setattr(contract, "VERSION", "99.0")
        dg.materialize([numbers], partition_key="2024-02", resources=resources, instance=instance)
        stopped = dg.materialize(
            [numbers, window],
            selection=[window],
            partition_key="2024-02",
            resources=resources,
            instance=instance,
            raise_on_error=False,
        )
    (failure,) = stopped.get_step_failure_events()
    words = failure.step_failure_data.user_failure_data.description
    assert f"2024-01.parquet was written under contract {before}, today's is 99.0" in words
