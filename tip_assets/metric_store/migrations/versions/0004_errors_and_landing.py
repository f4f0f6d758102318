"""Where the serving model errs, and which files have landed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "landing",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("month"),
    )
    op.create_table(
        "error_group",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("dataset", sa.String(length=12), nullable=False),
        sa.Column("group", sa.String(length=20), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("mean_error", sa.Float(), nullable=True),
        sa.Column("std_error", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("month", "dataset", "group"),
    )
    op.create_table(
        "error_bias",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("dataset", sa.String(length=12), nullable=False),
        sa.Column("column", sa.String(length=40), nullable=False),
        sa.Column("group", sa.String(length=20), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("category", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("month", "dataset", "column", "group"),
    )
    op.create_table(
        "error_normality",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("dataset", sa.String(length=12), nullable=False),
        sa.Column("slope", sa.Float(), nullable=False),
        sa.Column("intercept", sa.Float(), nullable=False),
        sa.Column("r", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("month", "dataset"),
    )
