"""Every setting of the platform, read from the environment or a Parameter Store.

Settings of servers and of the app are in `servers.py`, facts about the data in `contract.py`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from upath import UPath

from tip_assets.settings.parameter_store import PREFIX
from tip_assets.settings.renamed import RenamedSettings
from tip_assets.settings.servers import TOPIC, ServerSettings
from tip_assets.settings.stored import StoredSettings

REGISTERED_MODEL = "waiter-tips"
TRAINING_EXPERIMENT = "waiter-tips"
DRIFT_EXPERIMENT = "waiter-tips-drift"

# Listings are not cached: others write to the bucket, too. An unreachable bucket raises an error
# within a minute, after retries with backoff.
_S3_OPTIONS: dict[str, Any] = {
    "use_listings_cache": False,
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 30,
        "retries": {"total_max_attempts": 5, "mode": "standard"},
    },
}


class Settings(ServerSettings):
    """The platform's settings; each is the environment variable `TIPS_<NAME>` unless stated."""

    model_config = SettingsConfigDict(
        env_prefix="TIPS_", env_ignore_empty=True, frozen=True, populate_by_name=True
    )

    storage: str = Field("./data", description="Folder or s3:// URL of all files.")
    state: str = Field(
        "",
        description="Folder of local files: SQLite, logs, the outbox. Default: the storage if it "
        "is a folder, else `./data`.",
    )
    metric_store: str = Field(
        "", description="SQLAlchemy URL of the metric store. Default: SQLite in the state folder."
    )
    metric_reader: str = Field(
        "",
        description="URL of the same store with a read-only user, which `tips databases` creates.",
    )
    mlflow_tracking_uri: str = Field(
        "",
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow server or database. Default: SQLite in the state folder.",
    )
    dagster_home: str = Field(
        "",
        validation_alias="DAGSTER_HOME",
        description="Folder of the Dagster instance. Default: `dagster` in the state folder.",
    )
    dagster_storage: str = Field(
        "",
        description="Postgres URL (`postgresql+psycopg2://...`) of Dagster's storage. Default: "
        "SQLite in DAGSTER_HOME.",
    )
    ecs_cluster: str = Field(
        "",
        description="ECS cluster that runs each run as a task. Default: local processes.",
    )
    ecs_task_definition: str = Field(
        "", description="Task definition of these tasks; the container is `run`."
    )
    ecs_subnets: str = Field("", description="Subnets of these tasks.")
    ecs_security_groups: str = Field("", description="Security groups of these tasks.")
    postgres_admin: str = Field(
        "",
        description="Postgres URL of an administrator, for `tips databases`, which then creates "
        "the users. Default: the users exist and own their tables.",
    )
    mlflow_backend: str = Field(
        "",
        validation_alias="MLFLOW_BACKEND_STORE_URI",
        description="Database of the MLflow server, for `tips databases`.",
    )
    engine: Literal["local", "dask"] = Field(
        "local", description="Where files are read and boosters trained: here, or on Dask workers."
    )
    dask_scheduler: str = Field(
        "",
        pattern=r"^((tcp|tls)://\S+)?$",
        description="Address of the Dask scheduler. Default: the run starts workers of its own.",
    )
    first_month: str = Field(
        "2024-01", pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="First monthly partition."
    )
    window_months: int = Field(
        12, ge=1, description="Months of training data, the newest included."
    )
    trials: int = Field(
        50,
        ge=1,
        description="Hyperopt trials a month. The first 20 are random.",
    )
    seed: int = Field(42, ge=0, description="Seed of search, training and resampling.")
    target: Literal["tip_above_share", "tip_rate", "tip"] = Field(
        "tip_above_share",
        description="What the booster learns: dollars above the fitted share of the bill, the tip "
        "rate (`tip_rate`), or the `tip`.",
    )
    search_space: Literal["depth_2", "shallow", "original"] = Field(
        "depth_2",
        description="Trees of depth 2, of depth 1 to 4 (`shallow`), or the `original` system's "
        "space.",
    )
    search_rows: int = Field(
        20_000,
        ge=1_000,
        description="Most training rows of the search; the final fit learns all.",
    )
    fixed_share: float = Field(
        0.15, gt=0, lt=1, description="Share of the bill that the simplest baseline predicts."
    )
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="Confidence level of the intervals of error differences."
    )
    min_rows: int = Field(
        30, ge=2, description="A month with fewer valid rows stops before training."
    )
    max_quarantined_share: float = Field(
        0.2, ge=0, le=1, description="A month with a larger share of refused rows stops."
    )
    max_feedback_share: float = Field(
        0.2,
        ge=0,
        le=0.5,
        description="Largest share of a month's training rows that may be feedback.",
    )
    min_improvement: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="A better challenger's RMSE is shown to be lower by this share.",
    )
    non_inferiority_margin: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="A challenger is not worse if its RMSE is shown to rise by less than this.",
    )
    max_champion_age_months: int = Field(
        6,
        ge=1,
        description="An older champion is replaced by any model that is not worse.",
    )
    versions_kept: int = Field(
        24, ge=2, description="Newest registry versions that are not tagged as archived."
    )
    quiet_months_per_alarm: float = Field(
        120,
        ge=6,
        description="Months without a change per false drift alarm; fewer detect smaller changes.",
    )
    promote_on_confirmed_drift: bool = Field(
        True,
        description="Whether a model that is better on drifted months may serve when drift lasts.",
    )
    sns_topic_arn: str = Field(
        "",
        pattern=TOPIC,
        description="SNS topic of messages. Default: `notifications.jsonl` in the state folder.",
    )
    parameter_prefix: str = Field(
        "",
        pattern=PREFIX,
        description="Prefix in AWS Parameter Store, such as `/tip-platform`.",
    )
    landing_check_seconds: int = Field(
        30, ge=1, description="Seconds between two listings of the landing."
    )
    max_silent_days: float = Field(
        35, gt=0, description="Days without a new landing file until people are notified."
    )
    max_processing_hours: float = Field(
        24,
        gt=0,
        description="Hours from a month's landing to the end of its run, before an alert.",
    )
    max_run_minutes: float = Field(
        60, gt=0, description="A longer run is ended, and people are notified."
    )
    max_report_rows: int = Field(
        20_000, ge=100, description="Most rows of a dataset in an HTML report."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of settings, in order of precedence."""
        renamed = RenamedSettings(settings_cls)
        return init_settings, env_settings, renamed, StoredSettings(settings_cls)

    @property
    def recipe_options(self) -> dict[str, Any]:
        """The options of a recipe, apart from its rows (`modelling/recipe.py`)."""
        names = {"trials", "seed", "target", "fixed_share", "confidence", "engine"}
        return self.model_dump(include=names | {"search_space", "search_rows"})

    @property
    def comparison_options(self) -> dict[str, Any]:
        """The options of a comparison of two models (`modelling/comparison.py`)."""
        return {
            "confidence": self.confidence,
            "seed": self.seed,
            "min_improvement": self.min_improvement,
            "margin": self.non_inferiority_margin,
        }

    @property
    def storage_root(self) -> UPath:
        """The storage as a path; a relative folder is resolved against the current directory."""
        return path_of(self.storage)

    @property
    def state_folder(self) -> Path:
        """The folder for what must be local, by the setting `state`."""
        if self.state:
            return Path(self.state).resolve()
        root = self.storage_root
        return Path("data").resolve() if root.protocol == "s3" else Path(root.path)

    @property
    def metric_store_url(self) -> str:
        return self.metric_store or f"sqlite:///{self.state_folder / 'metrics.db'}"

    @property
    def tracking_uri(self) -> str:
        return self.mlflow_tracking_uri or f"sqlite:///{self.state_folder / 'mlflow.db'}"

    @property
    def mlflow_ui_url(self) -> str:
        if self.mlflow_ui:
            return self.mlflow_ui.rstrip("/")
        if self.mlflow_tracking_uri.startswith("http"):
            return self.mlflow_tracking_uri.rstrip("/")
        return f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def dagster_ui_url(self) -> str:
        return self.dagster_ui.rstrip("/") or f"http://127.0.0.1:{self.dagster_port}"

    @property
    def app_url(self) -> str:
        return self.app_ui.rstrip("/") or f"http://127.0.0.1:{self.app_port}"

    @property
    def outbox(self) -> Path:
        """The file of notifications when there is no SNS topic: one JSON object per line."""
        return self.state_folder / "notifications.jsonl"

    @property
    def dagster_folder(self) -> Path:
        return Path(self.dagster_home or self.state_folder / "dagster").resolve()


def path_of(place: str) -> UPath:
    """Return a file or folder, local or `s3://`; a local one is made absolute."""
    if place.startswith("s3://"):
        return UPath(place, **_S3_OPTIONS)
    return UPath(Path(place).resolve())


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process; the environment is read once."""
    return Settings()
