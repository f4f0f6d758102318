"""Report a finished run: record its outcome in the metric store and send its messages.

Called by `cli/run_month.py` and `automation/run_sensors.py`. Everything has a dedupe key, so that
two callers, or one that was killed and restarted, report once.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES  # not exported

from tip_assets.ingestion.landing import LANDED
from tip_assets.metric_store.holds import RELEASABLE, TRAINING_WINDOW_IS_WHOLE, describe
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import months
from tip_assets.reporting.messages import (
    check_message,
    drift_message,
    failure_message,
    training_message,
)
from tip_assets.reporting.outbox import Message, notifications
from tip_assets.reporting.run_facts import (
    HAS_FAILED,
    PARTITION_TAG,
    TRAINING_JOB,
    RunFacts,
    ingested,
    run_facts,
)
from tip_assets.runtime.instance import is_ours
from tip_assets.runtime.io_managers import JsonFiles
from tip_assets.runtime.published_parameters import publish_parameters
from tip_assets.settings import Settings

LOOKED_BACK = timedelta(days=7)


def report_run(instance: dg.DagsterInstance, run_id: str, settings: Settings) -> list[str]:
    """Record a finished run of a month, send its messages and publish the champion.

    Returns descriptions of failed deliveries. Ignores runs without a month and runs of other jobs.
    """
    record = instance.get_run_record_by_id(run_id)
    month = _month(record.dagster_run) if record else None
    if record is None or month is None:
        return []
    facts, run = run_facts(instance, run_id), record.dagster_run
    instance.add_run_tags(run_id, facts.tags)
    store = MetricStore(url=settings.metric_store_url)
    before = store.last_success(month)
    ended_at = datetime.fromtimestamp(record.end_time or 0, UTC)
    pending = facts.held.get(TRAINING_WINDOW_IS_WHOLE)
    # Another sensor reports successes, and may already have reported the run after a deferred one.
    if pending is None or not store.was_followed(month, ended_at):
        store.record_checks(month, [vars(check) for check in facts.checks])
        store.record_checks(month, _released_checks(month, facts, store, settings))
    outcome = {
        "run_id": run_id,
        "month": month,
        "job": run.job_name,
        "status": run.status.value,
        "ended_at": ended_at,
        "failure": facts.failure,
        "landing_digest": _landing_digest(instance, record, month, facts),
    }
    messages: list[Message] = []
    # A deferred month runs again: it needs no message unless an earlier month needs a person.
    if pending is None or HAS_FAILED in pending:
        messages = _messages(month, facts, settings)
        if facts.failure and not facts.interrupted:
            messages = [*messages, failure_message(month, facts.failure, before)]
    undelivered = notifications(settings).send(*messages)
    if "production_model" in facts.made:
        undelivered = [*undelivered, *publish_parameters(settings)]
    # Last: a run without an outcome is reported again.
    store.record_run(outcome, facts.made)
    return undelivered


def report_missed_runs(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Report our finished runs of the last days that were not reported yet.

    Their process was killed, or the metric store was unavailable. Returns descriptions of failed
    deliveries.
    """
    since = datetime.now(UTC) - LOOKED_BACK
    finished = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_after=since)
    reported = MetricStore(url=settings.metric_store_url).reported_runs()
    missed = [
        run.run_id
        for run in instance.get_runs(finished)
        if run.run_id not in reported and _month(run)
    ]
    return [
        problem for run_id in reversed(missed) for problem in report_run(instance, run_id, settings)
    ]


def _month(run: dg.DagsterRun) -> str | None:
    """Return the month of one of our runs; None for any other run."""
    key = run.tags.get(PARTITION_TAG)
    return key if key and is_ours(run) and months.has_partition_key(key) else None


def _landing_digest(
    instance: dg.DagsterInstance, record: dg.RunRecord, month: str, facts: RunFacts
) -> str:
    """Return the digest of the landing files that a run processed; empty if there is none.

    A run that continues a failed one uses the files that were ingested before it.
    """
    digest = facts.metadata.get("raw_tips", {}).get(LANDED)
    if digest is None and record.dagster_run.job_name == TRAINING_JOB:
        digest = ingested(instance, month, before=record.end_time)
    return digest or ""


def _released_checks(
    month: str, facts: RunFacts, store: MetricStore, settings: Settings
) -> list[dict[str, Any]]:
    """Return the new results of checks that a person overruled: a release runs without them."""
    if "production_model" not in facts.made:
        return []
    decided = _value(settings, "production_model", month)
    if decided["action"] != "released":
        return []
    return [
        {name: check[name] for name in ("check", "asset", "blocking")}
        | {"passed": True, "words": describe(check["words"], decided["reason"])}
        for check in store.checks(month)
        if check["check"] in RELEASABLE and not check["passed"]
    ]


def _messages(month: str, facts: RunFacts, settings: Settings) -> list[Message]:
    return [
        *_model_messages(month, facts, settings),
        *_check_messages(month, facts),
    ]


def _model_messages(month: str, facts: RunFacts, settings: Settings) -> Iterator[Message]:
    if "production_model" in facts.made or (facts.held and "registered_model" in facts.made):
        decided = "production_model" in facts.made
        yield training_message(
            _value(settings, "registered_model", month),
            _value(settings, "production_model", month) if decided else None,
            facts.held,
            _links(facts),
        )
    if "drift_metrics" in facts.made:
        yield drift_message(_value(settings, "drift_metrics", month))


def _links(facts: RunFacts) -> dict[str, str]:
    links = {
        "MLflow run": facts.metadata.get("trained_booster", {}).get("mlflow_run"),
        "version": facts.metadata.get("registered_model", {}).get("mlflow_version"),
        "top run": facts.metadata.get("production_model", {}).get("top_run"),
    }
    return {name: where for name, where in links.items() if where}


def _check_messages(month: str, facts: RunFacts) -> Iterator[Message]:
    for found in facts.checks:
        if found.check in facts.held:
            yield check_message(month, found)


def _value(settings: Settings, asset: str, month: str) -> dict[str, Any]:
    path = settings.storage_root / "assets" / asset / f"{month}.json"
    value: dict[str, Any] = JsonFiles(settings.storage_root).from_bytes(path.read_bytes())
    return value
