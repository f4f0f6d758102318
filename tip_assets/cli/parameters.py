"""The command `tips parameters`: show the platform's parameters in the Parameter Store."""

import typer

from tip_assets.cli.terminal import LOOKING, AsJson, app, echo_json, fail
from tip_assets.settings import get_settings


@app.command(rich_help_panel=LOOKING)
def parameters(as_json: AsJson = False) -> None:
    """Show the Parameter Store's parameters: settings, the model that serves, paths."""
    from tip_assets.runtime.published_parameters import NAMES
    from tip_assets.settings.parameter_store import ParameterError, ParameterStore

    prefix = get_settings().parameter_prefix
    if not prefix:
        fail("no Parameter Store is used: TIPS_PARAMETER_PREFIX is empty")
    try:
        stored = ParameterStore(prefix).read(*NAMES)
    except ParameterError as error:
        fail(str(error))
    if as_json:
        echo_json({name: vars(found) for name, found in stored.items()})
        return
    for name in NAMES:
        found = stored.get(name)
        when = f"  (version {found.version}, {found.changed_at:%Y-%m-%d %H:%M %Z})" if found else ""
        typer.echo(f"{prefix}/{name:<20} {found.value if found else 'not set'}{when}")
