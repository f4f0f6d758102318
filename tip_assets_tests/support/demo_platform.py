"""A platform in a folder of its own, driven by `tips` as a user types it."""

import hashlib
import json
import sqlite3
import subprocess
from pathlib import Path

import mlflow

from tip_assets.settings import DRIFT_EXPERIMENT, TRAINING_EXPERIMENT, Settings
from tip_assets_tests.support.processes import call, environment_of

TRIALS = 8
# When what was run: of the metric store's tables, only these change with every run.
LOGS_OF_OPERATION = ("run_outcome", "asset_success")


class Platform:
    """A platform in a folder of its own, driven by `tips`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = environment_of(folder, TIPS_TRIALS=str(TRIALS))
        uri = Settings(storage=str(folder)).tracking_uri
        self.client = mlflow.MlflowClient(uri, uri)

    def tips(self, *arguments: str, code: int = 0) -> str:
        """Run a command, assert its exit code, give what it printed."""
        return self._printed(call(arguments, self.environment), code)

    @staticmethod
    def _printed(done: subprocess.CompletedProcess[str], code: int) -> str:
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert "Warning" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def value(self, asset: str, month: str) -> dict:
        return json.loads((self.folder / "assets" / asset / f"{month}.json").read_text())

    def runs(self, experiment: str, wanted: str = "") -> list:
        found = self.client.get_experiment_by_name(experiment)
        return self.client.search_runs([found.experiment_id], wanted, max_results=1000)

    def aliases(self) -> dict:
        (model,) = self.client.search_registered_models()
        return {alias: int(version) for alias, version in model.aliases.items()}

    def visible_state(self) -> dict:
        """Everything a reader can see: bytes, versions, aliases, runs, rows."""
        files = {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for kind in ("assets", "reports", "quarantine")
            for path in sorted((self.folder / kind).rglob("*.*"))
        }
        with sqlite3.connect(self.folder / "metrics.db") as connection:
            tables = [
                row[0]
                for row in connection.execute("select name from sqlite_master where type = 'table'")
            ]
            stored = {
                table: sorted(map(str, connection.execute(f'select * from "{table}"')))
                for table in tables
                if not table.startswith("sqlite_") and table not in LOGS_OF_OPERATION
            }
        versions = self.client.search_model_versions("", max_results=1000)
        return {
            "files": files,
            "rows": stored,
            "aliases": self.aliases(),
            "versions": sorted((v.version, str(v.tags), v.source) for v in versions),
            "runs": sorted(
                (run.info.run_id, run.info.status, str(run.data.metrics), run.info.end_time)
                for experiment in (TRAINING_EXPERIMENT, DRIFT_EXPERIMENT)
                for run in self.runs(experiment)
            ),
        }
