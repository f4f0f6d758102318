"""Metrics about the platform: months, landing, checks, champion, runs, messages."""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from tip_assets.exporter.page import Metric, Page
from tip_assets.exporter.reader import Reader
from tip_assets.ingestion.landing_log import LANDING, unprocessed
from tip_assets.metric_store import tables
from tip_assets.metric_store.prediction_log import Realised
from tip_assets.metric_store.store import Row
from tip_assets.partitions import MONTH_FORMAT, month_after, months_apart
from tip_assets.settings import Settings

_STAGES = "By stage: landed, ingested, measured, decided, told (feedback received)."
MONTH = Metric("tips_month_info", f"1 for the newest month. {_STAGES}", ("stage", "month"))
MONTH_END = Metric(
    "tips_month_end_timestamp_seconds",
    f"When the newest month ended or ends. {_STAGES}",
    ("stage",),
)
NEWEST_FILE = Metric(
    "tips_landing_newest_file_timestamp_seconds", "The time of the newest landing file."
)
CHECKED_AT = Metric(
    "tips_landing_looked_timestamp_seconds",
    "When the landing sensor last listed the landing files; never: no sample.",
)
UNPROCESSED = Metric(
    "tips_unprocessed_months",
    "Months with landing files that no run has finished on.",
)
UNPROCESSED_SINCE = Metric(
    "tips_unprocessed_since_timestamp_seconds",
    "Time the oldest unprocessed month became pending; none: no sample.",
)
INGESTED = {
    "files": Metric("tips_landing_files", "Landing files of the newest ingested month."),
    "files_unreadable": Metric(
        "tips_landing_unreadable_files", "Unreadable landing files of the newest ingested month."
    ),
    "rows_kept": Metric(
        "tips_kept_rows", "Rows of the newest ingested month that satisfy the contract."
    ),
    "rows_quarantined": Metric(
        "tips_quarantined_rows", "Rows of the newest ingested month that were refused."
    ),
}
CHECK = Metric(
    "tips_check_passed",
    "1 if the check passed when it last ran on its newest month, 0 if it failed.",
    ("asset", "check", "blocking"),
)
CHECK_FAILED = Metric(
    "tips_check_failed_months",
    "Months of the training window, the newest checked one included, in which the check failed "
    "when it last ran.",
    ("asset", "check", "blocking"),
)
CHAMPION = Metric(
    "tips_champion_info",
    "1 for the registry version that serves, with the month it was trained for.",
    ("version", "month"),
)
CHAMPION_SINCE = Metric(
    "tips_champion_since_timestamp_seconds", "When the champion started to serve."
)
CHAMPION_AGE = Metric(
    "tips_champion_age_months",
    "Monthly partitions from the champion's month to the newest decided one.",
)
DECISIONS = Metric(
    "tips_decisions",
    "Entries of the champion's history. By action: promoted, kept, held, released, refused, "
    "rolled back.",
    ("action",),
)
HELD = Metric(
    "tips_promotions_held",
    "Months whose model is held and not released, with no newer month decided.",
)
HELD_SINCE = Metric(
    "tips_promotion_held_since_timestamp_seconds",
    "When the oldest held promotion was held; none: no sample.",
)
ASSET = Metric(
    "tips_asset_last_success_timestamp_seconds",
    "When the asset was last materialized, for any month.",
    ("asset",),
)
RUNS = Metric(
    "tips_runs_total",
    "Finished runs. By outcome: success, stopped (by a check), failed, canceled.",
    ("outcome",),
)
LAST_RUN = Metric(
    "tips_last_run_timestamp_seconds", "When the last run of an outcome ended.", ("outcome",)
)
NOT_DELIVERED = Metric(
    "tips_undelivered_notifications", "Notifications that are not delivered yet."
)
METRICS = (
    MONTH, MONTH_END, NEWEST_FILE, CHECKED_AT, UNPROCESSED, UNPROCESSED_SINCE, *INGESTED.values(),
    CHECK, CHECK_FAILED, CHAMPION, CHAMPION_SINCE, CHAMPION_AGE, DECISIONS, HELD, HELD_SINCE, ASSET,
    RUNS, LAST_RUN, NOT_DELIVERED,
)  # fmt: skip
ACTIONS = ("promoted", "kept", "held", "released", "refused", "rolled back")
OUTCOMES = ("success", "stopped", "failed", "canceled")


def add_platform(page: Page, reader: Reader, settings: Settings, realised: Realised | None) -> None:
    """Add the platform's metrics; `realised` is of the newest month with feedback."""
    decisions = _decisions(reader)
    _add_months(page, reader, decisions, realised.month if realised else None)
    _add_landing(page, reader)
    _add_checks(page, reader, settings.window_months)
    _add_champion(page, decisions)
    _add_held(page, decisions)
    _add_runs(page, reader)


def _decisions(reader: Reader) -> list[Row]:
    """Return the champion's history in order of time; a few rows a month."""
    return reader.select(sa.select(tables.champion_history).order_by(tables.champion_history.c.at))


