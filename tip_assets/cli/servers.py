"""Commands that start servers.

Belongs here: those commands. Does not belong here: which servers there are (`local_servers.py`).
"""

import sys

import typer

from tip_assets.cli.terminal import LOOKING, app, fail
from tip_assets.settings import get_settings


@app.command(rich_help_panel=LOOKING)
def up() -> None:
    """Start the Dagster UI with its daemon and the MLflow UI, and print the addresses."""
    from tip_assets.local_servers import busy, servers
    from tip_assets.local_servers import up as start

    settings = get_settings()
    for server in servers(settings):
        if busy(server):
            fail(
                f"port {server.port}, meant for {server.title}, is taken by another process: stop "
                f"it or set TIPS_{server.name.upper()}_PORT"
            )
    raise typer.Exit(start(settings, sys.stdout))
