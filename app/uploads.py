"""Files that people upload, before anything of them is read as records.

Belongs here: keeping one under a name of ours, and how many rows it says it has. Does not belong
here: reading its records (`tip_assets/table_files.py`) or what becomes of them.
"""

from pathlib import Path
from typing import Any

from tip_assets.table_files import UnreadableFile


def keep_upload(upload: Any, folder: Path, most_rows: int) -> tuple[Path, int]:
    """Write an uploaded file into a folder; gives its path and about how many rows it has.

    Its name is somebody else's: only the kind of file is taken from it. Raises UnreadableFile when
    it has too many rows: a few kilobytes of Parquet can hold a thousand million of them.
    """
    given = folder / f"given{Path(upload.name).suffix.lower()}"
    given.write_bytes(upload.getbuffer())
    rows = rows_in(given)
    if rows > most_rows:
        given.unlink()
        raise UnreadableFile(f"the file has {rows:,} rows, and at most {most_rows:,} are taken")
    return given, rows


def rows_in(file: Path) -> int:
    """About how many rows a file has: what Parquet says of itself, the lines of CSV."""
    import pyarrow as pa
    import pyarrow.parquet

    if file.suffix == ".parquet":
        try:
            return int(pa.parquet.ParquetFile(file).metadata.num_rows)
        except (pa.ArrowException, OSError):
            return 0  # whoever reads it says what is wrong with it
    with file.open("rb") as content:
        lines = sum(block.count(b"\n") for block in iter(lambda: content.read(1 << 20), b""))
    return max(lines - 1, 0)
