"""Run a month's Dagster jobs in this process, for the command line."""

import atexit
import gc
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tip_assets.cli.console import Progress, progress
from tip_assets.cli.interruption import at_most, repeated_interrupts
from tip_assets.metric_store.store import PERSON_TAG
from tip_assets.runtime.instance import (
    PROCESS_TAG,
    RELEASE_JOB,
    TRAINING_JOB,
    close_dead_runs,
    prepare_instance,
    process_mark,
)
from tip_assets.runtime.run_logging import noise_to
from tip_assets.settings import Settings

_LOOK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Outcome:
    """How a run of a month ended.

    `values` are the values of the assets that were made. `held` maps failed blocking checks to
    their descriptions; `failure` is the message of a step that failed for another reason.
    `champion` is the version that serves after the run. `interrupted`: a person or the time limit
    ended it. `undelivered` describes notifications that were not delivered and parameters that were
    not written.
    """

    month: str
    seconds: float
    values: dict[str, Any]
    summaries: dict[str, str]
    held: dict[str, str]
    failure: str | None
    champion: int | None
    interrupted: bool
    undelivered: list[str]
    log: Path

    @property
    def is_held(self) -> bool:
        """Whether a check, or the decision itself, held the promotion."""
        decided = self.values.get("production_model", {})
        return bool(self.held) or decided.get("action") == "held"

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain data, without the full trials and reports."""
        shown = ("registered_model", "drift_metrics", "production_model")
        ending = "failed" if self.failure else "held" if self.is_held else "done"
        return {
            "month": self.month,
            "ending": ending,
            "seconds": round(self.seconds, 1),
            "champion": self.champion,
            "failure": self.failure,
            "held": self.held,
            "not_told": self.undelivered,
            "summaries": self.summaries,
            **{name: self.values[name] for name in shown if name in self.values},
        }


@contextmanager
def in_order(settings: Settings, month: str) -> Iterator[list[str]]:
    """Yield the months to run, oldest first: pending earlier months, and the month itself.

    Earlier months that have landed are run first if they were never run or were deferred. No other
    command runs a month during the block. Raises Held during an upgrade.
    """
    with _one_command(settings):
        with noise_to(log_file(settings, month)):
            import dagster as dg

            from tip_assets.automation.run_order import pending_months, without_a_run
            from tip_assets.metric_store.store import MetricStore
            from tip_assets.runtime.drain import check_not_held

            store = MetricStore(url=settings.metric_store_url)
            with dg.DagsterInstance.get() as instance:
                check_not_held(instance)
                close_dead_runs(instance)
                pending = pending_months(instance, settings, store, month)
        yield [*without_a_run(pending), month]


def run_month(settings: Settings, month: str, quiet: bool = False) -> Outcome:
    """Run every asset and check of a month; `quiet` shows progress on stderr."""
    return _execute(settings, month, TRAINING_JOB, {}, {}, quiet)


def release(
    settings: Settings, month: str, reason: str, person: str, quiet: bool = False
) -> Outcome:
    """Materialize the promotion of a held month with a reason."""
    config = {"ops": {"production_model": {"config": {"reason": reason}}}}
    return _execute(settings, month, RELEASE_JOB, config, {PERSON_TAG: person}, quiet)


def log_file(settings: Settings, month: str) -> Path:
    """Return the log file for libraries' output of a month's runs."""
    return settings.state_folder / "logs" / f"{month}.log"


def _execute(
    settings: Settings,
    month: str,
    job_name: str,
    config: dict[str, Any],
    tags: dict[str, str],
    quiet: bool,
) -> Outcome:
    started = time.monotonic()
    log, stream = log_file(settings, month), sys.stderr if quiet else sys.stdout
    _collect_less_garbage()
    with _one_command(settings), progress(stream) as shown, noise_to(log):
        import dagster as dg

        from tip_assets.reporting.report_run import report_missed_runs
        from tip_assets.reporting.run_facts import run_facts

        with dg.DagsterInstance.get() as instance:
            close_dead_runs(instance)
            run_id = str(uuid.uuid4())
            result = _play(settings, instance, shown, run_id, month, job_name, config, tags)
            undelivered = report_missed_runs(instance, settings)
            facts = run_facts(instance, run_id)
            decided = facts.made.keys() & {"registered_model", "production_model"}
            return Outcome(
                month=month,
                seconds=time.monotonic() - started,
                values={name: result.asset_value(name) for name in facts.made} if result else {},
                summaries=facts.summaries,
                held=facts.held,
                failure=facts.failure if result else facts.failure or "interrupted",
                champion=_champion(settings) if decided else None,
                interrupted=result is None or facts.interrupted or facts.timed_out,
                undelivered=undelivered,
                log=log,
            )


@contextmanager
def _one_command(settings: Settings) -> Iterator[None]:
    """Lock this machine against other commands that run a month; waits for a running one.

    The lock is released when its process ends. The daemon's runs do not take it: the check of the
    run order defers a month that conflicts with one.
    """
    prepare_instance(settings)
    # A singleton lock is reentrant in its process.
    lock = FileLock(settings.dagster_folder / ".command.lock", is_singleton=True)
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        sys.stderr.write("Another command is running a month. Waiting until it has ended.\n")
        held = lock.acquire(poll_interval=_LOOK_AGAIN_SECONDS)
    with held:
        yield


def _play(
    settings: Settings,
    instance: Any,
    shown: Progress,
    run_id: str,
    month: str,
    job_name: str,
    config: dict[str, Any],
    tags: dict[str, str],
) -> Any:
    """Execute a job of the month; returns None when it was interrupted between steps."""
    from tip_assets.definitions import defs
    from tip_assets.reporting.run_facts import ENDED_BECAUSE_TAG

    job, result = defs().resolve_job_def(job_name), None
    shown.assets = len(job.asset_layer.selected_asset_keys)
    with (
        at_most(settings.max_run_minutes) as limit,
        suppress(KeyboardInterrupt),
        repeated_interrupts(),
    ):
        result = job.execute_in_process(
            partition_key=month,
            instance=instance,
            run_config={"loggers": {"progress": {}}, **config},
            tags={PROCESS_TAG: process_mark(), **tags},
            raise_on_error=False,
            run_id=run_id,
        )
        _write_errors(result)
    _close(instance, run_id, str(limit) if limit.exceeded else "interrupted")
    if limit.exceeded:
        instance.add_run_tags(run_id, {ENDED_BECAUSE_TAG: str(limit)})
    return result


def _close(instance: Any, run_id: str, message: str) -> None:
    """Close a run that was interrupted between two steps, which Dagster does not detect."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_failed(run, message)


def _collect_less_garbage() -> None:
    """Collect garbage less often: imports create millions of permanent objects.

    Visiting them again and again costs 1 s per month, and another second at exit.
    """
    gc.set_threshold(200_000, 50, 50)
    atexit.register(gc.freeze)


def _champion(settings: Settings) -> int | None:
    from tip_assets.runtime.resources import mlflow_tracking
    from tip_assets.tracking.registry import CHAMPION, ModelRegistry

    champion = ModelRegistry(mlflow_tracking(settings).client).by_alias(CHAMPION)
    return champion.number if champion else None


def _write_errors(result: Any) -> None:
    """Write full errors to the month's log; the summary has the first one in one line."""
    for event in result.get_step_failure_events():
        error = event.step_failure_data.error
        if error is not None:
            sys.stderr.write(error.to_string())
