"""Running a month in this process, as the command line does.

Belongs here: executing Dagster's jobs and telling how they ended. Does not belong here: printing.
"""

import atexit
import gc
import sys
import time
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
    `champion` is the version that serves after the run.
    """

    month: str
    seconds: float
    values: dict[str, Any]
    summaries: dict[str, str]
    held: dict[str, str]
    failure: str | None
    champion: int | None
    log: Path

    @property
    def is_held(self) -> bool:
        """Whether a check, or the decision itself, held the promotion."""
        decided = self.values.get("production_model", {})
        return bool(self.held) or decided.get("action") == "held"


def run_month(settings: Settings, month: str) -> Outcome:
    """Run every asset and check of a month."""
    return _execute(settings, month, "monthly_retraining_job", {})


def release(settings: Settings, month: str, reason: str, person: str) -> Outcome:
    """Materialize the promotion of a held month with a reason."""
    config = {"ops": {"production_model": {"config": {"reason": reason}}}}
    return _execute(settings, month, "release_job", config, {PERSON_TAG: person})


def log_file(settings: Settings, month: str) -> Path:
    """Where libraries' output of a month's runs goes."""
    return settings.state_folder / "logs" / f"{month}.log"


def _execute(
    settings: Settings,
    month: str,
    job_name: str,
    config: dict[str, Any],
    tags: dict[str, str] | None = None,
) -> Outcome:
    started = time.monotonic()
    log = log_file(settings, month)
    assets = MONTH_ASSETS if job_name == "monthly_retraining_job" else RELEASE_ASSETS
    prepare_instance(settings)
    _collect_less_garbage()
    with progress(assets), noise_to(log):
        import dagster as dg

        from tip_assets.definitions import defs

        with dg.DagsterInstance.get() as instance:
            close_dead_runs(instance)
            result = (
                defs()
                .resolve_job_def(job_name)
                .execute_in_process(
                    partition_key=month,
                    instance=instance,
                    run_config={"loggers": {"progress": {}}, **config},
                    tags={PROCESS_TAG: process_mark(), **(tags or {})},
                    raise_on_error=False,
                )
            )
            summaries = _summaries(result)
            return Outcome(
                month=month,
                seconds=time.monotonic() - started,
                values={name: result.asset_value(name) for name in summaries},
                summaries=summaries,
                held=_held(result),
                failure=_failure(result),
                champion=_champion(settings)
                if summaries.keys() & {"registered_model", "production_model"}
                else None,
                log=log,
            )


def _collect_less_garbage() -> None:
    """Importing the libraries makes millions of objects that stay.

    Looking through them again and again costs 1 s of a month, and once more at exit another.
    """
    gc.set_threshold(200_000, 50, 50)
    atexit.register(gc.freeze)


def _summaries(result: Any) -> dict[str, str]:
    made = {}
    for event in result.get_asset_materialization_events():
        summary = event.materialization.metadata.get("summary")
        made[event.asset_key.to_user_string()] = str(summary.value) if summary else ""
    return made


def _champion(settings: Settings) -> int | None:
    from tip_assets.definitions import mlflow_tracking
    from tip_assets.resources.model_registry import CHAMPION, ModelRegistry

    champion = ModelRegistry(mlflow_tracking(settings).client).by_alias(CHAMPION)
    return champion.number if champion else None


def _held(result: Any) -> dict[str, str]:
    return {
        check.check_name: check.description or ""
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.blocking
    }


def _failure(result: Any) -> str | None:
    """The first failed step in words; None if none failed or only blocking checks did."""
    for event in result.get_step_failure_events():
        failure = event.step_failure_data
        if failure.error is not None:
            # Where the log of the month goes: what is told in a line here stands there in full.
            sys.stderr.write(failure.error.to_string())
        if failure.user_failure_data is not None:
            return f"{event.step_key}: {failure.user_failure_data.description}"
        error = failure.error
        while error.cause is not None:
            error = error.cause
        if error.cls_name == "DagsterExecutionInterruptedError":
            return f"{event.step_key}: interrupted; what was done stays, run it again"
        if error.cls_name != "DagsterAssetCheckFailedError":
            first_line = error.message.strip().splitlines()[0]
            return f"{event.step_key}: {first_line}"
    return None
