"""Commands around an upgrade: drain, resume."""

from typing import Annotated

import typer

from tip_assets.cli.terminal import LOOKING, app, fail, require_platform
from tip_assets.settings import get_settings


@app.command(rich_help_panel=LOOKING)
def drain(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for running months.")] = 3600,
) -> None:
    """Let no new month start, and wait until running ones have ended.

    New months stay in Dagster's queue until `tips resume`. If a month has not ended in time, new
    months are no longer held, and the exit code is 1.
    """
    import dagster as dg

    from tip_assets.runtime import drain as months
    from tip_assets.runtime.instance import prepare_instance

    settings = get_settings()
    require_platform(settings, settings.metric_store_url)
    prepare_instance(settings)
    with dg.DagsterInstance.get() as instance:
        months.hold(instance)
        working = months.wait(instance, wait)
        if working:
            months.resume(instance)
            fail(
                f"run {working[0].run_id} has not ended within {wait:.0f} s; "
                "new months are not held: try again later"
            )
    typer.echo("No month is running, and none starts until `tips resume`.")


@app.command(rich_help_panel=LOOKING)
def resume() -> None:
    """Let months start again after `tips drain`."""
    import dagster as dg

    from tip_assets.runtime import drain as months
    from tip_assets.runtime.instance import prepare_instance

    settings = get_settings()
    require_platform(settings, settings.metric_store_url)
    prepare_instance(settings)
    with dg.DagsterInstance.get() as instance:
        held = months.resume(instance)
    typer.echo("Months start again." if held else "Months were not held.")
