#!/usr/bin/env bash
# The long form of the soak, in release: 10 million datagrams, 100,000 streams, 100,000 allocations, 1,000
# abrupt ends, 10,000 idle allocations. As root it runs in network namespaces of its own.
# SOAK=0.1 does a tenth; a name of a test as an argument does that one.
set -euo pipefail
cd "$(dirname "$0")/../.."
export SOAK=${SOAK:-1}
ulimit -n "$(ulimit -Hn)"
exec cargo test --release --test soak -- --test-threads=1 "$@"
