"""`tips predict` on folders: an answer for each file, and the bills are never replaced."""

import gzip
from pathlib import Path

import pytest

from tip_assets.ingestion.simulate import sample_bytes
from tip_assets_tests.support.processes import call, environment_of


@pytest.fixture
def bills(tmp_path: Path) -> Path:
    folder = tmp_path / "bills"
    folder.mkdir()
    (folder / "a.csv").write_bytes(sample_bytes())
    return folder


@pytest.fixture
def predict(month_settings, tmp_path):
    """Call the command with these arguments; gives exit code and messages."""

    def command(*arguments: Path | str) -> tuple[int, str]:
        environment = environment_of(Path(month_settings.storage))
        done = call(["predict", *map(str, arguments)], environment)
        return done.returncode, done.stderr

    return command


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("bills/a.csv", "bills/a.csv"),
        ("bills", "bills"),
        ("bills", "bills/tips"),
        ("bills/a.csv", "bills"),
    ],
)
def test_an_output_among_the_bills_is_refused(bills, predict, source, output):
    code, printed = predict(bills.parent / source, "--output", bills.parent / output)
    assert code == 1
    assert "is among the bills" in printed
    assert [path.name for path in bills.iterdir()] == ["a.csv"]
    assert (bills / "a.csv").read_bytes() == sample_bytes()


def test_two_files_that_would_share_an_answer_are_refused(bills, predict, tmp_path):
    (bills / "a.csv.gz").write_bytes(gzip.compress(sample_bytes()))
    code, printed = predict(bills, "--output", tmp_path / "tips")
    assert code == 1
    assert "would be written to one file" in printed
    assert not (tmp_path / "tips").exists()


def test_the_answer_to_a_file_goes_into_a_folder_under_its_name(bills, predict, tmp_path):
    (tmp_path / "tips").mkdir()
    code, printed = predict(bills / "a.csv", "--output", tmp_path / "tips")
    assert (code, "244 rows predicted, 0 refused" in printed) == (0, True)
    assert len((tmp_path / "tips" / "a.csv").read_text().splitlines()) == 245
