#!/bin/bash
# Run a step of the set-up. Its own lines, "Set-up: ...", are shown; everything that it and the
# package tools print goes to .setup.log. When it fails, the end of that file is shown.
# Usage: logged.sh COMMAND ...
set -o pipefail
log=.setup.log
printf '\n$ %s\n' "$*" >>"$log"
"$@" 2>&1 | tee -a "$log" | { grep --line-buffered '^Set-up:' || true; }
status=${PIPESTATUS[0]}
if [ "$status" != 0 ]; then
    printf 'error: the set-up failed. The end of %s:\n' "$PWD/$log" >&2
    tail -n 15 "$log" >&2
fi
exit "$status"
