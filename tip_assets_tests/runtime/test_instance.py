"""Dagster's configuration file is always whole, and left alone when it says what it should."""

import threading
from pathlib import Path

import pytest

from tip_assets.runtime.instance import prepare_instance
from tip_assets.settings import Settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))


def test_a_configuration_that_says_what_it_should_is_not_written_again(tmp_path):
    settings = Settings(storage=str(tmp_path))
    prepare_instance(settings)
    file = settings.dagster_folder / "dagster.yaml"
    before = file.stat()
    prepare_instance(settings)
    after = file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_empty_configuration_left_by_a_killed_process_is_written_again(tmp_path):
    settings = Settings(storage=str(tmp_path))
    file = settings.dagster_folder / "dagster.yaml"
    prepare_instance(settings)
    whole = file.read_text()
    file.write_text("")
    prepare_instance(settings)
    assert file.read_text() == whole


def test_a_reader_never_sees_a_part_of_the_configuration(tmp_path):
    sqlite = Settings(storage=str(tmp_path))
    postgres = Settings(storage=str(tmp_path), dagster_storage="postgresql://h/d")
    file = sqlite.dagster_folder / "dagster.yaml"
    prepare_instance(sqlite)
    whole = {file.read_text()}
    prepare_instance(postgres)
    whole.add(file.read_text())
    seen, stopped = set(), threading.Event()

    def read(path: Path) -> None:
        while not stopped.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read, args=(file,))
    reader.start()
    try:
        for _ in range(100):
            prepare_instance(sqlite)
            prepare_instance(postgres)
    finally:
        stopped.set()
        reader.join()
    assert len(whole) == 2
    assert seen == whole
