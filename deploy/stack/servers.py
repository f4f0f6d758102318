"""The servers of the stack: commands, ports and readiness checks.

To add a server, add an entry to `servers`.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from deploy.stack import grafana
from deploy.stack.postgres import postgres_binaries
from tip_assets.runtime.local_servers import app_server
from tip_assets.runtime.supervisor import BINARIES, HOST, Missing, Server, util_linux
from tip_assets.settings import Settings

BUCKET = "tips"


def servers(folder: Path, settings: Settings) -> list[Server]:
    """Return every server in starting order."""
    others = _servers_with_storage(folder, settings)
    return [
        Server(
            "postgres",
            "Postgres",
            f"{postgres_binaries()}/postgres -D {folder}/postgres -p {settings.postgres_port} "
            f"-c listen_addresses={HOST} -c unix_socket_directories= -c timezone=UTC",
            settings.postgres_port,
            ready_command=(
                *(f"{postgres_binaries()}/pg_isready", "-q", "-h", HOST),
                *("-p", str(settings.postgres_port)),
            ),
            stop_signal="INT",
            orphan_signal="INT",
            # Postgres refuses to run as root.
            user="postgres" if os.geteuid() == 0 else None,
        ),
        Server(
            *("s3", "S3", _s3(folder, settings.s3_port), settings.s3_port, "/healthz"),
            variables={"WEED_S3_SSE_KEY": "local", "GOMEMLIMIT": "512MiB"},
        ),
        *(replace(server, needs_storage=True) for server in others),
    ]


def _servers_with_storage(folder: Path, settings: Settings) -> list[Server]:
    """Return the servers that need the databases and the bucket."""
    return [
        Server(
            "mlflow",
            "MLflow",
            f"{BINARIES}/mlflow server --workers 1 --host {HOST} --port {settings.mlflow_port} "
            f"--no-serve-artifacts --expose-prometheus {folder}/mlflow-metrics",
            settings.mlflow_port,
            "/health",
            brings_processes=True,
        ),
        Server(
            "dagster",
            "Dagster",
            f"{BINARIES}/dagster-webserver -w workspace.yaml -h {HOST} -p {settings.dagster_port}",
            settings.dagster_port,
            "/server_info",
            brings_processes=True,
        ),
        Server(
            "daemon",
            "Dagster's daemon",
            f"{BINARIES}/dagster-daemon run -w workspace.yaml",
            brings_processes=True,
        ),
        _app(settings),
        Server(
            "exporter",
            "Exporter",
            f"{BINARIES}/tips exporter",
            settings.exporter_port,
            "/metrics",
        ),
        _prometheus(folder, settings.prometheus_port),
        _alertmanager(folder, settings.alertmanager_port),
        *_grafana(folder, settings.grafana_port),
    ]


def _app(settings: Settings) -> Server:
    # While MLflow is unavailable, it waits for a response before it stops.
    return replace(app_server(settings), orphan_signal="KILL")


def _prometheus(folder: Path, port: int) -> Server:
    command = (
        f"{program('prometheus')} --config.file={folder}/monitoring/prometheus.yml "
        f"--storage.tsdb.path={folder}/prometheus --storage.tsdb.retention.time=1y "
        f"--web.listen-address={HOST}:{port}"
    )
    return Server("prometheus", "Prometheus", command, port, "/-/ready")


def _alertmanager(folder: Path, port: int) -> Server:
    """Return Alertmanager without clustering, which would listen on every interface.

    The keys in the stack's environment are for its S3 server; those for SNS come from a profile or
    a role.
    """
    command = (
        f"env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY {program('alertmanager')} "
        f"--config.file={folder}/monitoring/alertmanager.yml "
        # Longer than the repeat interval, or alerts are repeated too early.
        f"--storage.path={folder}/alertmanager --data.retention=240h --cluster.listen-address= "
        f"--web.listen-address={HOST}:{port}"
    )
    return Server("alertmanager", "Alertmanager", command, port, "/-/ready")


def _grafana(folder: Path, port: int) -> list[Server]:
    """Return Grafana if it is installed; only it gets the file with its password."""
    if grafana.command() is None:
        return []
    command = f"{BINARIES}/python -m deploy.stack.grafana {folder}/grafana/grafana.env"
    return [Server("grafana", "Grafana", command, port, "/api/health")]


def _s3(folder: Path, port: int) -> str:
    """Return SeaweedFS' command; its inner servers use the next ports, and those plus 10,000."""
    inner = [f"-{name}.port={port + 1 + n}" for n, name in enumerate(_INNER)]
    return " ".join(
        [
            f"{BINARIES}/weed mini -dir={folder}/s3 -ip={HOST} -ip.bind={HOST} -s3.port={port}",
            f"-s3.config={folder}/s3-keys.json -bucket={BUCKET} -s3.autoCreateBucket=false",
            "-s3.allowDeleteBucketNotEmpty=false -s3.port.iceberg=0 -s3.port.lance=0",
            f"-s3.localSocket={folder}/s3.sock -filer.localSocket={folder}/filer.sock",
            "-webdav=false -admin.ui=false -master.telemetry=false",
            *inner,
        ]
    )


_INNER = ("master", "volume", "filer", "admin")


def s3_sockets(folder: Path, port: int) -> list[Path]:
    """Return the sockets that SeaweedFS leaves behind, in the folder and in /tmp."""
    inner = [f"seaweedfs-*-grpc-{port + 10_000 + n}.sock" for n in range(len(_INNER) + 1)]
    return [*folder.glob("*.sock"), *(s for name in inner for s in Path("/tmp").glob(name))]


def program(name: str) -> str:
    """Return Prometheus' or Alertmanager's program, also by Debian's name. Raises Missing."""
    found = shutil.which(name) or shutil.which(f"prometheus-{name}")
    if not found:
        package = name if name == "prometheus" else f"prometheus-{name}"
        raise Missing(f"{name} is not installed: sudo apt-get install {package}")
    return found


def check_programs() -> None:
    """Raise Missing for the first missing program, with how to install it."""
    postgres_binaries()
    for name in ("prometheus", "alertmanager"):
        program(name)
    if not (BINARIES / "weed").exists():
        raise Missing("weed is not installed: make setup-stack")
    for name in ("setpriv", "runuser"):
        util_linux(name)
