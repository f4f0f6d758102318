#!/bin/sh
# The entrypoint of the images: with-secrets COMMAND ...
# A file in /run/secrets that is named like a variable becomes that variable, unless it is set: URLs
# with passwords and keys are then in no image, no command line and no `docker inspect`.
set -eu
for file in /run/secrets/[A-Z]*; do
    name=${file##*/}
    if [ -f "$file" ] && ! printenv "$name" >/dev/null; then
        export "$name=$(cat "$file")"
    fi
done
exec "$@"
