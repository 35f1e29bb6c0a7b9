#!/usr/bin/env bash
# Brings what the interop cases run against: programs from Debian packages, Debian's coturn
# unpacked under target/peers (never installed: its package would start a service), a Python
# environment with aiortc and a client in Go. Everything already there is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
# Where nft is, and where the PATH of an ordinary user does not lead.
PATH=$PATH:/usr/sbin
mkdir -p target/peers
peers=$PWD/target/peers
# Where Debian's packages of Go keep their sources.
go_path=/usr/share/gocode

fail() {
    printf 'peers: %s\n' "$*" >&2
    exit 1
}

# An ordinary user cannot write apt's own state, so it gets a private one.
apt_options=(-qq -o DPkg::Lock::Timeout=600 -o APT::Sandbox::User=root)
if [ "$(id -u)" -ne 0 ]; then
    mkdir -p "$peers"/apt/{state/lists,cache/archives}/partial
    apt_options+=(
        -o Dir::State="$peers/apt/state"
        -o Dir::State::status=/var/lib/dpkg/status
        -o Dir::Cache="$peers/apt/cache"
    )
fi

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get "${apt_options[@]}" "$@"
}

# Package lists age: a file they name may be gone from the archive, so one refresh is worth it.
with_fresh_lists() {
    "$@" || {
        echo "refreshing the package lists"
        apt update && "$@"
    }
}

install_packages() {
    apt install -y --no-install-recommends "$@"
}

missing_packages() {
    local command package
    while read -r command package; do
        command -v "$command" >/dev/null || echo "$package"
    done <<-'TABLE'
	chromium    chromium
	chromedriver chromium-driver
	firefox-esr firefox-esr
	certutil    libnss3-tools
	ip          iproute2
	nft         nftables
	g++         g++
	go          golang-go
	TABLE
    [ -d "$go_path/src/github.com/pion/turn/v2" ] || echo golang-github-pion-turn.v2-dev
    /usr/bin/python3 -c 'import gi; gi.require_version("Nice", "0.1")' 2>/dev/null ||
        echo "python3-gi gir1.2-nice-0.1"
    python3 -c 'import ensurepip, sys, venv; assert sys.version_info >= (3, 11)' 2>/dev/null ||
        echo "python3 python3-venv"
}

system_programs() {
    local missing
    missing=$(missing_packages | xargs)
    [ -n "$missing" ] || return 0
    [ "$(id -u)" -eq 0 ] || fail "missing Debian packages, to be installed by root: $missing"
    echo "installing $missing"
    # shellcheck disable=SC2086
    with_fresh_lists install_packages $missing
    missing=$(missing_packages | xargs)
    [ -z "$missing" ] || fail "still missing after installation: $missing"
}

# A simulated installation names coturn and the libraries this machine lacks, in one answer.
coturn_packages() {
    apt install -s --no-install-recommends --reinstall coturn |
        awk '$1 == "Inst" && $2 ~ /^(coturn$|lib)/ { print $2 }' | grep .
}

download_coturn() {
    local packages
    packages=$(coturn_packages) || return
    # shellcheck disable=SC2086
    (cd "$1" && apt download $packages)
}

coturn_library_path() {
    echo "$1"/usr/lib/*-linux-gnu
}

coturn() {
    [ ! -x "$peers/coturn/usr/bin/turnutils_uclient" ] || return 0
    echo "unpacking Debian's coturn"
    local fresh=$peers/coturn.fresh debs=$peers/coturn.debs deb lacking
    rm -rf "$fresh" "$debs"
    mkdir -p "$fresh" "$debs"
    with_fresh_lists download_coturn "$debs"
    for deb in "$debs"/*.deb; do
        dpkg -x "$deb" "$fresh"
    done
    lacking=$(LD_LIBRARY_PATH=$(coturn_library_path "$fresh") ldd "$fresh"/usr/bin/turn{server,utils_uclient} |
        awk '/not found/ { print $1 }' | sort -u | xargs)
    [ -z "$lacking" ] || fail "Debian's coturn lacks libraries: $lacking"
    rm -rf "$debs" "$peers/coturn"
    mv "$fresh" "$peers/coturn"
}

python_environment() {
    local wanted=tests/interop/requirements.txt venv=$peers/venv
    cmp -s "$wanted" "$venv/requirements.txt" && return 0
    echo "installing aiortc"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$wanted"
    cp "$wanted" "$venv/requirements.txt"
}

pion() {
    local source=tests/interop/pion/main.go program=$peers/pion
    [ ! "$program" -nt "$source" ] || return 0
    echo "building the client of pion"
    GO111MODULE=off GOPATH=$go_path go build -o "$program" "$source"
}

system_programs
coturn
python_environment
pion
