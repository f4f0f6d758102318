"""Jobs: which assets are made together.

Belongs here: selections. Does not belong here: when they run.
"""

import dagster as dg

monthly_retraining_job = dg.define_asset_job(
    "monthly_retraining_job",
    selection=dg.AssetSelection.all(),
    description="The whole month: ingestion, search, training, comparison, drift, promotion.",
)

release_job = dg.define_asset_job(
    "release_job",
    selection=dg.AssetSelection.assets("production_model"),
    description="The promotion alone: releases a model that was held, with a reason.",
)
