#!/usr/bin/env bash
# Save the database of PLATFORM before COMMIT is deployed; keep the five newest of these snapshots.
set -euo pipefail

snapshot="$PLATFORM-before-${COMMIT:0:12}"
made() { aws rds wait db-snapshot-available --db-snapshot-identifier "$snapshot"; }
if aws rds describe-db-snapshots --db-snapshot-identifier "$snapshot" >/dev/null 2>&1; then
    echo "$snapshot exists: this commit was deployed before."
else
    aws rds create-db-snapshot --db-instance-identifier "$PLATFORM" \
        --db-snapshot-identifier "$snapshot" >/dev/null
fi
# A wait gives up after a quarter of an hour.
made || made
aws rds describe-db-snapshots --db-instance-identifier "$PLATFORM" --snapshot-type manual --output text \
    --query "reverse(sort_by(DBSnapshots[?starts_with(DBSnapshotIdentifier, '$PLATFORM-before-')], &SnapshotCreateTime))[5:].[DBSnapshotIdentifier]" |
    while read -r old; do
        [ "$old" = None ] || aws rds delete-db-snapshot --db-snapshot-identifier "$old" >/dev/null
    done
echo "$snapshot"
