#!/bin/sh
# Make the virtual environment with the locked installer in it. Usage: make-venv.sh PYTHON FOLDER
set -eu
python=$1 folder=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    echo "Python 3.11 is needed; found: $("$python" --version 2>&1 || echo none)." >&2
    echo "Name it with: make PYTHON=/path/to/python3.11 ..." >&2
    exit 1
fi
# Debian keeps venv's bootstrap in a package of its own.
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Set-up: installing Debian's python3-venv ..."
        { apt-get update && apt-get install -y --no-install-recommends python3-venv; } >/dev/null
    else
        echo "Python's venv is missing; on Debian: sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi
# The folder's own Python, when it is first on the path, would be removed under our feet.
python=$("$python" -c 'import sys; print(sys._base_executable)')
echo "Set-up: making $folder ..."
"$python" -m venv --clear "$folder"
"$folder/bin/python" -m pip install -q --disable-pip-version-check --require-hashes \
    -r requirements-setup.lock
