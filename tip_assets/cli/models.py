"""Commands about models: champion, history, rollback, rebuild."""

import getpass
from typing import Annotated

import typer

from tip_assets.cli.terminal import (
    LOOKING,
    MODELS,
    AsJson,
    Exit,
    Reason,
    app,
    echo_json,
    registry_of,
    require_platform,
)
from tip_assets.settings import get_settings


@app.command(rich_help_panel=LOOKING)
def champion(as_json: AsJson = False) -> None:
    """Show the model that serves."""
    from tip_assets.runtime.resources import mlflow_tracking
    from tip_assets.serving.champion import serving_version
    from tip_assets.tracking.runs import top_run

    with registry_of() as (settings, registry):
        version = serving_version(registry)
        run = registry.client.get_run(version.run_id).data
        top = top_run(mlflow_tracking(settings))
    metrics, recipe = run.metrics, version.recipe
    if as_json:
        facts = {"version": version.number, "month": version.month, "months": recipe.months}
        model = {"run_id": version.run_id, "fingerprint": recipe.fingerprint, "metrics": metrics}
        echo_json(facts | model | {"top_run": top})
        return
    typer.echo(f"version     {version.number}, trained for {version.month}")
    typer.echo(f"data        {', '.join(recipe.months)}")
    typer.echo(f"test RMSE   {metrics['test_rmse']:.3f} USD on {metrics['test_rows']:.0f} rows")
    for rule in sorted(name for name in metrics if name.startswith("test_rmse_")):
        label = rule.removeprefix("test_rmse_").replace("_", " ")
        typer.echo(f"  {label:<13} {metrics[rule]:.3f}")
    typer.echo(f"recipe      {recipe.fingerprint}, seed {recipe.seed}")
    typer.echo(f"MLflow run  {version.run_id}")
    typer.echo(f"top run     {top}")


@app.command(rich_help_panel=LOOKING)
def history(as_json: AsJson = False) -> None:
    """Show which model served when, and why it changed."""
    from tip_assets.metric_store.store import MetricStore

    settings = get_settings()
    require_platform(settings, settings.metric_store_url)
    rows = MetricStore(url=settings.metric_store_url).history()
    if as_json:
        echo_json(rows)
        return
    if not rows:
        typer.echo("No decision yet: run a month first.")
        return
    typer.echo(f"{'month':<8} {'decided (UTC)':<17} {'action':<12} {'champion':<12} reason")
    for row in sorted(rows, key=lambda row: row["at"]):
        before, after = row["champion_before"], row["champion_after"]
        change = f"{before or '-'} -> {after}" if before != after else f"{after or '-'}"
        by = f" (by {row['person']})" if row["person"] else ""
        typer.echo(
            f"{row['month']:<8} {row['at']:%Y-%m-%d %H:%M}  {row['action']:<12} {change:<12} "
            f"{row['reason']}{by}"
        )


@app.command(rich_help_panel=MODELS)
def rollback(
    reason: Reason,
    to: Annotated[
        int | None, typer.Option(help="Version to serve; default: the previous one.")
    ] = None,
) -> None:
    """Let an earlier model serve again; takes effect at once."""
    from tip_assets.metric_store.store import MetricStore
    from tip_assets.runtime.published_parameters import publish_parameters
    from tip_assets.serving.champion import roll_back

    with registry_of() as (settings, registry):
        require_platform(settings, settings.metric_store_url)
        store = MetricStore(url=settings.metric_store_url)
        before, after = roll_back(registry, store, to, reason, getpass.getuser())
        undelivered = publish_parameters(settings)
    typer.echo(f"Version {after.number} serves again; version {before.number} is `previous`.")
    for problem in undelivered:
        typer.echo(f"not published: {problem}", err=True)


@app.command(rich_help_panel=MODELS)
def rebuild(version: Annotated[int, typer.Argument(help="A registry version.")]) -> None:
    """Rebuild a version and verify that its bytes are the same, or name what differs."""
    from tip_assets.serving.champion import rebuild as rebuild_version

    with registry_of() as (settings, registry):
        result = rebuild_version(registry, settings, version)
    if result.identical:
        typer.echo(f"Version {version}: rebuilt, identical byte for byte.")
        return
    typer.echo(f"Version {version} cannot be reproduced here. What differs:")
    for line in result.differences:
        typer.echo(f"  {line}")
    raise typer.Exit(Exit.FAILED)
