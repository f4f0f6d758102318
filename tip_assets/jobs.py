"""Jobs: which assets are made together.

Belongs here: selections. Does not belong here: when they run.
"""

import dagster as dg

monthly_retraining_job = dg.define_asset_job(
    "monthly_retraining_job",
    selection=dg.AssetSelection.all(),
    description="The whole month: ingestion, search, training, comparison, drift, promotion.",
)

ingestion_job = dg.define_asset_job(
    "ingestion_job",
    selection=dg.AssetSelection.assets("raw_tips", "transformed_tips", "splits"),
    description="A late file for an old month: that month's rows anew, no model of it.",
)

RELEASED = dg.AssetSelection.assets("drift_report", "drift_metrics", "production_model")

release_job = dg.define_asset_job(
    "release_job",
    selection=RELEASED.without_checks(),
    description="Releases a model that was held, with a reason: the promotion without its checks. "
    "Drift comes with it, because a model held for its quality has not been measured for it.",
)
