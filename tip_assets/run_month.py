"""Running a month in this process, as the command line does.

Belongs here: executing Dagster's jobs and telling how they ended. Does not belong here: printing.
"""

import atexit
import gc
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tip_assets.console import noise_to, progress
from tip_assets.instance import (
    PROCESS_TAG,
    close_dead_runs,
    prepare_instance,
    process_mark,
)
from tip_assets.resources.metric_store import PERSON_TAG
from tip_assets.settings import Settings

MONTH_ASSETS, RELEASE_ASSETS = 9, 3


@dataclass(frozen=True)
class Outcome:
    """How a run of a month ended.

    `values` are the values of the assets that were made. `held` are blocking checks that failed,
    by name, with their words; `failure` the words of a step that failed for another reason.
    `champion` is the version that serves after the run. `not_told` are notifications that could
    not be delivered, in words.
    """

    month: str
    seconds: float
    values: dict[str, Any]
    summaries: dict[str, str]
    held: dict[str, str]
    failure: str | None
    champion: int | None
    not_told: list[str]
    log: Path

    @property
    def is_held(self) -> bool:
        """Whether a check, or the decision itself, held the promotion."""
        decided = self.values.get("production_model", {})
        return bool(self.held) or decided.get("action") == "held"

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain data, without what the trials and reports hold in full."""
        shown = ("registered_model", "drift_metrics", "production_model")
        ending = "failed" if self.failure else "held" if self.is_held else "done"
        return {
            "month": self.month,
            "ending": ending,
            "seconds": round(self.seconds, 1),
            "champion": self.champion,
            "failure": self.failure,
            "held": self.held,
            "not_told": self.not_told,
            "summaries": self.summaries,
            **{name: self.values[name] for name in shown if name in self.values},
        }


def run_month(settings: Settings, month: str, quiet: bool = False) -> Outcome:
    """Run every asset and check of a month; `quiet` shows progress on stderr."""
    return _execute(settings, month, "monthly_retraining_job", {}, {}, quiet)


def release(
    settings: Settings, month: str, reason: str, person: str, quiet: bool = False
) -> Outcome:
    """Materialize the promotion of a held month with a reason."""
    config = {"ops": {"production_model": {"config": {"reason": reason}}}}
    return _execute(settings, month, "release_job", config, {PERSON_TAG: person}, quiet)


def log_file(settings: Settings, month: str) -> Path:
    """Where libraries' output of a month's runs goes."""
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
    log = log_file(settings, month)
    assets = MONTH_ASSETS if job_name == "monthly_retraining_job" else RELEASE_ASSETS
    prepare_instance(settings)
    _collect_less_garbage()
    with progress(assets, sys.stderr if quiet else sys.stdout), noise_to(log):
        import dagster as dg

        from tip_assets.definitions import defs
        from tip_assets.reporting import report_run
        from tip_assets.run_facts import run_facts

        with dg.DagsterInstance.get() as instance:
            not_told = [
                words
                for run_id in close_dead_runs(instance)
                for words in report_run(instance, run_id, settings)
            ]
            with _at_most(settings.most_run_minutes):
                result = (
                    defs()
                    .resolve_job_def(job_name)
                    .execute_in_process(
                        partition_key=month,
                        instance=instance,
                        run_config={"loggers": {"progress": {}}, **config},
                        tags={PROCESS_TAG: process_mark(), **tags},
                        raise_on_error=False,
                    )
                )
            not_told += report_run(instance, result.run_id, settings)
            facts = run_facts(instance, result.run_id)
            _write_errors(result)
            return Outcome(
                month=month,
                seconds=time.monotonic() - started,
                values={name: result.asset_value(name) for name in facts.made},
                summaries=facts.summaries,
                held=facts.held,
                failure=facts.failure,
                champion=_champion(settings)
                if facts.made.keys() & {"registered_model", "production_model"}
                else None,
                not_told=not_told,
                log=log,
            )


@contextmanager
def _at_most(minutes: float) -> Iterator[None]:
    """End what runs longer: the daemon, which ends its own runs, does not know this process."""

    def too_long(*_: object) -> None:
        raise TimeoutError(f"the run took longer than {minutes:g} minutes (TIPS_MOST_RUN_MINUTES)")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, minutes * 60)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _collect_less_garbage() -> None:
    """Importing the libraries makes millions of objects that stay.

    Looking through them again and again costs 1 s of a month, and once more at exit another.
    """
    gc.set_threshold(200_000, 50, 50)
    atexit.register(gc.freeze)


def _champion(settings: Settings) -> int | None:
    from tip_assets.definitions import mlflow_tracking
    from tip_assets.resources.model_registry import CHAMPION, ModelRegistry

    champion = ModelRegistry(mlflow_tracking(settings).client).by_alias(CHAMPION)
    return champion.number if champion else None


def _write_errors(result: Any) -> None:
    """Into the log of the month, in full: the summary tells the first in a line."""
    for event in result.get_step_failure_events():
        error = event.step_failure_data.error
        if error is not None:
            sys.stderr.write(error.to_string())
