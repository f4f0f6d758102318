"""Commands that start or prepare servers."""

import os
import shlex
import sys
from typing import TYPE_CHECKING

import typer

from tip_assets.cli.terminal import LOOKING, announce_new_platform, app, fail, require_platform
from tip_assets.settings import get_settings

if TYPE_CHECKING:
    from tip_assets.runtime.supervisor import Server


@app.command(rich_help_panel=LOOKING)
def up() -> None:
    """Start the app, the Dagster UI with its daemon and the MLflow UI, and print the addresses."""
    from tip_assets.runtime.local_servers import servers
    from tip_assets.runtime.local_servers import up as start
    from tip_assets.runtime.signals import end_on_signal
    from tip_assets.runtime.supervisor import Missing

    end_on_signal()
    settings = get_settings()
    for server in servers(settings):
        _fail_if_busy(server)
    announce_new_platform(settings)
    try:
        code = start(settings, sys.stdout)
    except Missing as missing:
        fail(str(missing))
    raise typer.Exit(code)


@app.command("app", rich_help_panel=LOOKING)
def start_app() -> None:
    """Start the app alone: predictions, files, reports, history, the model."""
    from tip_assets.runtime.local_servers import app_server

    settings = get_settings()
    server = app_server(settings)
    _fail_if_busy(server)
    announce_new_platform(settings)
    typer.echo(f"The app is on {server.address}; Ctrl-C stops it.")
    command = shlex.split(server.command)
    os.execv(command[0], command)


@app.command(rich_help_panel=LOOKING)
def exporter() -> None:
    """Serve the platform's Prometheus metrics, read from the metric store at each scrape."""
    from tip_assets.exporter.server import start
    from tip_assets.runtime.signals import end_on_signal

    end_on_signal()
    settings = get_settings()
    require_platform(settings, settings.metric_reader or settings.metric_store_url)
    try:
        _, thread = start(settings)
    except OSError as error:
        fail(
            f"port {settings.exporter_port}, meant for the exporter, cannot be opened "
            f"({error.strerror}): stop the process that uses it or set TIPS_EXPORTER_PORT"
        )
    address = f"http://{settings.exporter_host}:{settings.exporter_port}/metrics"
    typer.echo(f"The exporter is on {address}; Ctrl-C stops it.")
    thread.join()


@app.command(rich_help_panel=LOOKING)
def databases() -> None:
    """Create the databases and users that the settings name, and upgrade every schema."""
    from sqlalchemy.exc import SQLAlchemyError

    from tip_assets.runtime.databases import prepare_databases
    from tip_assets.runtime.run_logging import noise_to

    settings = get_settings()
    announce_new_platform(settings)
    log = settings.state_folder / "logs" / "databases.log"
    try:
        with noise_to(log):
            prepare_databases(settings)
    except SQLAlchemyError as error:
        fail(f"{error}; see {log}")
    typer.echo("All databases exist, and their schemas are up to date.")


@app.command(rich_help_panel=LOOKING)
def instance() -> None:
    """Write Dagster's configuration to DAGSTER_HOME according to the settings."""
    from tip_assets.runtime.instance import prepare_instance

    settings = get_settings()
    announce_new_platform(settings)
    prepare_instance(settings)
    typer.echo(f"Dagster's configuration is in {settings.dagster_folder}.")


def _fail_if_busy(server: "Server") -> None:
    if server.port_is_taken():
        fail(server.message_if_taken)
