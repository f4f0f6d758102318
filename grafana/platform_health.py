"""The dashboard *Platform health*.

Belongs here: how the platform is running now, as the exporter tells Prometheus, and its runs.
Does not belong here: numbers of a month (`model_and_data.py`) or of the app (`serving.py`).
"""

from grafana import alerts
from grafana.dashboard import Addresses, Row, frame
from grafana.links import DAGSTER_RUN, PLATFORM_HEALTH, RUNBOOK, RUNBOOK_TITLE
from grafana.panels import column, stat, state_timeline, table, time_series, values
from grafana.queries import Json, limit, promql, promql_table, sql
from tip_assets.exporter import collector, data, limits, platform
from tip_assets.exporter.page import Metric

_UP = values({"0": ("down", "red"), "1": ("up", "green")})
_STATUS = {
    "SUCCESS": ("success", "green"),
    "FAILURE": ("failure", "red"),
    "CANCELED": ("canceled", "orange"),
}


def dashboard(addresses: Addresses) -> Json:
    """The dashboard, with links that lead to these addresses."""
    return frame(
        PLATFORM_HEALTH,
        "Whether the platform runs, what waits for a person, and what fires. Limits are the "
        "settings of the checks, which the exporter tells Prometheus.",
        [
            Row("Now", _now()),
            Row("Alerts", alerts.panels()),
            Row("Limits", _limited()),
            Row("Runs and checks", [_runs(), _last_runs(), _checks(), _assets(), _stages()]),
            Row("Scraping", [_targets(), _scrapes(), _exporter(), _memory()]),
            Row(RUNBOOK_TITLE, [alerts.runbook()]),
        ],
        addresses,
        variables=[],
        annotations=[],
        since="now-24h",
        refresh="1m",
        links=[RUNBOOK],
    )


def _of(metric: Metric, title: str, bad_from: float) -> Json:
    return stat(title, metric.help, [promql(f"max({metric.name})")], "short", bad_from=bad_from)


def _now() -> list[Json]:
    return [
        stat(
            "Alerts firing",
            "Alerts that fire in Prometheus, told or silenced.",
            [promql(f"count({alerts.FIRING}) or vector(0)")],
            "short",
            bad_from=1,
        ),
        stat(
            "Metric store",
            collector.UP.help,
            [promql(f"min({collector.UP.name})")],
            "none",
            bad_below=1,
            mappings=_UP,
        ),
        _of(platform.UNPROCESSED, "Months unprocessed", 1),
        _of(platform.HELD, "Promotions held", 1),
        _of(platform.NOT_DELIVERED, "Messages undelivered", 1),
        stat(
            "Champion",
            "The registry version that serves, and the month it was trained for.",
            [
                promql(
                    f"max by (version, month) ({platform.CHAMPION.name})", "{{version}} ({{month}})"
                )
            ],
            "none",
            named=True,
        ),
    ]


def _limited() -> list[Json]:
    """What has a limit: red from it on."""
    landed = f"time() - max({platform.NEWEST_FILE.name})"
    waiting = f"time() - min({platform.UNPROCESSED_SINCE.name})"
    return [
        stat(
            "Columns drifted",
            data.DRIFT_RATIO.help,
            [promql(f"max({data.DRIFT_RATIO.name})"), limit(limits.DRIFT_RATIO)],
            "percentunit",
        ),
        stat(
            "Months a column drifted",
            "Of the columns, tip included, that which has drifted in most of the last measured "
            "months: its number of months.",
            [
                promql(f'max({data.DRIFTED_MONTHS.name}{{role!="prediction"}})'),
                limit(limits.DRIFTED_MONTHS),
            ],
            "short",
        ),
        stat(
            "Rows quarantined",
            "Share of the newest month's rows that break the contract.",
            [promql("max(instance:tips_quarantined_rows:ratio)"), limit(limits.QUARANTINED)],
            "percentunit",
        ),
        stat(
            "Champion's age",
            platform.CHAMPION_AGE.help,
            [promql(f"max({platform.CHAMPION_AGE.name})"), limit(limits.CHAMPION_AGE)],
            "short",
        ),
        stat(
            "Newest landing file",
            "How long ago it came.",
            [promql(landed), limit(limits.SILENT)],
            "s",
        ),
        stat(
            "Longest waiting month",
            "How long ago the files came of the month that has waited longest for a run.",
            [promql(waiting), limit(limits.UNPROCESSED)],
            "s",
        ),
    ]


