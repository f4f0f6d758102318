"""A landing folder that several modules of tests fill."""

import pytest
from upath import UPath

from tip_assets.ingestion.landing import landing_folder, read_month


@pytest.fixture
def land(tmp_path):
    """Drop files into 2024-01 and read the month."""

    def drop(**files: bytes | str):
        for name, content in files.items():
            stem, _, ending = name.rpartition("_")
            path = landing_folder(UPath(tmp_path), "2024-01") / f"{stem}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_month(UPath(tmp_path), "2024-01")

    return drop
