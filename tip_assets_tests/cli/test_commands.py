"""The command line starts real servers, keeps noise away, and reports failures in sentences."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tip_assets import cli
from tip_assets.cli import demo
from tip_assets.ingestion.landing import landing_folder
from tip_assets.ingestion.simulate import sample_bytes
from tip_assets.reporting.run_facts import INTERRUPTED
from tip_assets.runtime.local_servers import READY_WITHIN_SECONDS
from tip_assets.settings import Settings, get_settings
from tip_assets_tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
TIPS = Path(sys.executable).parent / "tips"
COMMANDS = typer.main.get_command(cli.app).commands
# Commands that make a platform where there is none, and the function that would do it.
MAKING = {
    "run": "tip_assets.cli.run_month.in_order",
    "simulate": "tip_assets.ingestion.simulate.land_generated",
    "demo": "tip_assets.cli.demo.play",
    "up": "tip_assets.runtime.local_servers.up",
    "app": "os.execv",
    "databases": "tip_assets.runtime.databases.prepare_databases",
    "instance": "tip_assets.runtime.instance.prepare_instance",
}
# It draws from the sample without a platform, and writes its page where it is called.
REHEARSING = "rehearse"
ARGUMENTS = {"month": "2024-01", "reason": "why", "version": "1", "source": "bills.csv"}


def ignore_signals() -> None:
    """Start like a background process of a shell without job control, never as under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def environment(tmp_path):
    """An environment with a storage and ports of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TIPS_", "DAGSTER_"))}
    return clean | {
        "TIPS_STORAGE": str(tmp_path / "storage"),
        "TIPS_DAGSTER_PORT": str(free_port()),
        "TIPS_MLFLOW_PORT": str(free_port()),
        "TIPS_APP_PORT": str(free_port()),
        "TIPS_APP_METRICS_PORT": str(free_port()),
    }


def ends_of_logs(folder: Path) -> str:
    """The last lines of every log: why a server does not answer."""
    return "\n".join(f"{log}:\n{log.read_text()[-2000:]}" for log in sorted(folder.glob("*.log")))


@pytest.mark.services
def test_up_starts_every_server_says_where_and_leaves_nothing_behind(environment, tmp_path):
    printed = tmp_path / "printed"
    with printed.open("w") as output:
        servers = subprocess.Popen(
            [TIPS, "up"],
            env=environment,
            cwd=ROOT,
            stdout=output,
            start_new_session=True,
            preexec_fn=ignore_signals,
        )
        deadline = time.monotonic() + READY_WITHIN_SECONDS + 10
        while "Ctrl-C" not in printed.read_text() and time.monotonic() < deadline:
            assert servers.poll() is None, printed.read_text()
            time.sleep(0.5)
        pages = {"DAGSTER": "/server_info", "MLFLOW": "/health", "APP": "/_stcore/health"}
        for name, page in pages.items():
            address = f"http://127.0.0.1:{environment[f'TIPS_{name}_PORT']}"
            assert address in printed.read_text(), ends_of_logs(tmp_path / "storage" / "logs")
            assert urllib.request.urlopen(address + page, timeout=10).status == 200
        second = subprocess.run(
            [TIPS, "up"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert f"port {environment['TIPS_DAGSTER_PORT']}, meant for Dagster" in second.stderr
        servers.send_signal(signal.SIGHUP)  # as when its terminal is closed
        assert servers.wait(60) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(environment["TIPS_DAGSTER_PORT"]))) != 0


@pytest.mark.slow
def test_one_ctrl_c_ends_a_run(environment):
    """Dagster's retry policy ran the interrupted step again, and the month went on."""
    run = subprocess.Popen(
        [TIPS, "run", "--month", "2024-01", "--sample"],
        env=environment | {"TIPS_TRIALS": "100000"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    for line in run.stdout:
        if "trial 10 of" in line:
            break
    run.send_signal(signal.SIGINT)
    rest, _ = run.communicate(timeout=120)
    assert run.returncode == 1
    assert INTERRUPTED in rest


@pytest.mark.parametrize(
    ("variables", "arguments", "words"),
    [
        ({"TIPS_TRIALS": "0"}, ["champion"], "trials"),
        ({"TIPS_FIRST_MONTH": "2099-01"}, ["run", "--month", "2024-01"], "none has begun"),
        ({"TIPS_STORAGE": "/proc/nowhere"}, ["run", "--month", "2024-01"], "/proc/nowhere"),
        ({}, ["release", "--month", "2024-01", "--reason", " "], "needs a reason"),
    ],
)
def test_errors_name_their_cause(environment, variables, arguments, words):
    done = subprocess.run(
        [TIPS, *arguments],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_run_that_hangs_is_ended_and_reported(environment, tmp_path):
    impatient = environment | {"TIPS_MAX_RUN_MINUTES": "0.15", "TIPS_TRIALS": "5000"}
    arguments = ["run", "--month", "2024-01", "--sample", "--json"]
    done = subprocess.run(
        [TIPS, *arguments], env=impatient, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    outcome = json.loads(done.stdout)
    assert outcome["ending"] == "failed"
    assert "took longer than 0.15 minutes (TIPS_MAX_RUN_MINUTES)" in outcome["failure"]
    (line,) = (tmp_path / "storage" / "notifications.jsonl").read_text().splitlines()
    assert "took longer than 0.15 minutes" in json.loads(line)["text"]


def test_the_demonstration_never_mixes_with_real_files(tmp_path):
    settings = Settings(storage=str(tmp_path))
    own = landing_folder(settings.storage_root, "2024-02") / "tips.csv"
    own.parent.mkdir(parents=True)
    own.write_text("real")
    with pytest.raises(FileExistsError, match=r"tips\.csv is not a file of the demo"):
        next(demo.play(settings))
    assert own.read_text() == "real"


@pytest.fixture
def tips_in_empty_folder(tmp_path, monkeypatch):
    """Type a command, with arguments that it must have, in a folder that holds nothing."""
    bills = tmp_path / "bills.csv"
    bills.write_bytes(sample_bytes())
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    for name in list(os.environ):
        if name.startswith(("TIPS_", "MLFLOW_TRACKING", "DAGSTER_")):
            monkeypatch.delenv(name)
    values = ARGUMENTS | {"source": str(bills)}

    def typed(name: str, **variables: str):
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        get_settings.cache_clear()
        words = [name]
        for parameter in COMMANDS[name].params:
            if parameter.required:
                option = parameter.param_type_name == "option"
                words += [parameter.opts[0]] * option + [values[parameter.name]]
        return CliRunner().invoke(cli.app, words)

    yield typed
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - MAKING.keys() - {REHEARSING}))
def test_a_command_that_reads_makes_nothing_in_a_folder_without_a_platform(
    tips_in_empty_folder, name
):
    done = tips_in_empty_folder(name)
    assert list(Path.cwd().iterdir()) == []
    assert done.exit_code == 1, done.output
    if name != "parameters":  # it reads the Parameter Store alone
        assert f"there is no platform in {Path.cwd() / 'data'}" in done.stderr
        assert "TIPS_STORAGE" in done.stderr


@pytest.mark.parametrize("name", sorted(MAKING))
def test_a_command_that_makes_a_platform_says_so_and_where(tips_in_empty_folder, name, monkeypatch):
    monkeypatch.setattr(MAKING[name], lambda *_, **__: [])
    new = f"New platform in {Path.cwd() / 'data'}: set TIPS_STORAGE to use an existing one"
    done = tips_in_empty_folder(name)
    assert new in done.stderr
    assert new not in done.stdout
    there = Path.cwd() / "other"
    there.mkdir()
    (there / "notes.txt").touch()  # a folder of something else
    wished = tips_in_empty_folder(name, TIPS_STORAGE=str(there))
    assert f"New platform in {there} (TIPS_STORAGE)" in wished.stderr
    (there / "landing").mkdir()
    assert "New platform" not in tips_in_empty_folder(name, TIPS_STORAGE=str(there)).stderr


def test_a_platform_on_servers_is_read_from_an_empty_folder(tips_in_empty_folder, month_settings):
    """Its databases are elsewhere, and there is no folder of its own on this machine."""
    elsewhere = {
        "TIPS_METRIC_STORE": f"{month_settings.metric_store_url}?timeout=30",
        "MLFLOW_TRACKING_URI": month_settings.tracking_uri,
    }
    assert "promoted" in tips_in_empty_folder("history", **elsewhere).stdout
    assert "version     1" in tips_in_empty_folder("champion", **elsewhere).stdout
    assert list(Path.cwd().iterdir()) == []
