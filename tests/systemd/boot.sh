#!/usr/bin/env bash
# Boots Debian with its own systemd in a container without network, installs the service there and runs it through
# tests/systemd/scenario.sh: start, relay, what the documents say, reload, certificates, watchdog, drain, stop, inherited
# sockets. Needs root and coturn's tools (tests/interop/peers.sh). The Debian tree stays in target/boot for the next time;
# nothing else does.
#   tests/systemd/boot.sh [BINARY]    default: target/release/turnserver; prints the transcript
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/turnserver}")
peers=$(realpath "${PEERS:-target/peers}")
base=$(realpath -m "${BOOT:-target/boot}")
seconds_max=400

fail() {
    printf 'boot: %s\n' "$*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "a container of its own takes root"
[ -x "$binary" ] || fail "$binary is not there: cargo build --release"
[ -x "$peers/coturn/usr/bin/turnutils_uclient" ] || fail "coturn's tools are not there: tests/interop/peers.sh"

install_packages() {
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
missing=$(
    command -v debootstrap >/dev/null || echo debootstrap
    command -v systemd-nspawn >/dev/null || echo systemd-container
    command -v openssl >/dev/null || echo openssl
)
# shellcheck disable=SC2086
[ -z "$missing" ] || install_packages $missing || { apt-get update -qq && install_packages $missing; }

if [ ! -x "$base/debian/lib/systemd/systemd" ]; then
    rm -rf "$base"
    mkdir -p "$base"
    echo "unpacking Debian"
    packages=systemd,systemd-sysv,dbus,iproute2,procps,nftables,openssl
    debootstrap --variant=minbase --include=$packages bookworm "$base/fresh" >"$base/log" || fail "see $base/log"
    mv "$base/fresh" "$base/debian"
fi

# What the container writes goes to memory and is gone with it.
room=$(mktemp -d)
cgroup=turnserver-boot.$$
trap 'rm -rf "$room"' EXIT

certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days "$2" -subj /CN=turn.test -addext subjectAltName=DNS:turn.test \
        -addext basicConstraints=critical,CA:FALSE -keyout "$1/privkey.pem" -out "$1/fullchain.pem" 2>/dev/null
}

fill() {
    local to=$1
    mkdir -p "$to"/{first,second}
    cp -r systemd docs "$to/"
    cp turnserver.toml tests/systemd/scenario.sh "$to/"
    install -s "$binary" "$to/turnserver" 2>/dev/null || cp "$binary" "$to/turnserver"
    cp -a "$peers/coturn" "$to/coturn"
    certificate "$to/first" 30
    certificate "$to/second" 60
}

# Runs in a mount namespace of its own: mounts, and what nspawn leaves in /run, end with it.
inside() {
    mount --make-rprivate /
    mount -t tmpfs -o size=512m turnserver-boot "$room"
    mkdir "$room"/{upper,work,root}
    mount -t overlay -o "lowerdir=$base/debian,upperdir=$room/upper,workdir=$room/work" overlay "$room/root"
    fill "$room/root/opt/turnserver"
    cat >"$room/root/etc/systemd/system/scenario.service" <<-UNIT
	[Unit]
	After=multi-user.target
	[Service]
	Type=exec
	WorkingDirectory=/opt/turnserver
	ExecStart=/opt/turnserver/scenario.sh
	StandardOutput=append:/opt/turnserver/transcript
	StandardError=inherit
	Environment="PARTS=${PARTS:-}"
	ExecStopPost=/bin/sh -c 'systemctl exit --no-block \$\$EXIT_STATUS'
	UNIT
    mkdir -p "$room/root/etc/systemd/system/default.target.wants"
    ln -s ../scenario.service "$room/root/etc/systemd/system/default.target.wants/scenario.service"
    ln -sf multi-user.target "$room/root/etc/systemd/system/default.target"
    touch "$room/root/opt/turnserver/transcript"
    mount -t tmpfs run /run
    # A hierarchy of control groups below one of our own, whatever the host's looks like.
    findmnt -n -t cgroup2 /sys/fs/cgroup >/dev/null || mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir "/sys/fs/cgroup/$cgroup"
    echo "$BASHPID" >"/sys/fs/cgroup/$cgroup/cgroup.procs"
    tail -n +1 -f "$room/root/opt/turnserver/transcript" &
    local shown=$! status=0
    timeout --kill-after=10 "$seconds_max" \
        systemd-nspawn --quiet --directory="$room/root" --boot --register=no --keep-unit --private-network \
        --machine=turnserver-boot --link-journal=no --resolv-conf=off --console=pipe --kill-signal=SIGRTMIN+3 \
        </dev/null >"$room/console" 2>&1 || status=$?
    sleep 1
    kill "$shown"
    echo "$BASHPID" >/sys/fs/cgroup/cgroup.procs
    find "/sys/fs/cgroup/$cgroup" -depth -type d -exec rmdir {} +
    [ "$status" -eq 0 ] || tail -20 "$room/console"
    return "$status"
}

export -f inside fill certificate
export room cgroup base binary peers seconds_max
unshare --mount bash -euo pipefail -c inside || fail "the scenario failed"
echo "boot: all as it should be"
