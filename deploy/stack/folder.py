"""The stack's folder: secrets, environment file, databases, configurations.

Everything here is written before a server starts and kept for later starts.
"""

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.stack import grafana
from deploy.stack.monitoring import write_configuration
from deploy.stack.postgres import postgres_binaries
from deploy.stack.servers import BUCKET, servers
from tip_assets.runtime.supervisor import HOST, Server, Supervisor, util_linux
from tip_assets.settings import Settings

_SECRETS = (
    *("admin", "dagster", "mlflow", "metrics", "reader", "s3_key", "s3_secret"),
    *("grafana", "grafana_key"),
)


class CannotPrepare(Exception):
    """The folder cannot be prepared; the message says why and what to do."""


@dataclass(frozen=True)
class Stack:
    """The stack's folder and its settings."""

    folder: Path
    settings: Settings

    @property
    def environment_file(self) -> Path:
        return self.folder / "stack.env"

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.folder, self.folder / "logs")

    @property
    def servers(self) -> list[Server]:
        return servers(self.folder, self.settings)

    def environment(self) -> dict[str, str]:
        """Return the variables that connect the platform to the stack, as in `stack.env`."""
        lines = self.environment_file.read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def prepare(self) -> None:
        """Create what a first start needs; later starts keep the secrets and the data.

        Missing secrets are created again: deleting their file changes them all. Raises
        CannotPrepare.
        """
        if os.geteuid() == 0:
            self._check_way_of_postgres()
        for part in (self.folder, self.folder / "s3", self.folder / "state"):
            part.mkdir(parents=True, exist_ok=True)
        known = self._secrets()
        # Before the password is stored: after a crash in between, it is created and set again.
        if not (self.folder / "postgres" / "PG_VERSION").exists():
            self._init_postgres(known["admin"])
        elif "admin" not in self._kept_secrets():
            self._set_admin_password(known["admin"])
        _write_secret(self._secrets_file, json.dumps(known))
        _write_secret(self.environment_file, self._environment_text(known))
        _write_secret(self.folder / "s3-keys.json", _s3_keys(known))
        write_configuration(self.folder / "monitoring", self.settings)
        self._prepare_grafana(known)
        self.supervisor.write(self.servers, restart=True)

    def _prepare_grafana(self, known: dict[str, str]) -> None:
        if grafana.command() is None:
            return
        folder, reader = self.folder / "grafana", self._database(known, "reader", "metrics")
        grafana.write_dashboards(folder / "dashboards", self.settings)
        variables = grafana.environment(
            folder, self.settings, reader, known["grafana"], known["grafana_key"]
        )
        file = folder / "grafana.env"
        if file.exists() and known["grafana_key"] not in file.read_text("utf-8"):
            # With another key Grafana cannot read its database, and the stored password would
            # stay. This loses people's settings; all else is provisioned.
            shutil.rmtree(folder / "data", ignore_errors=True)
        _write_secret(file, "".join(f"{name}={value}\n" for name, value in variables.items()))

    @property
    def _secrets_file(self) -> Path:
        return self.folder / "secrets.json"

    def _kept_secrets(self) -> dict[str, str]:
        file = self._secrets_file
        return dict(json.loads(file.read_text("utf-8"))) if file.exists() else {}

    def _secrets(self) -> dict[str, str]:
        """Return stored passwords and keys; creates missing ones."""
        return {name: secrets.token_hex(16) for name in _SECRETS} | self._kept_secrets()

    def admin_url(self) -> str:
        """Return the URL of Postgres's administrator, which no server gets."""
        return self._database(self._kept_secrets(), "admin", "postgres")

    def _database(self, known: dict[str, str], user: str, name: str) -> str:
        # SQLAlchemy 2.1 reads a bare `postgresql://` as another driver's.
        place = f"{HOST}:{self.settings.postgres_port}/{name}?connect_timeout=10"
        return f"postgresql+psycopg2://tips_{user}:{known[user]}@{place}"

    def _environment_text(self, known: dict[str, str]) -> str:
        s, database = self.settings, partial(self._database, known)
        variables = {
            "TIPS_STORAGE": f"s3://{BUCKET}/platform",
            "TIPS_STATE": f"{self.folder}/state",
            "DAGSTER_HOME": f"{self.folder}/state/dagster",
            "TIPS_DAGSTER_STORAGE": database("dagster", "dagster"),
            "TIPS_METRIC_STORE": database("metrics", "metrics"),
            "TIPS_METRIC_READER": database("reader", "metrics"),
            "MLFLOW_TRACKING_URI": f"http://{HOST}:{s.mlflow_port}",
            "MLFLOW_BACKEND_STORE_URI": database("mlflow", "mlflow"),
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"s3://{BUCKET}/platform/mlflow",
            # Job execution starts fifteen processes and takes 1.9 GB.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_S3_ENDPOINT_URL": f"http://{HOST}:{s.s3_port}",
            "AWS_ENDPOINT_URL_S3": f"http://{HOST}:{s.s3_port}",
            "AWS_ACCESS_KEY_ID": known["s3_key"],
            "AWS_SECRET_ACCESS_KEY": known["s3_secret"],
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        head = "# Written by `make stack`. To use the stack: set -a; . this file; set +a\n"
        return head + "".join(f"{name}={value}\n" for name, value in variables.items())

    def _init_postgres(self, password: str) -> None:
        data, password_file = self.folder / "postgres", self.folder / "postgres-password"
        shutil.rmtree(data, ignore_errors=True)  # an earlier set-up that was interrupted
        data.mkdir(mode=0o700)
        _write_secret(password_file, f"{password}\n")
        command = [
            *(f"{postgres_binaries()}/initdb", "-D", str(data), "-U", "tips_admin", "-E", "UTF8"),
            *("--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}"),
        ]
        if os.geteuid() == 0:
            self.folder.chmod(0o711)
            shutil.chown(data, "postgres", "postgres")
            shutil.chown(password_file, "postgres", "postgres")
        done = _as_postgres(command)
        password_file.unlink()
        if done.returncode:
            shutil.rmtree(data)
            raise CannotPrepare(f"Postgres cannot be set up: {done.stderr.strip()}")

    def _set_admin_password(self, password: str) -> None:
        """Set the password without a server and without the old one (postgres(1), `--single`)."""
        binary = f"{postgres_binaries()}/postgres"
        command = [binary, "--single", "-D", str(self.folder / "postgres"), "postgres"]
        # Passed as input: other users could read it on a command line.
        done = _as_postgres(command, f"alter role tips_admin password '{password}'\n")
        if done.returncode or "ERROR" in done.stderr:
            raise CannotPrepare(
                f"cannot set the password of Postgres' administrator: {done.stderr.strip()}"
            )

    def _check_way_of_postgres(self) -> None:
        """Check that the user `postgres` can reach its data: root's folders may be closed to it."""
        for parent in self.folder.parents:
            if parent.exists() and not parent.stat().st_mode & 0o001:
                raise CannotPrepare(
                    f"the user postgres cannot access {self.folder} through {parent}: export "
                    "TIPS_STACK_FOLDER, a folder elsewhere such as /var/lib/tip-platform"
                )


def _as_postgres(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a Postgres program as the user `postgres`: it refuses to run as root."""
    if os.geteuid() == 0:
        command = [util_linux("runuser"), "-u", "postgres", "--", *command]
    return subprocess.run(command, input=text, capture_output=True, text=True, cwd="/", check=False)


def _s3_keys(known: dict[str, str]) -> str:
    key = {"accessKey": known["s3_key"], "secretKey": known["s3_secret"]}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return json.dumps({"identities": [{"name": "tips", "credentials": [key], "actions": actions}]})


def _write_secret(path: Path, text: str) -> None:
    """Replace a file by one that only its owner may ever read."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
