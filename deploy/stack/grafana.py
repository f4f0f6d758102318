"""The stack's Grafana, configured by `grafana/` and by the environment written here.

No package index has Grafana, so the stack does not install it, and runs without it if it is not on
the path. `python -m deploy.stack.grafana FILE` replaces itself with Grafana, with the environment
of a file.
"""

import os
import shutil
import sys
from pathlib import Path

import sqlalchemy as sa

from grafana.addresses import write
from tip_assets.settings import Settings

HOST = "127.0.0.1"
SOURCE = Path(__file__).parents[2] / "grafana"
# The variables of its own environment that Grafana gets; no others.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_OF_PACKAGE = Path("/usr/share/grafana")


def command() -> list[str] | None:
    """Return the command that starts the server; None if Grafana is not installed."""
    program = shutil.which("grafana") or shutil.which("grafana-server")
    if program is None:
        return None
    server = [program] if Path(program).name == "grafana-server" else [program, "server"]
    unpacked = Path(program).resolve().parents[1]
    home = unpacked if (unpacked / "conf" / "defaults.ini").exists() else _OF_PACKAGE
    return [*server, f"--homepath={home}", f"--config={SOURCE / 'grafana.ini'}"]


def write_dashboards(folder: Path, settings: Settings) -> None:
    """Write the dashboards with links to the servers at the settings' ports."""
    write(
        folder,
        app=f"http://{HOST}:{settings.app_port}",
        mlflow=f"http://{HOST}:{settings.mlflow_port}",
        dagster=f"http://{HOST}:{settings.dagster_port}",
    )


def environment(
    folder: Path, settings: Settings, reader: str, password: str, key: str
) -> dict[str, str]:
    """Return the environment for `grafana.ini` and the provisioning files.

    `reader` is the URL of the metric store's read-only user, `password` that of Grafana's
    administrator, `key` Grafana's encryption key.
    """
    return {
        **metric_store_variables(reader, "disable"),
        "GRAFANA_PROMETHEUS_URL": f"http://{HOST}:{settings.prometheus_port}",
        "GRAFANA_PROVISIONING": str(SOURCE / "provisioning"),
        "GRAFANA_DASHBOARDS": str(folder / "dashboards"),
        "GRAFANA_ADMIN_PASSWORD": password,
        "GRAFANA_SECRET_KEY": key,
        "GF_SERVER_HTTP_PORT": str(settings.grafana_port),
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "logs"),
        "GF_PATHS_PLUGINS": str(folder / "plugins"),
    }


def metric_store_variables(reader: str, ssl_mode: str) -> dict[str, str]:
    """Return the parts of the reader's URL by the data source's variables."""
    url = sa.make_url(reader)
    return {
        "GRAFANA_POSTGRES_ADDRESS": f"{url.host}:{url.port}",
        "GRAFANA_POSTGRES_DATABASE": str(url.database),
        "GRAFANA_POSTGRES_USER": str(url.username),
        "GRAFANA_POSTGRES_PASSWORD": str(url.password),
        "GRAFANA_POSTGRES_SSLMODE": ssl_mode,
    }


def main(environment_file: Path) -> None:
    """Replace this process with Grafana."""
    server = command()
    if server is None:
        sys.exit("error: Grafana is no longer on the path")
    lines = environment_file.read_text("utf-8").splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    os.execve(server[0], server, kept | variables)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
