"""Read the facts of a run from Dagster's event log, as plain data."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg
from dagster._core.events import RunFailureReason  # not exported; nothing else has the reason

from tip_assets.ingestion.landing import LANDED
from tip_assets.metric_store.holds import RELEASABLE, TRAINING_WINDOW_IS_WHOLE
from tip_assets.runtime.instance import TRAINING_JOB, is_ours
from tip_assets.runtime.services import describe_error

PARTITION_TAG = "dagster/partition"
INTERRUPTED = "interrupted; finished steps are kept, run it again"
DECISION = dg.AssetKey("production_model")
INGESTION = dg.AssetKey("raw_tips")
# Tag of a run that took too long: its events do not say why it ended.
ENDED_BECAUSE_TAG = "tips/ended_because"
# Tags that tell a held month from a crash in Dagster's list of runs, where both have failed.
OUTCOME_TAG, HELD_BY_TAG = "tips/outcome", "tips/held_by"
# The progress of an earlier month that needs a person.
HAS_FAILED: Final = "has failed"
EVENTS = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
}


@dataclass(frozen=True)
class CheckFound:
    """The result of a check in a run."""

    check: str
    asset: str
    blocking: bool
    passed: bool
    words: str


@dataclass(frozen=True)
class RunFacts:
    """The materialized assets with time and metadata, the checks, and the failure of a run.

    `failure` is the message of the first failure other than a check's; None without one.
    """

    made: dict[str, datetime] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    checks: list[CheckFound] = field(default_factory=list)
    failure: str | None = None
    timed_out: bool = False

    @property
    def summaries(self) -> dict[str, str]:
        """Return the summary line of each materialized asset."""
        return {asset: facts.get("summary", "") for asset, facts in self.metadata.items()}

    @property
    def interrupted(self) -> bool:
        """Return whether a person interrupted the run."""
        return self.failure is not None and self.failure.endswith(INTERRUPTED)

    @property
    def held(self) -> dict[str, str]:
        """Return the failed blocking checks with their descriptions."""
        return {c.check: c.words for c in self.checks if c.blocking and not c.passed}

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of the finished run: its outcome and the checks that held it."""
        if self.failure:
            return {OUTCOME_TAG: "interrupted" if self.interrupted else "failed"}
        if not self.held:
            decided = self.metadata.get(DECISION.to_user_string(), {})
            return {OUTCOME_TAG: decided.get("action", "done")}
        outcome = "held" if self.held.keys() <= {*RELEASABLE} else "stopped"
        if TRAINING_WINDOW_IS_WHOLE in self.held:
            outcome = "deferred"
        return {OUTCOME_TAG: outcome, HELD_BY_TAG: ", ".join(self.held)}


def run_facts(instance: dg.DagsterInstance, run_id: str) -> RunFacts:
    """Return the facts of a finished run."""
    facts = _facts(instance.all_logs(run_id, of_type=EVENTS))
    run = instance.get_run_by_id(run_id)
    ended_because = run.tags.get(ENDED_BECAUSE_TAG) if run else None
    return replace(facts, failure=ended_because, timed_out=True) if ended_because else facts


def last_training(instance: dg.DagsterInstance, month: str) -> dg.DagsterRun | None:
    """Return the month's newest run of the whole job, with any outcome.

    Runs of single assets or of the ingestion alone do not show the month's progress.
    """
    of_month = dg.RunsFilter(tags={PARTITION_TAG: month})
    for run in filter(is_ours, instance.get_runs(filters=of_month)):
        chosen = run.asset_selection
        if run.job_name == TRAINING_JOB or (chosen and DECISION in chosen):
            return run
    return None


def was_deferred(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Return whether a run ended because earlier months were pending."""
    if run.status != dg.DagsterRunStatus.FAILURE:
        return False
    checks = {dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    return TRAINING_WINDOW_IS_WHOLE in _facts(instance.all_logs(run.run_id, of_type=checks)).held


def last_ingestion(
    instance: dg.DagsterInstance, month: str, before: float | None = None
) -> dg.EventLogRecord | None:
    """Return the event that last ingested a month's landing files; None if there is none.

    `before` limits it to events before a time, in seconds since 1970.
    """
    key = dg.AssetRecordsFilter(
        asset_key=INGESTION, asset_partitions=[month], before_timestamp=before
    )
    records = instance.fetch_materializations(key, limit=1).records
    return records[0] if records and records[0].asset_materialization else None


def ingested(instance: dg.DagsterInstance, month: str, before: float | None = None) -> str | None:
    """Return the digest of a month's last ingested landing files; None if there are none."""
    record = last_ingestion(instance, month, before)
    if record is None or record.asset_materialization is None:
        return None
    landed = record.asset_materialization.metadata.get(LANDED)
    return str(landed.value) if landed else ""


def _facts(entries: Iterable[dg.EventLogEntry]) -> RunFacts:
    made, metadata, checks = {}, {}, []
    of_steps, of_run = [], []
    for entry in entries:
        event = entry.get_dagster_event()
        if event.is_step_materialization:
            asset = event.step_materialization_data.materialization
            name = asset.asset_key.to_user_string()
            made[name] = datetime.fromtimestamp(entry.timestamp, UTC)
            metadata[name] = {key: str(value.value) for key, value in asset.metadata.items()}
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            found = event.asset_check_evaluation_data
            checks.append(
                CheckFound(
                    check=found.check_name,
                    asset=found.asset_key.to_user_string(),
                    blocking=bool(found.blocking),
                    passed=found.passed,
                    words=found.description or "",
                )
            )
        elif event.is_step_failure:
            of_steps.append(_step_failure(event))
        else:
            of_run.append(_run_failure(event))
    # The reason that ended a run says more than the steps it ended.
    failures = [failure for failure in (*of_run, *of_steps) if failure]
    return RunFacts(made, metadata, checks, failures[0] if failures else None)


def _step_failure(event: Any) -> str | None:
    """Describe a failed step; None when only a blocking check failed."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None:
        return f"{event.step_key}: {failure.user_failure_data.description}"
    error = failure.error
    if error is None:
        return f"{event.step_key}: {event.message}"
    problem = describe_error(error)
    if problem:
        return f"{event.step_key}: {problem}"
    # The worker process attaches its traceback to an error as the cause.
    while error.cause is not None and error.cause.cls_name != "_RemoteTraceback":
        error = error.cause
    if error.cls_name == "DagsterAssetCheckFailedError":
        return None
    if error.cls_name == "DagsterExecutionInterruptedError":
        return f"{event.step_key}: {INTERRUPTED}"
    return f"{event.step_key}: {error.message.strip().splitlines()[0]}"


def _run_failure(event: Any) -> str | None:
    """Describe why a run failed; None when it only says that steps failed."""
    if "DagsterExecutionInterruptedError" in (event.message or ""):
        return None
    data = event.job_failure_data if event.is_job_failure else None
    if data is not None and data.failure_reason == RunFailureReason.STEP_FAILURE:
        return None
    if data is not None and data.error is not None:
        if data.error.cls_name == "DagsterExecutionInterruptedError":
            return INTERRUPTED
        return describe_error(data.error) or str(data.error.message.strip().splitlines()[0])
    return event.message or "the run was canceled"
