"""Checks on a month's data that must pass before training: landed rows and their split."""

import io

import dagster as dg
import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.ingestion import valid_records
from tip_assets.ingestion.landing import SOURCE_FILE, feedback_rows, is_feedback, rows_in
from tip_assets.ingestion.table_files import as_piece
from tip_assets.modelling.split import LEFT_OUT, PART, TEST, content_hash
from tip_assets.partitions import months
from tip_assets.runtime.io_managers import ParquetFiles
from tip_assets.runtime.storage import quarantine_file
from tip_assets.settings import Settings


@dg.asset_check(asset="raw_tips", blocking=True, partitions_def=months)
def rows_satisfy_the_contract(raw_tips: pd.DataFrame) -> dg.AssetCheckResult:
    """Every kept row satisfies the contract when it is read back."""
    refused = valid_records.check(as_piece(raw_tips[list(contract.COLUMNS)])).refused
    first = refused.head(1).to_dict("records")
    return dg.AssetCheckResult(
        passed=refused.empty,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"first of {len(refused)}: {first[0]}" if first else "all rows are valid",
        metadata={"contract": contract.VERSION, "broken_values": len(refused)},
    )


@dg.asset_check(asset="raw_tips", blocking=True, partitions_def=months)
def enough_rows(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """The month has enough rows from producers to train and measure; feedback does not count."""
    rows, feedback = _kept(settings, context.partition_key)
    least = settings.min_rows
    whence = f" from producers ({feedback} from feedback do not count)" if feedback else ""
    refused = _quarantined(settings, context.partition_key)
    first = "" if rows or refused.empty else f"; {_where(refused)}: {refused['reason'].iloc[0]}"
    return dg.AssetCheckResult(
        passed=rows >= least,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{rows} valid rows{whence}, at least {least} are needed (TIPS_MIN_ROWS)"
        + first,
        metadata={"rows": rows, "threshold": least},
    )


@dg.asset_check(asset="raw_tips", blocking=True, partitions_def=months)
def few_rows_are_quarantined(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """Most rows from producers are valid; otherwise the rest may not represent the month."""
    path = quarantine_file(settings.storage_root, context.partition_key)
    quarantined = _quarantined(settings, context.partition_key)
    refused = rows_in(quarantined[~quarantined["file"].map(is_feedback).astype(bool)])
    kept, _ = _kept(settings, context.partition_key)
    share, most = refused / max(1, refused + kept), settings.max_quarantined_share
    return dg.AssetCheckResult(
        passed=share <= most,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{refused} rows are quarantined, {100 * share:.1f} % of those that landed; "
        f"at most {100 * most:g} % may be (TIPS_MAX_QUARANTINED_SHARE)",
        metadata={
            "share": share,
            "threshold": most,
            "quarantine": dg.MetadataValue.path(str(path)),
        },
    )


@dg.asset_check(asset="splits", blocking=True, partitions_def=months)
def no_row_is_on_both_sides(splits: pd.DataFrame) -> dg.AssetCheckResult:
    """Equal rows are in one part, so no test row was used for training."""
    used = splits[splits[PART] != LEFT_OUT]
    hashes, test = content_hash(used), used[PART].eq(TEST).to_numpy()
    both = len(np.intersect1d(hashes[test], hashes[~test]))
    return dg.AssetCheckResult(
        passed=both == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{both} different rows are both train and test rows",
        metadata={"rows_on_both_sides": both},
    )


def _kept(settings: Settings, month: str) -> tuple[int, int]:
    """Return the numbers of the month's valid rows from producers and from feedback."""
    path = settings.storage_root / "assets" / "raw_tips" / f"{month}.parquet"
    rows = ParquetFiles(settings.storage_root).read(path, [SOURCE_FILE])
    feedback = int(feedback_rows(rows).sum())
    return len(rows) - feedback, feedback


def _quarantined(settings: Settings, month: str) -> pd.DataFrame:
    path = quarantine_file(settings.storage_root, month)
    return pd.read_parquet(io.BytesIO(path.read_bytes()))


def _where(refused: pd.DataFrame) -> str:
    """Return the file, and the row if there is one, of the first entry."""
    first = refused.iloc[0]
    return str(first["file"]) if pd.isna(first["row"]) else f"{first['file']}, row {first['row']}"
