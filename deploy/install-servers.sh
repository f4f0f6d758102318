#!/bin/sh
# Install Debian packages whose program is not there yet.
# Usage: install-servers.sh PROGRAM=PACKAGE ...   (a PROGRAM is a name or a file pattern)
set -eu
missing=""
for pair in "$@"; do
    program=${pair%%=*} package=${pair#*=} found=""
    for file in $program; do
        if [ -x "$file" ] || command -v "$file" >/dev/null 2>&1; then found=yes; fi
    done
    [ -n "$found" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=""
elif sudo -n true 2>/dev/null; then as_root="sudo"
else as_root=none; fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null; then
    echo "Not installed:$missing. On Debian: sudo apt-get install$missing" >&2
    exit 1
fi
echo "Set-up: installing Debian's$missing ..."
$as_root apt-get update -qq >/dev/null
# shellcheck disable=SC2086 # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $missing >/dev/null
