"""Files that people upload, before anything of them is read as records.

Belongs here: keeping one under a name of ours, and how many rows it says it has. Does not belong
here: reading its records (`tip_assets/ingestion/table_files.py`) or what becomes of them.
"""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

from tip_assets.ingestion.table_files import CSV, GZIP, PARQUET, UnreadableFile, format_of
from tip_assets.settings import get_settings

_BLOCK = 1 << 20


def keep_upload(upload: Any, folder: Path, most_rows: int) -> tuple[Path, int]:
    """Write an uploaded file into a folder; return its path and about how many rows it has.

    Its name is not to be trusted: only the format is taken from it. A gzip file is kept unpacked.
    Raises UnreadableFile when it has too many rows, or unpacks to more than TIPS_MAX_UPLOAD_MB: a
    few kilobytes can hold a thousand million rows.
    """
    kind = format_of(upload.name)
    given = folder / f"given{CSV if kind == GZIP else kind}"
    try:
        if kind == GZIP:
            _unpack(upload, given, get_settings().max_upload_mb)
        else:
            given.write_bytes(upload.getbuffer())
        rows = rows_in(given)
        if rows > most_rows:
            raise UnreadableFile(f"the file has {rows:,} rows, and at most {most_rows:,} are taken")
    except UnreadableFile:
        given.unlink()
        raise
    return given, rows


def _unpack(upload: Any, given: Path, most_mb: int) -> None:
    size = 0
    try:
        with gzip.open(io.BytesIO(upload.getbuffer())) as packed, given.open("wb") as plain:
            while block := packed.read(_BLOCK):
                size += len(block)
                if size > most_mb << 20:
                    raise UnreadableFile(f"the file unpacks to more than {most_mb:,} MB")
                plain.write(block)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFile(f"the file cannot be read: {error}") from error


def rows_in(file: Path) -> int:
    """About how many rows a file has: what Parquet says of itself, the lines of CSV."""
    import pyarrow as pa
    import pyarrow.parquet

    if format_of(file.name) == PARQUET:
        try:
            return int(pa.parquet.ParquetFile(file).metadata.num_rows)
        except (pa.ArrowException, OSError):
            return 0  # reading it reports what is wrong with it
    with file.open("rb") as content:
        lines = sum(block.count(b"\n") for block in iter(lambda: content.read(_BLOCK), b""))
    return max(lines - 1, 0)
