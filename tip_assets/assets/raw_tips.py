"""`raw_tips`: read a month's landing files and validate them against the contract."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta

import dagster as dg
import pandas as pd

from tip_assets import contract
from tip_assets.assets.links import app_page
from tip_assets.ingestion.landing import (
    LANDED,
    SOURCE_FILE,
    SOURCE_ROW,
    MonthOfLanding,
    feedback_rows,
    landed_months,
    landing_folder,
    read_month,
)
from tip_assets.ingestion.landing_log import LandingLog
from tip_assets.metric_store import tables
from tip_assets.metric_store.store import MetricStore
from tip_assets.modelling.split import content_hash
from tip_assets.partitions import GROUP, OWNERS, START_POOL, months
from tip_assets.runtime.engine import Engine
from tip_assets.runtime.io_managers import ParquetFiles
from tip_assets.runtime.storage import quarantine_file, write_atomically
from tip_assets.settings import Settings, get_settings

landing_tips = dg.AssetSpec(
    "landing_tips",
    description="Files that producers drop under `landing/<month>/`. The platform never changes "
    "or deletes them.",
    group_name=GROUP,
    kinds={"csv", "parquet"},
    owners=OWNERS,
    partitions_def=months,
    # Freshness counts from when the landing sensor saw new files; `silence_sensor` notifies people.
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(days=get_settings().max_silent_days)
    ),
)


@dg.asset(
    deps=[landing_tips],
    partitions_def=months,
    group_name=GROUP,
    kinds={"pandas", "parquet"},
    metadata=app_page("reports"),
    owners=OWNERS,
    io_manager_key="parquet_files",
    code_version=contract.VERSION,
    pool=START_POOL,
)
def raw_tips(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    metric_store: MetricStore,
    engine: Engine,
) -> dg.MaterializeResult[pd.DataFrame]:
    """The month's tip records that satisfy the contract, with their source file and row.

    Rows, lines and files that break it go to quarantine with the reason; valid rows continue.
    """
    month, storage = context.partition_key, settings.storage_root
    # Taken before reading: if a file lands meanwhile, the next tick runs the month again.
    landed = landed_months(storage).get(month)
    landing = read_month(storage, month, engine.each)
    folder = landing_folder(storage, month)
    if not landing.files or landed is None:
        raise dg.Failure(
            f"No .csv or .parquet file for {month} under {folder}. Put the month's records there "
            "and run the month again.",
            allow_retries=False,
        )
    quarantine = quarantine_file(storage, month)
    write_atomically(quarantine, ParquetFiles(storage).to_bytes(landing.quarantine))
    metric_store.replace_month(month, {tables.ingestion: [_numbers(landing)]})
    LandingLog(metric_store).record({month: landed})
    return dg.MaterializeResult(
        value=landing.rows,
        metadata={**_metadata(landing), LANDED: landed.digest},
        data_version=dg.DataVersion(data_version(landing.rows)),
    )


def data_version(rows: pd.DataFrame) -> str:
    """Return a digest of valid records, their order and sources; independent of the file format."""
    sources, files = pd.factorize(rows[SOURCE_FILE])
    digest = hashlib.sha256(json.dumps(list(files)).encode())
    for values in (content_hash(contract.codes(rows)), sources, rows[SOURCE_ROW].to_numpy()):
        digest.update(values.astype("<u8").tobytes())
    return digest.hexdigest()[:16]


def _numbers(landing: MonthOfLanding) -> dict[str, int]:
    return {
        "files": len(landing.files),
        "files_unreadable": int(landing.quarantine["row"].isna().sum()),
        "rows_kept": len(landing.rows),
        "rows_quarantined": landing.rows_refused,
    }


def _metadata(landing: MonthOfLanding) -> Mapping[str, dg.MetadataValue]:
    files, unreadable, kept, refused = _numbers(landing).values()
    feedback = int(feedback_rows(landing.rows).sum())
    from_app = f" ({feedback:,} from feedback)" if feedback else ""
    summary = (
        f"{kept} rows kept{from_app}, {refused} quarantined, from {files} file{'s' * (files != 1)}"
    )
    if unreadable:
        summary += f" ({unreadable} unreadable)"
    metadata: dict[str, dg.MetadataValue] = {
        "summary": dg.MetadataValue.text(summary),
        "dagster/row_count": dg.MetadataValue.int(kept),
        "rows_quarantined": dg.MetadataValue.int(refused),
        "files_unreadable": dg.MetadataValue.int(unreadable),
        "quarantine_share": dg.MetadataValue.float(refused / max(1, kept + refused)),
        "files": dg.MetadataValue.json(landing.files),
        "preview": dg.MetadataValue.md(preview(landing.rows)),
    }
    if feedback:
        metadata["feedback_rows"] = dg.MetadataValue.int(feedback)
    if landing.read_as:
        metadata["read_as"] = dg.MetadataValue.json(landing.read_as)
    if landing.ignored_columns:
        metadata["ignored_columns"] = dg.MetadataValue.json(landing.ignored_columns)
    if len(landing.quarantine):
        reasons = landing.quarantine.groupby(["file", "reason"]).size().reset_index(name="count")
        metadata["quarantine_reasons"] = dg.MetadataValue.md(preview(reasons, rows=20))
    return metadata


def preview(frame: pd.DataFrame, rows: int = 5) -> str:
    """Return the first rows of a table as Markdown."""
    head = frame.head(rows).astype(str)
    lines = [" | ".join(head.columns), " | ".join("---" for _ in head.columns)]
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in head.to_numpy()]
    return "\n".join(f"| {line} |" for line in lines)