def _runs() -> Json:
    return time_series(
        "Runs that ended",
        "In the time before each point that is as long as the range shown. " + platform.RUNS.help,
        [promql(f"sum by (outcome) (increase({platform.RUNS.name}[$__range]))", "{{outcome}}")],
        "short",
        minimum=0,
    )


def _last_runs() -> Json:
    query = """SELECT ended_at, month, job, status, failure, run_id
FROM run_outcome
ORDER BY ended_at DESC
LIMIT 50"""
    return table(
        "Last runs",
        "Newest first. A failure without words is a check that stopped the month.",
        [sql(query)],
        {
            "ended_at": column("Ended", "dateTimeAsIso", width=170),
            "month": column("Month", to=DAGSTER_RUN, width=90),
            "job": column("Job"),
            "status": column("Status", words=_STATUS, width=90),
            "failure": column("Failure"),
            "run_id": column(hidden=True),
        },
        width=12,
    )


def _checks() -> Json:
    return state_timeline(
        "Checks",
        platform.CHECK.help,
        [promql(f"min by (check) ({platform.CHECK.name})", "{{check}}")],
        values({"0": ("fails", "red"), "1": ("holds", "green")}),
        height=10,
    )


def _assets() -> Json:
    query = f"time() - max by (asset) ({platform.ASSET.name})"
    return table(
        "Assets",
        "How long ago each asset was last made, for any month.",
        [promql_table(query)],
        {"asset": column("Asset"), "Value": column("Made ago", "s")},
        width=6,
        height=10,
        transformations=[{"id": "organize", "options": {"excludeByName": {"Time": True}}}],
    )


def _stages() -> Json:
    ended = f"clamp_min(time() - max by (stage) ({platform.MONTH_END.name}), 0)"
    query = f"max by (stage, month) ({platform.MONTH.name}) * on (stage) group_left () {ended}"
    return table(
        "Newest month by stage",
        f"{platform.MONTH.help} How long ago it ended; 0 while it goes on.",
        [promql_table(query)],
        {"stage": column("Stage"), "month": column("Month"), "Value": column("Ended ago", "s")},
        width=6,
        height=10,
        transformations=[{"id": "organize", "options": {"excludeByName": {"Time": True}}}],
    )


def _targets() -> Json:
    return state_timeline(
        "Targets",
        "Whether each target answers Prometheus.",
        [promql("min by (job) (up)", "{{job}}")],
        _UP,
        height=6,
    )


def _scrapes() -> Json:
    return time_series(
        "Time of a scrape",
        "How long Prometheus waits for each target, and how long the exporter gathers.",
        [
            promql("max by (job) (scrape_duration_seconds)", "{{job}}"),
            promql(f"max({collector.SECONDS.name})", "exporter gathers", ref="B"),
        ],
        "s",
        height=6,
        minimum=0,
    )


def _exporter() -> Json:
    return time_series(
        "Scrapes without the metric store",
        collector.ERRORS.help,
        [promql(f"sum(increase({collector.ERRORS.name}[$__rate_interval]))", "failed scrapes")],
        "short",
        minimum=0,
    )


def _memory() -> Json:
    return time_series(
        "Memory",
        "Resident memory of the exporter and of Prometheus.",
        [promql("max by (job) (process_resident_memory_bytes)", "{{job}}")],
        "bytes",
        minimum=0,
    )
