"""Digests of landed and processed files, when the landing was checked, an index of feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "last_look",
        sa.Column("place", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.add_column("run_outcome", sa.Column("landing_digest", sa.String(length=16)))
    op.add_column("landing", sa.Column("digest", sa.String(length=16)))
    op.add_column("landing", sa.Column("seen_at", sa.DateTime(timezone=True)))
    # For files that landed before this revision, the newest file's time is the best known.
    op.execute("update landing set digest = '', seen_at = at")
    with op.batch_alter_table("landing") as landing:
        landing.alter_column("digest", existing_type=sa.String(16), nullable=False)
        landing.alter_column("seen_at", existing_type=sa.DateTime(timezone=True), nullable=False)
    with_tip = sa.text("actual_at is not null")
    op.create_index(
        "ix_prediction_log_told_month",
        "prediction_log",
        ["month", "actual_at", "actual", "predicted", "low", "high", "coverage"],
        sqlite_where=with_tip,
        postgresql_where=with_tip,
    )
