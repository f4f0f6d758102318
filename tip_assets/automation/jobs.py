"""Jobs: which assets are made together, for how long at most, and which month first.

Belongs here: selections and run tags. Does not belong here: when they run.
"""

import dagster as dg

from tip_assets.partitions import months, months_apart
from tip_assets.runtime.instance import INGESTION_JOB, RELEASE_JOB, TRAINING_JOB
from tip_assets.runtime.signals import interrupted
from tip_assets.settings import get_settings

_TAGS = {
    "dagster/max_runtime": f"{get_settings().max_run_minutes * 60:.0f}",
    # A month is run again as a whole: what is done already costs little and changes nothing.
    "dagster/retry_strategy": "ALL_STEPS",
}


class _Retries(dg.RetryPolicy):
    """Retries that do not wait once a person has interrupted the run: Dagster's wait cannot end."""

    def calculate_delay(self, attempt_num: int) -> float:
        return 0.0 if interrupted.is_set() else float(super().calculate_delay(attempt_num))


# What talks to the network retries by itself first; bad data is told by failures that allow none.
_RETRIES = _Retries(
    max_retries=1, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


def _oldest_first(month: str) -> dict[str, str]:
    """The priority of a month in Dagster's queue and pools: who serves depends on the order."""
    return {"dagster/priority": str(-months_apart(get_settings().first_month, month))}


_BY_MONTH: dg.PartitionedConfig = dg.PartitionedConfig(
    partitions_def=months,
    run_config_for_partition_key_fn=lambda _month: {},
    tags_for_partition_key_fn=_oldest_first,
)

monthly_retraining_job = dg.define_asset_job(
    TRAINING_JOB,
    selection=dg.AssetSelection.all(),
    config=_BY_MONTH,
    tags=_TAGS,
    op_retry_policy=_RETRIES,
    description="The whole month: ingestion, search, training, comparison, drift, promotion.",
)

ingestion_job = dg.define_asset_job(
    INGESTION_JOB,
    selection=dg.AssetSelection.assets("raw_tips", "transformed_tips", "splits"),
    config=_BY_MONTH,
    tags=_TAGS,
    op_retry_policy=_RETRIES,
    description="A late file for an old month: that month's rows anew, no model of it.",
)

RELEASED = dg.AssetSelection.assets("drift_report", "drift_metrics", "production_model")

release_job = dg.define_asset_job(
    RELEASE_JOB,
    selection=RELEASED.without_checks(),
    tags=_TAGS,
    op_retry_policy=_RETRIES,
    description="Releases a model that was held, with a reason: the promotion without its checks. "
    "Drift comes with it, because a model held for its quality has not been measured for it.",
)
