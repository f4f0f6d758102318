"""Write the dashboards: `python -m grafana`, or into another folder, for other addresses.

Belongs here: that. Does not belong here: what they show.
"""

from pathlib import Path
from typing import Annotated

import typer

from grafana.boards import DASHBOARDS, write
from grafana.dashboard import Addresses


def main(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")] = DASHBOARDS,
    app: Annotated[str, typer.Option(help="Where people open the app.")] = Addresses.app,
    mlflow: Annotated[str, typer.Option(help="Where people open MLflow.")] = Addresses.mlflow,
    dagster: Annotated[str, typer.Option(help="Where people open Dagster.")] = Addresses.dagster,
) -> None:
    """Write every dashboard as JSON, with links that lead to these addresses."""
    for path in write(folder, Addresses(app=app, mlflow=mlflow, dagster=dagster)):
        typer.echo(str(path))


if __name__ == "__main__":
    typer.run(main)
