"""Which MLflow run trained the model whose errors are told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.add_column("model_quality", sa.Column("mlflow_run", sa.String(length=32), nullable=True))
