"""Grafana of the stack: as `grafana/` configures it, when its program is installed.

Belongs here: what those files leave to the environment: addresses, ports, passwords, folders. Does
not belong here: dashboards or data sources, which are the same wherever they run.

No package index has Grafana, so the stack does not install it; it does without when it is not on
the path. `python -m deploy.stack.grafana FILE` becomes Grafana with the environment of a file.
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
# What Grafana needs of the environment that it is started in; it is told nothing else of it.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_OF_PACKAGE = Path("/usr/share/grafana")


def command() -> list[str] | None:
    """The program that starts the server, and where its own files lie; None: not installed."""
    program = shutil.which("grafana") or shutil.which("grafana-server")
    if program is None:
        return None
    server = [program] if Path(program).name == "grafana-server" else [program, "server"]
    unpacked = Path(program).resolve().parents[1]
    home = unpacked if (unpacked / "conf" / "defaults.ini").exists() else _OF_PACKAGE
    return [*server, f"--homepath={home}", f"--config={SOURCE / 'grafana.ini'}"]


def write_dashboards(folder: Path, settings: Settings) -> None:
    """Write the dashboards, with links to the servers at the ports of the settings."""
    write(
        folder,
        app=f"http://{HOST}:{settings.app_port}",
        mlflow=f"http://{HOST}:{settings.mlflow_port}",
        dagster=f"http://{HOST}:{settings.dagster_port}",
    )


def environment(
    folder: Path, settings: Settings, reader: str, password: str, key: str
) -> dict[str, str]:
    """What `grafana.ini` and the provisioning files take from the environment.

    `reader` is the URL of the metric store's user who may only read, `password` Grafana's
    administrator's, `key` that by which Grafana encrypts what it keeps.
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
    """The parts of the reader's URL, by the names that the data source asks for."""
    url = sa.make_url(reader)
    return {
        "GRAFANA_POSTGRES_ADDRESS": f"{url.host}:{url.port}",
        "GRAFANA_POSTGRES_DATABASE": str(url.database),
        "GRAFANA_POSTGRES_USER": str(url.username),
        "GRAFANA_POSTGRES_PASSWORD": str(url.password),
        "GRAFANA_POSTGRES_SSLMODE": ssl_mode,
    }


def main(environment_file: Path) -> None:
    """Become Grafana."""
    server = command()
    if server is None:
        sys.exit("error: Grafana is not on the path any more")
    lines = environment_file.read_text("utf-8").splitlines()
    told = dict(line.split("=", 1) for line in lines)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    os.execve(server[0], server, kept | told)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
