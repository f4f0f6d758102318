#!/bin/sh
# Make the virtual environment with the locked installer in it. Usage: make-venv.sh PYTHON FOLDER
set -eu
python=$1 folder=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    echo "Set-up: Python 3.11 is needed; found: $("$python" --version 2>&1 || echo none)."
    echo "Set-up: name it with: make PYTHON=/path/to/python3.11 ..."
    exit 1
fi
# Debian keeps venv's bootstrap in a package of its own.
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    sh "$(dirname "$0")/install-packages.sh" never-there=python3-venv
fi
# The folder's own Python, when it is first on the path, would be removed under our feet.
python=$("$python" -c 'import sys; print(sys._base_executable)')
echo "Set-up: making $folder ..."
"$python" -m venv --clear "$folder"
"$folder/bin/python" -m pip install -q --disable-pip-version-check --require-hashes \
    -r requirements-setup.lock
