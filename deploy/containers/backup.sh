#!/bin/sh
# `backup save` writes a backup to its output as a tar archive; `backup restore [--replace]` reads one
# from its input. So the backup's owner on the host is the one who runs Docker.
set -eu
if [ "$1" = save ]; then
    python -m deploy.backup save /backups >&2
    cd /backups && tar -c 2*Z
else
    tar -C /backups -x
    python -m deploy.backup "$1" /backups/2*Z ${2:+"$2"}
fi
