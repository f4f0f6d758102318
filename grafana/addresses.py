"""Copy the dashboards with links to other addresses: `python -m grafana.addresses FOLDER`.

The committed dashboards link to the app, MLflow and Dagster on this machine.
"""

import json
import re
from pathlib import Path

import typer

from tip_assets.settings import Settings

DASHBOARDS = Path(__file__).parent / "dashboards"
ADDRESSES = {
    name: f"http://127.0.0.1:{Settings.model_fields[f'{name}_port'].default}"
    for name in ("app", "mlflow", "dagster")
}


def write(
    folder: Path,
    app: str = ADDRESSES["app"],
    mlflow: str = ADDRESSES["mlflow"],
    dagster: str = ADDRESSES["dagster"],
) -> None:
    """Copy the dashboards into a folder, with links to these addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = zip(ADDRESSES.values(), (app, mlflow, dagster), strict=True)
    chosen = {json.dumps(before): json.dumps(after) for before, after in pairs}
    for path in DASHBOARDS.glob("*.json"):
        text = re.sub("|".join(chosen), lambda match: chosen[match[0]], path.read_text("utf-8"))
        (folder / path.name).write_text(text, "utf-8")


if __name__ == "__main__":
    typer.run(write)
