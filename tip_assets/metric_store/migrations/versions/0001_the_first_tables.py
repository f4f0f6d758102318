"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "asset_success",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("asset", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("month", "asset"),
        # A store older than the first revision has some of them.
        if_not_exists=True,
    )
    op.create_table(
        "champion_history",
        sa.Column("cause", sa.String(length=80), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(length=12), nullable=False),
        sa.Column("challenger", sa.Integer(), nullable=True),
        sa.Column("champion_before", sa.Integer(), nullable=True),
        sa.Column("champion_after", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=120), nullable=True),
        sa.PrimaryKeyConstraint("cause"),
        if_not_exists=True,
    )
    op.create_table(
        "check_result",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("check", sa.String(length=60), nullable=False),
        sa.Column("asset", sa.String(length=40), nullable=False),
        sa.Column("blocking", sa.Boolean(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("month", "check"),
        if_not_exists=True,
    )
    op.create_table(
        "column_quality",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("dataset", sa.String(length=12), nullable=False),
        sa.Column("column", sa.String(length=40), nullable=False),
        sa.Column("statistic", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("category", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("month", "dataset", "column", "statistic"),
        if_not_exists=True,
    )
    op.create_table(
        "correlation",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("dataset", sa.String(length=12), nullable=False),
        sa.Column("column", sa.String(length=40), nullable=False),
        sa.Column("with_column", sa.String(length=40), nullable=False),
        sa.Column("pearson", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("month", "dataset", "column", "with_column"),
        if_not_exists=True,
    )
    op.create_table(
        "dataset_drift",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("drifted_columns", sa.Integer(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("threshold_share", sa.Float(), nullable=False),
        sa.Column("drifted", sa.Boolean(), nullable=False),
        sa.Column("reference_rows", sa.Integer(), nullable=False),
        sa.Column("current_rows", sa.Integer(), nullable=False),
        sa.Column("served_by", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("month"),
        if_not_exists=True,
    )
    op.create_table(
        "drift",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("column", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("test", sa.String(length=20), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("p_value", sa.Float(), nullable=False),
        sa.Column("p_value_corrected", sa.Float(), nullable=False),
        sa.Column("effect", sa.String(length=20), nullable=False),
        sa.Column("effect_size", sa.Float(), nullable=False),
        sa.Column("threshold_p_value", sa.Float(), nullable=False),
        sa.Column("threshold_effect_size", sa.Float(), nullable=False),
        sa.Column("drifted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("month", "column"),
        if_not_exists=True,
    )
    op.create_table(
        "group_quality",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("column", sa.String(length=40), nullable=False),
        sa.Column("group", sa.String(length=40), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("rmse", sa.Float(), nullable=False),
        sa.Column("low", sa.Float(), nullable=False),
        sa.Column("high", sa.Float(), nullable=False),
        sa.Column("outside", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("month", "version", "column", "group"),
        if_not_exists=True,
    )
    op.create_table(
        "model_quality",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("part", sa.String(length=12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("mean_error", sa.Float(), nullable=False),
        sa.Column("mean_error_std", sa.Float(), nullable=False),
        sa.Column("mean_absolute_error", sa.Float(), nullable=False),
        sa.Column("mean_absolute_error_std", sa.Float(), nullable=False),
        sa.Column("mape", sa.Float(), nullable=False),
        sa.Column("mape_std", sa.Float(), nullable=False),
        sa.Column("rmse", sa.Float(), nullable=False),
        sa.Column("r2", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("month", "part", "version"),
        if_not_exists=True,
    )
    op.create_table(
        "notification",
        sa.Column("cause", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=True),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_by", sa.String(length=120), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_to", sa.String(length=200), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("cause"),
        if_not_exists=True,
    )
    op.create_table(
        "run_outcome",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=True),
        sa.Column("job", sa.String(length=60), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id"),
        if_not_exists=True,
    )
