"""The set-up finds what a machine lacks, and names its log when a step fails."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALL, LOGGED = ROOT / "deploy" / "install-packages.sh", ROOT / "deploy" / "logged.sh"


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder for the commands of a machine on which nobody may install anything."""
    folder = tmp_path / "bin"
    folder.mkdir()
    make_command(folder / "id", "echo 1000")
    make_command(folder / "sudo", "exit 1")
    return folder


def make_command(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def install(commands: Path, *pairs: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", INSTALL, *pairs],
        cwd=commands.parent,
        env={"PATH": str(commands)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_named_like_a_server_is_not_taken_for_the_server(commands):
    (commands.parent / "prometheus").mkdir()
    done = install(commands, "prometheus=prometheus", "'/nowhere/*/postgres'=postgresql")
    assert done.returncode == 1
    assert "sudo apt-get install prometheus postgresql" in done.stdout
    make_command(commands / "prometheus", "exit 0")
    assert install(commands, "prometheus=prometheus").returncode == 0


def test_one_of_several_commands_or_files_is_enough(commands):
    folder = commands.parent / "usr" / "lib" / "15"
    folder.mkdir(parents=True)
    pair = f"{commands.parent}/usr/lib/*/postgres postgres=postgresql"
    assert install(commands, pair).returncode == 1
    (folder / "postgres").touch()
    assert install(commands, pair).returncode == 0
    (folder / "postgres").unlink()
    make_command(commands / "postgres", "exit 0")
    assert install(commands, pair).returncode == 0


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7)])
def test_output_of_package_tools_goes_to_a_log_that_a_failure_names(tmp_path, script, code):
    step = f"echo 'Set-up: a step ...'; echo chatter; echo warning >&2; {script}"
    done = subprocess.run(
        ["/bin/bash", LOGGED, "sh", "-c", step],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout == "Set-up: a step ...\n"
    assert {"chatter", "warning"} <= set((tmp_path / ".setup.log").read_text().splitlines())
    assert (f"{tmp_path}/.setup.log" in done.stderr) is (code != 0)
    assert ("warning" in done.stderr) is (code != 0)


def test_the_repository_names_no_host_of_a_package_index() -> None:
    # In parts, so that this file names none.
    hosts = [".".join(host) for host in (("deb", "debian"), ("pypi", "org"))]
    hosts.append("python" + "hosted")
    listing = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert INSTALL in files
    for file in files:
        content = file.read_bytes().decode("utf-8", "replace") if file.exists() else ""
        assert not [host for host in hosts if host in content], file