def _add_months(
    page: Page, reader: Reader, decisions: Sequence[Row], with_feedback: str | None
) -> None:
    newest = {
        "landed": reader.newest(tables.landing, tables.landing.c.files > 0),
        "ingested": reader.newest(tables.ingestion),
        "measured": reader.newest(tables.dataset_drift),
        "decided": max((row["month"] for row in decisions), default=None),
        "told": with_feedback,
    }
    for stage, month in newest.items():
        if month is not None:
            page.add(MONTH, 1, stage=stage, month=month)
            page.add(MONTH_END, _start(month_after(month, 1)), stage=stage)


def _start(month: str) -> datetime:
    return datetime.strptime(month, MONTH_FORMAT).replace(tzinfo=UTC)


def _add_landing(page: Page, reader: Reader) -> None:
    landed, look = tables.landing.c, tables.last_look.c
    newest = sa.select(sa.func.max(landed.at).label("at"))
    page.add(NEWEST_FILE, reader.select(newest)[0]["at"])
    for row in reader.select(sa.select(look.at).where(look.place == LANDING)):
        page.add(CHECKED_AT, row["at"])
    waiting = unprocessed(reader.select)
    page.add(UNPROCESSED, len(waiting))
    page.add(UNPROCESSED_SINCE, min(waiting.values(), default=None))
    month = reader.newest(tables.ingestion)
    for row in reader.month(tables.ingestion, month) if month else []:
        for name, metric in INGESTED.items():
            page.add(metric, row[name])


def _add_checks(page: Page, reader: Reader, window_months: int) -> None:
    """Add each check's result in the newest month it ran on, and its failures in the window.

    A stopped month lacks the later checks, and months before the newest can be stopped as well.
    """
    found = tables.check_result.c
    newest = (
        sa.select(found.check, sa.func.max(found.month).label("month"))
        .group_by(found.check)
        .subquery()
    )
    of_newest = sa.and_(found.check == newest.c.check, found.month == newest.c.month)
    query = sa.select(tables.check_result).join(newest, of_newest).order_by(found.check)
    failed = _failed_months(reader, window_months)
    for row in reader.select(query):
        blocking = str(row["blocking"]).lower()
        labels = {"asset": row["asset"], "check": row["check"], "blocking": blocking}
        page.add(CHECK, row["passed"], **labels)
        page.add(CHECK_FAILED, failed.get(row["check"], 0), **labels)


def _failed_months(reader: Reader, window_months: int) -> dict[str, int]:
    """Return in how many months of the training window each check failed, if in any.

    The window ends with the newest checked month.
    """
    newest = reader.newest(tables.check_result)
    if newest is None:
        return {}
    found = tables.check_result.c
    query = sa.select(found.check, sa.func.count().label("months")).where(
        sa.not_(found.passed), found.month >= month_after(newest, 1 - window_months)
    )
    return {row["check"]: row["months"] for row in reader.select(query.group_by(found.check))}


def _add_champion(page: Page, decisions: Sequence[Row]) -> None:
    for action in ACTIONS:
        page.add(DECISIONS, sum(row["action"] == action for row in decisions), action=action)
    serving = decisions[-1]["champion_after"] if decisions else None
    if serving is None:
        return
    # A rollback has no challenger; the decision on the version itself names its month.
    of_version = [row["month"] for row in decisions if row["challenger"] == serving]
    began = [
        row["at"]
        for row in decisions
        if row["champion_after"] == serving and row["champion_before"] != serving
    ]
    page.add(CHAMPION_SINCE, began[-1] if began else None)
    if of_version:
        newest = max(row["month"] for row in decisions)
        page.add(CHAMPION, 1, version=serving, month=of_version[0])
        page.add(CHAMPION_AGE, months_apart(of_version[0], newest))


def _add_held(page: Page, decisions: Sequence[Row]) -> None:
    """Add the held promotions that wait for a person: those newer than any other decision."""
    last = {
        row["month"]: row
        for row in decisions
        if row["challenger"] is not None and row["action"] != "refused"
    }
    decided = max((m for m, row in last.items() if row["action"] != "held"), default="")
    waiting = [row["at"] for month, row in last.items() if month > decided]
    page.add(HELD, len(waiting))
    page.add(HELD_SINCE, min(waiting, default=None))


def _add_runs(page: Page, reader: Reader) -> None:
    made = tables.asset_success.c
    query = sa.select(made.asset, sa.func.max(made.at).label("at")).group_by(made.asset)
    for row in reader.select(query.order_by(made.asset)):
        page.add(ASSET, row["at"], asset=row["asset"])
    run = tables.run_outcome.c
    outcome = sa.case(
        (run.status == "SUCCESS", "success"),
        (run.status == "CANCELED", "canceled"),
        (run.failure.is_(None), "stopped"),
        else_="failed",
    ).label("outcome")
    counted = sa.select(outcome, sa.func.count().label("n"), sa.func.max(run.ended_at).label("at"))
    ended = {row["outcome"]: row for row in reader.select(counted.group_by(outcome))}
    for name in OUTCOMES:
        page.add(RUNS, ended[name]["n"] if name in ended else 0, outcome=name)
        page.add(LAST_RUN, ended[name]["at"] if name in ended else None, outcome=name)
    notification = tables.notification.c
    waiting = sa.select(sa.func.count().label("n")).where(notification.delivered_at.is_(None))
    page.add(NOT_DELIVERED, reader.select(waiting)[0]["n"])
