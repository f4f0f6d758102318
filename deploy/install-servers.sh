#!/bin/sh
# Install Debian packages whose program is not there yet; the stack starts its own servers, so that
# what a package would start by itself, on the same ports, is neither started nor enabled.
# Usage: install-servers.sh PROGRAM=PACKAGE ...   (a PROGRAM is a name or a file pattern)
set -eu
missing=""
for pair in "$@"; do
    program=${pair%%=*} package=${pair#*=} found=""
    case $program in
    */*) for file in $program; do
            if [ -f "$file" ] && [ -x "$file" ]; then found=yes; fi
        done ;;
    # A bare name means a command, never what lies in this folder under that name.
    *) if command -v "$program" >/dev/null 2>&1; then found=yes; fi ;;
    esac
    [ -n "$found" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=""
elif sudo -n true 2>/dev/null; then as_root="sudo"
else as_root=none; fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null; then
    echo "Not installed:$missing. On Debian: sudo apt-get install$missing" >&2
    echo "Prometheus and Alertmanager start services of their own on ports 9090 and 9093: sudo" \
        "systemctl disable --now prometheus prometheus-alertmanager" >&2
    exit 1
fi

# Debian asks this file whether a service may be started (invoke-rc.d(8)): 101 says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$as_root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
fi
echo "Set-up: installing Debian's$missing ..."
$as_root apt-get update -qq >/dev/null
# shellcheck disable=SC2086 # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $missing >/dev/null
for package in $missing; do
    # Nor at the next start of the machine; a package without a service has nothing to disable.
    if command -v systemctl >/dev/null && [ -e "/lib/systemd/system/$package.service" ]; then
        $as_root systemctl disable -q "$package.service" 2>/dev/null || true
    fi
done
