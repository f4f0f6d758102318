"""Messages to people about a month, each with its dedupe key.

`report_run.py` finds the facts, `outbox.py` delivers the messages.
"""

import hashlib
from typing import Any

from tip_assets.metric_store.holds import RELEASABLE
from tip_assets.reporting.lines import drift_lines, model_lines
from tip_assets.reporting.outbox import Message
from tip_assets.reporting.run_facts import CheckFound

# The assets whose blocking checks stop a promotion; the others stop the month before training.
HOLDING_ASSETS = ("registered_model", "drift_metrics")


def training_message(
    registered: dict[str, Any],
    decided: dict[str, Any] | None,
    held: dict[str, str],
    links: dict[str, str],
) -> Message:
    """Return the message about a month's model: errors, verdict, champion. `links` lead further."""
    month, version = registered["month"], registered["version"]
    if decided:
        action, verdict = decided["action"], f"{decided['action']}: {decided['reason']}"
        champion = f"version {decided['champion_after'] or 'none'}"
    else:
        incumbent = registered["incumbent"]
        action = "held"
        verdict = "held: " + "; ".join(
            f"{check}: {description}" for check, description in held.items()
        )
        champion = f"version {incumbent['version']}" if incumbent else "none yet"
    lines = [
        f"Month {month}",
        f"  verdict      {verdict}",
        f"  champion     {champion}",
        *model_lines(registered),
        *(f"  {name:<12} {where}" for name, where in links.items()),
    ]
    return Message(
        cause=f"training {month} version {version} {action}",
        kind="training",
        month=month,
        subject=f"Waiter tip prediction training results {month}: {action}",
        text="\n".join(lines),
    )


def drift_message(drift: dict[str, Any]) -> Message:
    """Return the message about a month's drift, with the score of every column."""
    month = drift["month"]
    columns = [column for column in drift["columns"] if column["role"] != "prediction"]
    found = sum(column["drifted"] for column in columns)
    results = [(c["column"], round(c["score"], 3), c["drifted"]) for c in columns]
    if found:
        verdict = f"{found} data drift{'s are' if found > 1 else ' is'} detected."
    else:
        verdict = "No data drift has been detected."
    return Message(
        cause=f"drift {month} {_digest(results)}",
        kind="drift",
        month=month,
        subject=f"Waiter tip prediction data drift {month}: {found} of {len(columns)} columns",
        text="\n".join([f"{verdict} Results are: {results}", "", *drift_lines(drift)]),
    )


def check_message(month: str, found: CheckFound) -> Message:
    """Return the message about a failed blocking check: what it found and stopped, what to do."""
    holds = found.asset in HOLDING_ASSETS
    what, do = what_it_stops(month, found), what_to_do(month, found)
    return Message(
        cause=f"check {found.check} {month} {_digest(found.words)}",
        kind="held" if holds else "stopped",
        month=month,
        subject=f"Waiter tip prediction {month}: {'held' if holds else 'stopped'} by {found.check}",
        text=f"{found.check}: {found.words}\n{what}\n{do}",
    )


def what_it_stops(month: str, found: CheckFound) -> str:
    """Describe what a failed blocking check stopped."""
    if found.asset in HOLDING_ASSETS:
        return f"The promotion of {month} is held; the champion keeps serving."
    return f"{month} has stopped at {found.asset}; nothing was trained or promoted."


def what_to_do(month: str, found: CheckFound) -> str:
    """Describe what to do about a failed blocking check; commands are in backticks."""
    if found.asset not in HOLDING_ASSETS:
        return (
            f"See what was refused with `tips quarantine --month {month}`; drop a corrected file "
            "into its landing folder; the month then runs again."
        )
    if found.check in RELEASABLE:
        return (
            f"Read the reports of {month}. Release the model with "
            f"`tips release --month {month} --reason '...'`, or leave it."
        )
    return "A broken model cannot be released; docs/checks.md says how to find the cause."


def failure_message(month: str, description: str, after: str | None) -> Message:
    """Return the message about a failed run; after a success (`after`) the same failure is new."""
    return Message(
        cause=f"failure {month} {_digest(description)} after {after or 'the start'}",
        kind="failure",
        month=month,
        subject=f"Waiter tip prediction {month}: the run failed",
        text=f"{description}\nFinished steps are kept. Fix the cause, then run the month again: "
        f"`tips run --month {month}`.",
    )


def silence_message(newest: str, days: float) -> Message:
    """Return the message that no file has landed for long; `newest` is the last file's time."""
    return Message(
        cause=f"silence since {newest}",
        kind="silence",
        month=None,
        subject="Waiter tip prediction: no new data",
        text=f"The newest landing file is of {newest}, more than {days:g} days ago "
        "(TIPS_MAX_SILENT_DAYS). Contact the producers; the champion keeps serving meanwhile.",
    )


def _digest(facts: Any) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
