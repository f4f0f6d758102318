"""The summary at the end of a run: findings, decision, next commands."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.metric_store.holds import RELEASABLE, TRAINING_WINDOW_IS_WHOLE
from tip_assets.reporting.lines import drift_lines, model_lines
from tip_assets.runtime.storage import quarantine_file, report_folder
from tip_assets.settings import Settings

if TYPE_CHECKING:
    from tip_assets.cli.run_month import Outcome


def summary(outcome: "Outcome", settings: Settings) -> str:
    """Return the summary of a month's run."""
    lines = [
        "",
        f"{outcome.month}: {_ending(outcome)} ({outcome.seconds:.0f} s)",
        "",
        *_facts(outcome, settings),
        "",
        *_next(outcome, settings),
    ]
    return "\n".join(lines)


def _ending(outcome: "Outcome") -> str:
    if outcome.failure:
        return "FAILED"
    if TRAINING_WINDOW_IS_WHOLE in outcome.held:
        return "DEFERRED, an earlier month goes first"
    return "HELD, no champion was changed" if outcome.is_held else "done"


def _facts(outcome: "Outcome", settings: Settings) -> Iterator[str]:
    if outcome.failure:
        yield f"  error        {outcome.failure}"
        yield f"  full log     {outcome.log}"
    for problem in outcome.undelivered:
        yield f"  undelivered  {problem}"
    if "raw_tips" in outcome.summaries:
        yield f"  rows         {outcome.summaries['raw_tips']}"
        refused = outcome.summaries["raw_tips"]
        if " 0 quarantined" not in refused or "unreadable" in refused:
            yield f"  quarantine   {quarantine_file(settings.storage_root, outcome.month)}"
    registered = outcome.values.get("registered_model")
    if registered:
        yield from model_lines(registered)
    for check, description in outcome.held.items():
        yield f"  held by      {check}: {description}"
    decided = outcome.values.get("production_model")
    if decided:
        yield f"  verdict      {decided['action']}: {decided['reason']}"
    if registered or decided:
        serving = f"version {outcome.champion}" if outcome.champion else "none yet"
        yield f"  champion     {serving}"
    if "drift_metrics" in outcome.values:
        yield from drift_lines(outcome.values["drift_metrics"])
    if "drift_report" in outcome.values:
        folder = report_folder(settings.storage_root, outcome.month)
        yield f"  reports      {folder}/"
        yield f"               {', '.join(f'{name}.html' for name in REPORTS)}"


def _next(outcome: "Outcome", settings: Settings) -> Iterator[str]:
    """Yield the next commands, aligned with their meanings."""
    month, tips = f"--month {outcome.month}", ".venv/bin/tips"
    has_servers = bool(settings.dagster_storage)
    steps = [] if has_servers else [("make up", "open it in Dagster, MLflow and the app")]
    if outcome.is_held and outcome.held.keys() <= set(RELEASABLE):
        steps.append((f"{tips} release {month} --reason '...'", "release the model"))
    elif outcome.held or outcome.failure:
        steps.append((f"{tips} checks {month}", "what every check found"))
        steps.append((f"{tips} quarantine {month}", "what was refused, and why"))
        steps.append((f"{tips} run {month}", "after the cause is fixed"))
    else:
        if not has_servers:
            steps.append(("make demo", "run three more months"))
        steps.append((f"{tips} predict FILE.csv", "predict tips with the champion"))
        steps.append((f"{tips} history", "which model served when, and why"))
    width = max(len(command) for command, _ in steps)
    for place, (command, meaning) in enumerate(steps):
        yield f"  {'next' if not place else '':<11}  {command:<{width}}   {meaning}"
