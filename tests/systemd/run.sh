#!/usr/bin/env bash
# Installs the service into a tree and has Debian's systemd judge it: units verified, exposure at most 2.0, also with
# each drop-in; installing again leaves the configuration alone. As root it installs systemd where it is missing.
#   tests/systemd/run.sh [BINARY]     default: target/release/turnserver
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=${1:-${CARGO_TARGET_DIR:-target}/release/turnserver}
exposure_max=2.0

fail() {
    printf 'systemd: %s\n' "$*" >&2
    exit 1
}

if ! command -v systemd-analyze >/dev/null || ! [ -x /bin/kill ]; then
    [ "$(id -u)" -eq 0 ] || fail "missing Debian packages, to be installed by root: systemd procps"
    apt-get install -y -qq --no-install-recommends systemd procps ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd procps; }
fi

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
units=$tree/usr/lib/systemd/system
# What the units refer to: systemd's own units, and kill.
mkdir -p "$units" "$tree/bin" "$tree/etc"
cp -a /lib/systemd/system/. "$units"
cp /bin/kill "$tree/bin/kill"

install_it() {
    DESTDIR=$tree PREFIX=${PREFIX:-/usr/local} systemd/install.sh "$binary"
}

# A word of complaint is a failure, whatever the exit status says.
verify() {
    local said
    said=$(systemd-analyze --root="$tree" --man=no verify "$@" 2>&1) && [ -z "$said" ] || fail "$* ($heading): $said"
}

exposure() {
    systemd-analyze security --root="$tree" --offline=true --no-pager turnserver.service |
        sed -nE 's/.*Overall exposure level for turnserver.service: ([0-9.]+) .*/\1/p'
}

judge() {
    heading=$1
    verify turnserver.service
    local level
    level=$(exposure)
    awk -v level="${level:-10}" -v max="$exposure_max" 'BEGIN { exit !(level + 0 <= max + 0) }' ||
        fail "$heading: exposure ${level:-unknown}, at most $exposure_max"
    printf '%s: verified, exposure %s\n' "$heading" "$level"
}

install_it
judge "as shipped"
[ -s "$tree/usr/local/share/man/man8/turnserver.8" ] || fail "the manual that the unit names is not there"

for dropin in low-ports.conf tls-credentials.conf; do
    install -D -m 0644 "$tree/usr/local/share/doc/turnserver/$dropin" \
        "$tree/etc/systemd/system/turnserver.service.d/$dropin"
    judge "with $dropin"
    rm "$tree/etc/systemd/system/turnserver.service.d/$dropin"
done

install -D -m 0644 "$tree/usr/local/share/doc/turnserver/turnserver.socket" "$tree/etc/systemd/system/turnserver.socket"
judge "with turnserver.socket"
verify turnserver.socket

[ "$(stat -c %a "$tree/etc/turnserver/turnserver.toml")" = 640 ] || fail "the configuration can be read by others"
echo '# mine' >>"$tree/etc/turnserver/turnserver.toml"
install_it
tail -1 "$tree/etc/turnserver/turnserver.toml" | grep -qx '# mine' || fail "a second installation overwrites settings"

PREFIX=/usr install_it
heading="below /usr"
grep -q '^ExecStart=/usr/bin/turnserver ' "$units/turnserver.service" || fail "PREFIX does not reach the unit"
verify turnserver.service

if [ "$(id -u)" -eq 0 ]; then
    systemd-sysusers --root="$tree" turnserver.conf
    grep -q '^turnserver:' "$tree/etc/passwd" || fail "no user was made"
    grep -q '^turnserver:' "$tree/etc/group" || fail "no group was made"
else
    echo "not root: that the user is made was not tried"
    [ -z "${CI:-}" ] || fail "CI runs this as root"
fi
echo "systemd: all as it should be"
