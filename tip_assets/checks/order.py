"""The check that defers a month while earlier months are pending (`automation/run_order.py`)."""

import dagster as dg

from tip_assets.automation.run_order import describe, pending_months
from tip_assets.metric_store.holds import TRAINING_WINDOW_IS_WHOLE
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import month_after, months
from tip_assets.settings import Settings


@dg.asset_check(name=TRAINING_WINDOW_IS_WHOLE, asset="splits", blocking=True, partitions_def=months)
def training_window_is_whole(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    metric_store: MetricStore,
) -> dg.AssetCheckResult:
    """Every earlier month that has landed is done and in the training window.

    A month that starts too early is deferred: it stops here, and the landing sensor runs it again
    when the earlier ones are done. Months without landing files and months refused by their own
    checks do not defer others.
    """
    month = context.partition_key
    pending = pending_months(context.instance, settings, metric_store, month)
    first = month_after(month, 1 - settings.window_months)
    return dg.AssetCheckResult(
        passed=not pending,
        severity=dg.AssetCheckSeverity.ERROR,
        description=describe(pending) or f"every month from {first} that has landed is there",
        metadata={"pending_months": list(pending), "window_from": first},
    )
