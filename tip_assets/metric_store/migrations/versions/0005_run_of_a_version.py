"""Which MLflow run trained a measured model, and the errors of the baselines."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.add_column("model_quality", sa.Column("mlflow_run", sa.String(length=32), nullable=True))
    op.create_table(
        "baseline_quality",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("baseline", sa.String(length=20), nullable=False),
        sa.Column("rmse", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("month", "baseline"),
    )
