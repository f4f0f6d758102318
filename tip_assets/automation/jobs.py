"""Jobs: asset selections with their run tags (time limit, priority)."""

import dagster as dg

from tip_assets.partitions import months, months_apart
from tip_assets.runtime.instance import INGESTION_JOB, RELEASE_JOB, TRAINING_JOB
from tip_assets.runtime.signals import interrupted
from tip_assets.settings import get_settings

_TAGS = {
    "dagster/max_runtime": f"{get_settings().max_run_minutes * 60:.0f}",
    # Retry the whole month: finished steps cost little and change nothing.
    "dagster/retry_strategy": "ALL_STEPS",
}


class _Retries(dg.RetryPolicy):
    """Retries without a delay after an interrupt: Dagster's wait cannot be interrupted."""

    def calculate_delay(self, attempt_num: int) -> float:
        return 0.0 if interrupted.is_set() else float(super().calculate_delay(attempt_num))


# Network calls retry by themselves first; failures caused by bad data allow no retry.
_RETRIES = _Retries(
    max_retries=1, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


def _oldest_first(month: str) -> dict[str, str]:
    """Return run tags that make the oldest month run first: the champion depends on the order."""
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
    description="A late file for an old month: ingests that month again without training a model.",
)

RELEASED = dg.AssetSelection.assets("drift_report", "drift_metrics", "production_model")

release_job = dg.define_asset_job(
    RELEASE_JOB,
    selection=RELEASED.without_checks(),
    tags=_TAGS,
    op_retry_policy=_RETRIES,
    description="Releases a held model with a reason: the promotion without its checks. "
    "Includes drift, which is not measured for a model that is held for its quality.",
)
