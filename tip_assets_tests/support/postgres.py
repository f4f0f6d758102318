"""A stack of which only Postgres runs."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.stack.folder import Stack
from tip_assets.settings import Settings
from tip_assets_tests.support.grafana_platform import postgres
from tip_assets_tests.support.ports import free_port


@contextmanager
def only_postgres(*options: str) -> Iterator[Stack]:
    """Run Postgres with `options` in a new folder while the block lasts."""
    # Not pytest's folder: Postgres, which refuses to be root, must get through to it.
    folder = Path(tempfile.mkdtemp(prefix="tips-postgres-"))
    stack = Stack(folder, Settings(postgres_port=free_port()))
    try:
        stack.prepare()
        with postgres(stack, *options):
            yield stack
    finally:
        shutil.rmtree(folder)
