"""The tables of the metric store: names, types and keys.

Other programs may rely on these tables, unlike MLflow's own.
"""

import sqlalchemy as sa

metadata = sa.MetaData()
_MONTH = sa.String(7)

# The landing files as the sensor or the month's ingestion last saw them; read and written by
# `ingestion/landing_log.py`.
landing = sa.Table(
    "landing",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("files", sa.Integer, nullable=False),
    # The time of the newest file.
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    # Changes with any of the files; empty without files.
    sa.Column("digest", sa.String(16), nullable=False),
    # When the platform first saw the unprocessed files, by its own clock.
    sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
)
# When something was last checked, whatever the result: `landing`, by the landing sensor.
last_look = sa.Table(
    "last_look",
    metadata,
    sa.Column("place", sa.String(20), primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)
ingestion = sa.Table(
    "ingestion",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("files", sa.Integer, nullable=False),
    sa.Column("files_unreadable", sa.Integer, nullable=False),
    sa.Column("rows_kept", sa.Integer, nullable=False),
    sa.Column("rows_quarantined", sa.Integer, nullable=False),
)
drift = sa.Table(
    "drift",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("column", sa.String(40), primary_key=True),
    sa.Column("role", sa.String(12), nullable=False),
    sa.Column("test", sa.String(20), nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("effect", sa.String(20), nullable=False),
    sa.Column("effect_size", sa.Float, nullable=False),
    sa.Column("drifted", sa.Boolean, nullable=False),
)
drift_chart = sa.Table(
    "drift_chart",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("chart", sa.String(80), primary_key=True),
    sa.Column("column", sa.String(40), nullable=False),
    sa.Column("z", sa.Float, nullable=False),
    sa.Column("limit", sa.Float, nullable=False),
    # The part of the rule that alarms; empty for a chart that does not.
    sa.Column("alarm", sa.String(20)),
    # Describes the smallest detectable change of the month; empty if there is none.
    sa.Column("smallest_change", sa.String(120)),
)
dataset_drift = sa.Table(
    "dataset_drift",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("columns", sa.Integer, nullable=False),
    sa.Column("drifted_columns", sa.Integer, nullable=False),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("drifted", sa.Boolean, nullable=False),
    sa.Column("reference_rows", sa.Integer, nullable=False),
    sa.Column("current_rows", sa.Integer, nullable=False),
    sa.Column("served_by", sa.Integer),
)
correlation = sa.Table(
    "correlation",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("dataset", sa.String(12), primary_key=True),
    sa.Column("column", sa.String(40), primary_key=True),
    sa.Column("with_column", sa.String(40), primary_key=True),
    sa.Column("pearson", sa.Float, nullable=False),
)
column_quality = sa.Table(
    "column_quality",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("dataset", sa.String(12), primary_key=True),
    sa.Column("column", sa.String(40), primary_key=True),
    sa.Column("statistic", sa.String(40), primary_key=True),
    sa.Column("value", sa.Float),
    sa.Column("category", sa.String(80)),
)
model_quality = sa.Table(
    "model_quality",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    # `train` and `test`: the month's challenger on its window. `reference` and `current`: the model
    # that served the month.
    sa.Column("part", sa.String(12), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    # The run that trained the version; empty for months measured before this column existed.
    sa.Column("mlflow_run", sa.String(32)),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("mean_error", sa.Float, nullable=False),
    sa.Column("mean_error_std", sa.Float, nullable=False),
    sa.Column("mean_absolute_error", sa.Float, nullable=False),
    sa.Column("mean_absolute_error_std", sa.Float, nullable=False),
    sa.Column("mape", sa.Float, nullable=False),
    sa.Column("mape_std", sa.Float, nullable=False),
    sa.Column("rmse", sa.Float, nullable=False),
    sa.Column("r2", sa.Float, nullable=False),
)
# Errors of the baselines on the test rows of the month's challenger.
baseline_quality = sa.Table(
    "baseline_quality",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("baseline", sa.String(20), primary_key=True),
    sa.Column("rmse", sa.Float, nullable=False),
)
# Errors of the model that served the month, by dataset (`reference`, `current`): the lowest, the
# highest and the majority, the features of these groups, and the normality of the errors.
error_group = sa.Table(
    "error_group",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("dataset", sa.String(12), primary_key=True),
    sa.Column("group", sa.String(20), primary_key=True),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("mean_error", sa.Float),
    sa.Column("std_error", sa.Float),
)
error_bias = sa.Table(
    "error_bias",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("dataset", sa.String(12), primary_key=True),
    sa.Column("column", sa.String(40), primary_key=True),
    sa.Column("group", sa.String(20), primary_key=True),
    sa.Column("value", sa.Float),
    sa.Column("category", sa.String(80)),
)
error_normality = sa.Table(
    "error_normality",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("dataset", sa.String(12), primary_key=True),
    sa.Column("slope", sa.Float, nullable=False),
    sa.Column("intercept", sa.Float, nullable=False),
    sa.Column("r", sa.Float),
)
# The comparison of a month's challenger with the champion on the same test rows; none for the first
# model.
comparison = sa.Table(
    "comparison",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("champion", sa.Integer, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("rmse", sa.Float, nullable=False),
    sa.Column("champion_rmse", sa.Float, nullable=False),
    sa.Column("difference", sa.Float, nullable=False),
    sa.Column("low", sa.Float, nullable=False),
    sa.Column("high", sa.Float, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("verdict", sa.String(20), nullable=False),
)
champion_history = sa.Table(
    "champion_history",
    metadata,
    # The dedupe key: a rerun replaces the row. `decision 2024-02 version 3`, `rollback ...`.
    sa.Column("cause", sa.String(80), primary_key=True),
    sa.Column("month", _MONTH, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("action", sa.String(12), nullable=False),
    sa.Column("challenger", sa.Integer),
    sa.Column("champion_before", sa.Integer),
    sa.Column("champion_after", sa.Integer),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("person", sa.String(120)),
)
group_quality = sa.Table(
    "group_quality",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("column", sa.String(40), primary_key=True),
    sa.Column("group", sa.String(40), primary_key=True),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("rmse", sa.Float, nullable=False),
    sa.Column("low", sa.Float, nullable=False),
    sa.Column("high", sa.Float, nullable=False),
    sa.Column("outside", sa.Boolean, nullable=False),
)
check_result = sa.Table(
    "check_result",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("check", sa.String(60), primary_key=True),
    sa.Column("asset", sa.String(40), nullable=False),
    sa.Column("blocking", sa.Boolean, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    # Since when the check has had this result: a rerun with the same result changes nothing.
    sa.Column("since", sa.DateTime(timezone=True), nullable=False),
)
# The two operation logs: unlike the other tables they change with every rerun.
run_outcome = sa.Table(
    "run_outcome",
    metadata,
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("month", _MONTH),
    sa.Column("job", sa.String(60), nullable=False),
    sa.Column("status", sa.String(12), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
    # The message of a failure other than a failed check.
    sa.Column("failure", sa.Text),
    # Digest of the landing files that the run processed; empty if it processed none.
    sa.Column("landing_digest", sa.String(16)),
)
asset_success = sa.Table(
    "asset_success",
    metadata,
    sa.Column("month", _MONTH, primary_key=True),
    sa.Column("asset", sa.String(40), primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)
notification = sa.Table(
    "notification",
    metadata,
    # The dedupe key, so that a message is sent once.
    sa.Column("cause", sa.String(200), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("month", _MONTH),
    sa.Column("subject", sa.String(100), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    # The process that delivers it, and since when.
    sa.Column("claimed_by", sa.String(120)),
    sa.Column("claimed_at", sa.DateTime(timezone=True)),
    sa.Column("delivered_at", sa.DateTime(timezone=True)),
    sa.Column("delivered_to", sa.String(200)),
    sa.Column("trouble", sa.Text),
)
# The app's predictions and the feedback on them; read and written by `prediction_log.py`.
prediction_log = sa.Table(
    "prediction_log",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, index=True),
    sa.Column("month", _MONTH, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    # The predicted record, in the contract of this version.
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("contract", sa.String(12), nullable=False),
    sa.Column("predicted", sa.Float, nullable=False),
    # Empty for a model without held-out errors.
    sa.Column("low", sa.Float),
    sa.Column("high", sa.Float),
    sa.Column("coverage", sa.Float),
    sa.Column("actual", sa.Float),
    sa.Column("actual_at", sa.DateTime(timezone=True), index=True),
    # The landing file of the actual tip: assigned before the file is written.
    sa.Column("landing_file", sa.String(60), index=True),
    sa.Column("landed_at", sa.DateTime(timezone=True)),
)
# For realised errors by month: the exporter queries them at every scrape, and there may be millions
# of predictions without feedback. Covers the query, so that SQLite prefers it to the month index.
sa.Index(
    "ix_prediction_log_told_month",
    *(prediction_log.c[name] for name in ("month", "actual_at", "actual", "predicted")),
    *(prediction_log.c[name] for name in ("low", "high", "coverage")),
    sqlite_where=prediction_log.c.actual_at.is_not(None),
    postgresql_where=prediction_log.c.actual_at.is_not(None),
)
