"""A storage with a Dagster instance, in which months land and runs are where a test says.

Belongs here: that place, for the tests of the sensor, the schedule and the order of months.
"""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from upath import UPath

from tip_assets.automation.landing_sensor import landing_sensor
from tip_assets.automation.run_order import pending_months
from tip_assets.automation.schedules import monthly_schedule
from tip_assets.ingestion.landing import LANDED, landing_digests, landing_folder
from tip_assets.metric_store.holds import TRAINING_WINDOW_IS_WHOLE
from tip_assets.metric_store.store import MetricStore
from tip_assets.reporting.run_facts import PARTITION_TAG
from tip_assets.runtime.storage import write_atomically
from tip_assets.settings import Settings

WHOLE, INGESTION = "monthly_retraining_job", "ingestion_job"
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
# Dagster wants to know where a queued run comes from; one that was not launched yet needs nothing.
STARTED, QUEUED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED
CODE = JobPythonOrigin(
    WHOLE,
    RepositoryPythonOrigin("python", ModuleCodePointer("tip_assets.definitions", "defs")),
)


class Place:
    """A storage with a Dagster instance, and the landing sensor on it."""

    def __init__(self, folder: Path) -> None:
        self.storage = UPath(folder / "storage")
        self.settings = Settings(storage=str(folder / "storage"))
        self.instance = dg.DagsterInstance.ephemeral()
        self.store = MetricStore(url=self.settings.metric_store_url)
        self.cursor: str | None = None

    def land(self, month: str, name: str = "tips.csv", content: bytes = b"x") -> None:
        write_atomically(landing_folder(self.storage, month) / name, content)

    def ingest(self, month: str) -> None:
        """What a run of the month leaves behind."""
        digest = landing_digests(self.storage)[month]
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization("raw_tips", partition=month, metadata={LANDED: digest})
        )

    def tick(self) -> list[tuple[str, str]]:
        """The jobs and months that the sensor asks for once it has seen the landing twice."""
        self.look()
        return self.look()

    def look(self) -> list[tuple[str, str]]:
        """The jobs and months that one tick of the sensor asks for."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"settings": self.settings, "metric_store": self.store},
        ) as context:
            result = landing_sensor(context)
        self.cursor = result.cursor
        self.keys = [request.run_key for request in result.run_requests]
        self.events = [event.partition for event in result.asset_events]
        assert bool(result.run_requests) != bool(result.skip_reason)
        return [(request.job_name, request.partition_key) for request in result.run_requests]

    def run(
        self, month: str, status: dg.DagsterRunStatus, tags: dict | None = None
    ) -> dg.DagsterRun:
        """A run of the month that is where `status` says."""
        run = dg.DagsterRun(
            job_name=WHOLE,
            status=status,
            tags={PARTITION_TAG: month, **(tags or {})},
            job_code_origin=CODE,
        )
        return self.instance.add_run(run)

    def defer(self, month: str) -> dg.DagsterRun:
        """A run of the month that its check has stopped, since earlier months are pending."""
        run = self.run(month, FAILURE)
        found = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("splits"),
            check_name=TRAINING_WINDOW_IS_WHOLE,
            passed=False,
            metadata={},
            blocking=True,
        )
        event = dg.DagsterEvent("ASSET_CHECK_EVALUATION", WHOLE, event_specific_data=found)
        self.instance.report_dagster_event(event, run.run_id)
        return run

    def decide(self, month: str) -> None:
        """What a decision on the month's model leaves behind."""
        self.store.record_decision(
            {
                "cause": f"decision {month}",
                "month": month,
                "at": datetime.now(UTC),
                "action": "kept",
                "challenger": 1,
                "champion_before": 1,
                "champion_after": 1,
                "reason": "not enough evidence",
                "person": None,
            }
        )
        write_atomically(self.storage / "assets" / "splits" / f"{month}.parquet", b"rows")

    def pending(self, month: str) -> dict[str, str]:
        return pending_months(self.instance, self.settings, self.store, month)

    def scheduled(self, at: datetime) -> dg.RunRequest | dg.SkipReason:
        with dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=at,
            resources={"settings": self.settings, "metric_store": self.store},
        ) as context:
            return monthly_schedule(context)
