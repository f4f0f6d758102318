"""The command `tips status`: one screen of what needs a person (`reporting/status.py`)."""

from datetime import UTC, datetime

import typer

from tip_assets.cli.terminal import LOOKING, AsJson, app, echo_json, require_platform
from tip_assets.settings import get_settings


@app.command(rich_help_panel=LOOKING)
def status(as_json: AsJson = False) -> None:
    """Show what needs a person: held, stopped, failed or late months, silence, an old champion."""
    from tip_assets.metric_store.store import MetricStore
    from tip_assets.reporting.status import states

    settings = get_settings()
    require_platform(settings, settings.metric_store_url)
    found = states(MetricStore(url=settings.metric_store_url), settings, datetime.now(UTC))
    if as_json:
        echo_json([state.to_dict() for state in found])
        return
    if not found:
        typer.echo("Nothing needs a person.")
    for state in found:
        typer.echo(f"{state.about}  {state.name}: {state.why}\n    {state.to_do}")
