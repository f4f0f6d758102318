"""Run Alembic's migrations over the connection that `schema.py` passes.

To draft a new revision, use a scratch database of the newest one:
`alembic -x url=sqlite:///scratch.db revision --autogenerate -m "What changes" --rev-id 0007`, with
`script_location` in your own `alembic.ini`. Revisions have no `downgrade`. Within a major
(`schema.py`) new columns are nullable or have a `server_default`, and older code still runs; to go
back over a major, restore a backup.
"""

import sqlalchemy as sa
from alembic import context

from tip_assets.metric_store.tables import metadata


def _migrate(connection: sa.Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


handed = context.config.attributes.get("connection")
if handed is not None:
    _migrate(handed)
else:
    with sa.create_engine(context.get_x_argument(as_dictionary=True)["url"]).begin() as opened:
        _migrate(opened)
