#!/bin/sh
# Installs the server as a service: binary, unit, user, manual, and the configuration where there is none yet. Running
# it again brings a new binary and unit and leaves the configuration alone. It starts nothing.
#   systemd/install.sh [BINARY]       default: target/release/turnserver
# PREFIX (default /usr/local) is where it goes; with DESTDIR (packages, tests) the host itself is left alone.
set -eu
cd "$(dirname "$0")/.."
destdir=${DESTDIR:-}
prefix=${PREFIX:-/usr/local}
binary=${1:-target/release/turnserver}
doc=$destdir$prefix/share/doc/turnserver

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

[ -x "$binary" ] || fail "$binary is not there: cargo build --release"
[ -n "$destdir" ] || [ "$(id -u)" -eq 0 ] || fail "run it as root, or set DESTDIR"

# A file that is in use is replaced, never written to.
put() {
    mode=$1 from=$2 to=$3
    mkdir -p "$(dirname "$to")"
    install -m "$mode" "$from" "$to.new"
    mv -f "$to.new" "$to"
}

put 0755 "$binary" "$destdir$prefix/bin/turnserver"
unit=$(mktemp)
sed "s|/usr/local/bin/|$prefix/bin/|" systemd/turnserver.service >"$unit"
put 0644 "$unit" "$destdir$prefix/lib/systemd/system/turnserver.service"
rm "$unit"
put 0644 systemd/turnserver.sysusers "$destdir$prefix/lib/sysusers.d/turnserver.conf"
put 0644 docs/turnserver.8 "$destdir$prefix/share/man/man8/turnserver.8"
for example in 60-turnserver.sysctl.conf low-ports.conf tls-credentials.conf turnserver.socket; do
    put 0644 "systemd/$example" "$doc/$example"
done
put 0755 systemd/certbot-deploy-hook "$doc/certbot-deploy-hook"
put 0644 turnserver.toml "$doc/turnserver.toml"

if [ -z "$destdir" ]; then
    systemd-sysusers "$prefix/lib/sysusers.d/turnserver.conf"
    owner="-o root -g turnserver"
fi
# Only the server's group may read what may hold secrets. A package sets the group itself.
# shellcheck disable=SC2086
install -d -m 0750 ${owner:-} "$destdir/etc/turnserver"
config=$destdir/etc/turnserver/turnserver.toml
# shellcheck disable=SC2086
[ -e "$config" ] || install -m 0640 ${owner:-} turnserver.toml "$config"

if [ -z "$destdir" ]; then
    # None to tell in a container or chroot.
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
    echo "installed; edit $config, then: systemctl enable --now turnserver"
fi
