#!/usr/bin/env bash
# Plants each bug of tests/simulation/planted/ in a copy of the tree and sees that the simulation finds it
# within 10,000 seeds. Says after how many it did and how long the shrunk script is; fails if one is not
# found. SEEDS= is another bound; the copies build below CARGO_TARGET_DIR, or the tree's target folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}/planted
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
missed=0
for patch in tests/simulation/planted/*.patch; do
    name=$(basename "$patch" .patch)
    rm -rf "$copy/tree" && mkdir "$copy/tree"
    tar -c --exclude=./target --exclude=./.git . | tar -x -C "$copy/tree"
    patch -s -p1 -d "$copy/tree" <"$patch"
    (cd "$copy/tree" && CARGO_TARGET_DIR=$target cargo test -q --no-run --test simulation)
    began=$SECONDS
    if (cd "$copy/tree" && SEEDS=${SEEDS:-10000} CARGO_TARGET_DIR=$target \
        cargo test -q --test simulation seeds) >"$copy/log" 2>&1; then
        echo "$name: NOT FOUND"
        missed=1
    else
        seeds=$(sed -n 's/^\([0-9]*\) seeds, .*/\1/p' "$copy/log")
        length=$(sed -n 's/^script of \([0-9]*\) actions:/\1/p' "$copy/log")
        if [ -z "$length" ]; then
            cat "$copy/log" >&2
            echo "$name: the simulation failed without a script"
            missed=1
            continue
        fi
        why=$(grep -A1000 '^script of ' "$copy/log" | grep -v '^  ' | sed -n 2p)
        echo "$name: found after $seeds seeds in $((SECONDS - began)) s, shrunk to $length actions: $why"
    fi
done
exit $missed
