#!/bin/sh
# Install the Debian packages that are missing. The stack starts its own servers: services that a
# package would start by itself, on the same ports, are neither started nor enabled.
# Usage: install-packages.sh "FOUND ...=PACKAGE" ...
# A package is there when one of its FOUND is: a command, or, with a slash in it, a pattern of files.
set -eu

is_there() {
    # shellcheck disable=SC2086 # several, and each may be a pattern
    for found in $1; do
        case $found in
        */*) [ ! -f "$found" ] || return 0 ;;
        *) ! command -v "$found" >/dev/null || return 0 ;;
        esac
    done
    return 1
}

missing=""
for pair in "$@"; do
    is_there "${pair%%=*}" || missing="$missing ${pair#*=}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=""
elif sudo -n true 2>/dev/null; then as_root="sudo"
else as_root=none; fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null; then
    echo "Set-up: not installed:$missing. On Debian: sudo apt-get install$missing"
    echo "Set-up: Debian's Prometheus and Alertmanager start by themselves on ports 9090 and 9093:" \
        "sudo systemctl disable --now prometheus prometheus-alertmanager"
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
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
for package in $missing; do
    # Nor at the next start of the machine; a package without a service has nothing to disable.
    if command -v systemctl >/dev/null && [ -e "/lib/systemd/system/$package.service" ]; then
        $as_root systemctl disable -q "$package.service" 2>/dev/null || true
    fi
done
