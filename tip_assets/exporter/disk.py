"""Metrics about the disks of the platform's folders; storage on S3 has none."""

import shutil
from pathlib import Path

from tip_assets.exporter.page import Metric, Page
from tip_assets.settings import Settings

_PLACES = "By place: state (SQLite, logs, Dagster's home), storage."
SIZE = Metric("tips_disk_size_bytes", f"Size of the disk of a folder. {_PLACES}", ("place",))
FREE = Metric("tips_disk_free_bytes", f"Free space of the disk of a folder. {_PLACES}", ("place",))
METRICS = (SIZE, FREE)


def add_disks(page: Page, settings: Settings) -> None:
    """Add size and free space of the disks of local folders that exist."""
    folders = {"state": settings.state_folder}
    if settings.storage_root.protocol != "s3":
        folders["storage"] = Path(settings.storage_root.path)
    for place, folder in folders.items():
        if folder.exists():
            usage = shutil.disk_usage(folder)
            page.add(SIZE, usage.total, place=place)
            page.add(FREE, usage.free, place=place)
