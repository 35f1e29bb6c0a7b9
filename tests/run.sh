#!/usr/bin/env bash
# The whole test, in a fresh clone too: format, lints, unit tests, then real clients against the built
# server. Each heading carries the time since the start. As root it installs the Debian packages it
# lacks; otherwise it names them and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    local heading=$1
    shift
    printf '== %d:%02d %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$heading"
    "$@" || {
        printf 'FAILED: %s\n' "$heading" >&2
        exit 1
    }
}

command -v cargo >/dev/null || {
    echo "cargo is missing: install the Rust toolchain with rustfmt and clippy" >&2
    exit 1
}

step "peers" tests/interop/peers.sh
step "cargo fmt" cargo fmt --check
step "cargo clippy" cargo clippy --all-targets -- -D warnings
step "cargo test" cargo test
step "fuzz, 30 s a target" tests/fuzz/run.sh 30
step "cargo build --release" cargo build --release
step "systemd" tests/systemd/run.sh
step "interop" target/peers/venv/bin/python tests/interop/run.py
