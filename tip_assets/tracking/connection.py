"""Connect to MLflow: experiments, and runs opened within one asset.

dagster-mlflow is used only inside a step. Its resource opens one MLflow run per Dagster run, with
three problems (dagster-mlflow 0.29). Without its hook the run stays open, and the next Dagster run
of the same process logs into it. With its hook, any failed step ends the run. Importing it imports
MLflow, which must not happen when the definitions load.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from tip_assets.settings import REGISTERED_MODEL
from tip_assets.tracking.descriptions import EXPERIMENTS, NOTE

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Read when MLflow is imported, which may happen before this resource is used.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Fail after a minute and a half if the server hangs; MLflow's default is fifteen minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
# MLflow's own name for the variable that the AWS SDK and s3fs read.
if "AWS_ENDPOINT_URL_S3" in os.environ:
    os.environ.setdefault("MLFLOW_S3_ENDPOINT_URL", os.environ["AWS_ENDPOINT_URL_S3"])


class MlflowTracking(dg.ConfigurableResource):
    """MLflow by its tracking URI; experiments keep their artifacts under `artifact_root`.

    `ui_url` is the address of MLflow's UI.
    """

    tracking_uri: str
    artifact_root: str
    ui_url: str

    @cached_property
    def client(self) -> "MlflowClient":
        """The MLflow client; the first use imports MLflow and creates an SQLite database."""
        import mlflow

        prepare_tracking_database(self.tracking_uri)
        mlflow.set_tracking_uri(self.tracking_uri)
        return mlflow.MlflowClient(self.tracking_uri, self.tracking_uri)

    def experiment_id(self, name: str) -> str:
        """Return the id of an experiment; creates it if missing."""
        from mlflow.exceptions import MlflowException

        description, found = EXPERIMENTS[name], self.client.get_experiment_by_name(name)
        if found is not None:
            if found.tags.get(NOTE) != description:
                self.client.set_experiment_tag(found.experiment_id, NOTE, description)
            return str(found.experiment_id)
        try:
            # Without its kind, MLflow's UI shows an experiment as one of language models.
            tags = {"mlflow.experimentKind": "custom_model_development", NOTE: description}
            return self.client.create_experiment(name, f"{self.artifact_root}/{name}", tags=tags)
        except MlflowException:
            # Another process may have created it meanwhile.
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)

    def run_link(self, experiment: str, run_id: str) -> dg.MetadataValue:
        """Return a link to a run."""
        page = f"#/experiments/{self.experiment_id(experiment)}/runs/{run_id}"
        return dg.MetadataValue.url(f"{self.ui_url}/{page}")

    def version_link(self, number: int) -> dg.MetadataValue:
        """Return a link to a registry version."""
        return dg.MetadataValue.url(f"{self.ui_url}/#/models/{REGISTERED_MODEL}/versions/{number}")

    @contextmanager
    def run_within(
        self, context: dg.AssetExecutionContext, experiment: str, run_id: str, tags: dict[str, str]
    ) -> Iterator[Any]:
        """Open an existing MLflow run during a step; yields dagster-mlflow's resource.

        The run is marked failed when the step raises, else finished.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            from dagster_mlflow import mlflow_tracking

        config = {
            "experiment_name": experiment,
            "mlflow_tracking_uri": self.tracking_uri,
            "mlflow_run_id": run_id,
            "env": {},
            "extra_tags": tags,
        }
        with dg.build_resources(
            {"mlflow": mlflow_tracking},
            instance=context.instance,
            resource_config={"mlflow": {"config": config}},
            dagster_run=context.run,
        ) as resources:
            status = "FAILED"
            try:
                yield resources.mlflow
                status = "FINISHED"
            finally:
                resources.mlflow.end_run(status)


def prepare_tracking_database(tracking_uri: str) -> None:
    """Create an SQLite tracking database if missing; ignores other URIs.

    Copies the template atomically, so that concurrent processes do not conflict.
    """
    database = Path(tracking_uri.removeprefix("sqlite:///"))
    if not tracking_uri.startswith("sqlite:///") or database.exists():
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=database.parent, prefix=".mlflow-") as folder:
        copy = Path(folder) / "mlflow.db"
        shutil.copyfile(migrated_template(), copy)
        # Unlike a rename, a link never replaces a file that another process created meanwhile.
        with contextlib.suppress(FileExistsError):
            os.link(copy, database)


def migrated_template() -> Path:
    """Return an empty SQLite database with the installed MLflow's schema; creates it if missing.

    MLflow's migrations take 1.5 s from an empty file. They run once, when the platform is set up,
    and every new database starts as a copy. It uses a write-ahead log, as Dagster's and the metric
    store do: fifty trials are written in about half the time, and readers do not wait.
    """
    template = Path(sys.prefix) / "share" / "tip-platform" / f"mlflow-{version('mlflow')}-wal.db"
    if template.exists():
        return template
    template.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=template.parent) as folder:
        made = Path(folder) / "mlflow.db"
        upgrade = [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{made}"]
        subprocess.run(upgrade, check=True, capture_output=True)
        with contextlib.closing(sqlite3.connect(made)) as database:
            database.execute("PRAGMA journal_mode = WAL")  # kept in the file
        made.replace(template)
    return template
