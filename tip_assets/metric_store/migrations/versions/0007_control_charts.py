"""Control charts decide on drift; drop the measurements of the first rule.

Months measured by the first rule keep its verdict and have no charts until they run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_OF_THE_FIRST_RULE = ("p_value", "p_value_corrected", "threshold_p_value", "threshold_effect_size")


def upgrade() -> None:
    op.create_table(
        "drift_chart",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("chart", sa.String(length=80), nullable=False),
        sa.Column("column", sa.String(length=40), nullable=False),
        sa.Column("z", sa.Float(), nullable=False),
        sa.Column("limit", sa.Float(), nullable=False),
        sa.Column("alarm", sa.String(length=20)),
        sa.Column("smallest_change", sa.String(length=120)),
        sa.PrimaryKeyConstraint("month", "chart"),
    )
    gone = "('no_column_has_drifted', 'target_has_not_drifted')"
    op.execute(f'delete from check_result where "check" in {gone}')
    with op.batch_alter_table("drift") as drift:
        for name in _OF_THE_FIRST_RULE:
            drift.drop_column(name)
    with op.batch_alter_table("dataset_drift") as dataset_drift:
        dataset_drift.drop_column("threshold_share")
