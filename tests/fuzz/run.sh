#!/usr/bin/env bash
# Fuzzes each target for some seconds, two or three at a time: tests/fuzz/run.sh [--keep] [SECONDS [TARGET...]]
#
# What is found meanwhile is kept below target/fuzz and makes the next run start from there; with --keep it is also
# merged into the committed corpus, which is then the smallest that reaches the same code. A crash is shown with the
# command that replays it; its input belongs into tests/fuzz/regressions/TARGET, where nothing is ever dropped.
set -euo pipefail
cd "$(dirname "$0")/../.."

keep=false
if [ "${1:-}" = --keep ]; then
    keep=true
    shift
fi
seconds=${1:-30}
shift || true
all=(client stranger codec framing config)
chosen=("$@")
[ $# -gt 0 ] || chosen=("${all[@]}")
targets=("${chosen[@]}")
for target in "${targets[@]}"; do
    [[ " ${all[*]} " == *" $target "* ]] || {
        echo "no target is called $target; there are ${all[*]}" >&2
        exit 2
    }
done

fuzz=$PWD/tests/fuzz
work=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
bins=$work/$host/release

# libFuzzer's instrumentation, which the stable compiler's LLVM has as well. `--target` keeps it out of build scripts.
instrumentation=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
    --cfg fuzzing
)

build() {
    echo "building the fuzz targets, minutes the first time"
    RUSTFLAGS="${instrumentation[*]}" CARGO_TARGET_DIR=$work cargo build --quiet --release --locked \
        --manifest-path "$fuzz/Cargo.toml" --target "$host"
}

# The longest input, by target: longer ones cost time and reach nothing new.
max_len() {
    case $1 in
        framing) echo 16384 ;;
        codec | config) echo 2048 ;;
        *) echo 768 ;;
    esac
}

# Runs one target and prints one line about it; fails when it crashed.
fuzz_one() {
    local target=$1 status=0 log=$work/$1.log
    local found=$work/corpus/$target crashes=$work/crashes/$target
    local folder kept=()
    for folder in "$fuzz"/{corpus,regressions}/"$target"; do
        [ ! -d "$folder" ] || kept+=("$folder")
    done
    mkdir -p "$found" "$crashes"
    "$bins/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len="$(max_len "$target")" \
        -print_final_stats=1 -artifact_prefix="$crashes/" \
        "$found" "${kept[@]}" >"$log" 2>&1 || status=$?
    awk -v target="$target" -v status=$status '
        /INITED/ { for (i = 1; i < NF; i++) if ($i == "cov:") first = $(i + 1) }
        / cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1) } }
        /number_of_executed_units/ { runs = $2 }
        /average_exec_per_sec/ { rate = $2 }
        END {
            printf "%-9s %9d executions %7d/s  cov %s (began with %s)  ft %s  %s\n",
                target, runs, rate, cov, first, ft, status ? "CRASHED" : "no crash"
        }' "$log"
    [ "$status" -ne 0 ] || return 0
    local input
    input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    grep -m 1 -A 3 'panicked at' "$log" >&2 || tail -n 20 "$log" >&2
    printf '%s fails (status %s); replay it with:\n    %s %s\nthe whole log: %s\n' \
        "$target" "$status" "$bins/$target" "$input" "$log" >&2
    return 1
}

# The smallest corpus that reaches what the committed and the found one reach together.
merge() {
    local target=$1 fresh=$work/merged/$1
    rm -rf "$fresh"
    mkdir -p "$fresh" "$fuzz/corpus/$target"
    "$bins/$target" -set_cover_merge=1 -use_counters=0 -timeout=10 -rss_limit_mb=1024 -max_len="$(max_len "$target")" \
        "$fresh" "$fuzz/corpus/$target" "$work/corpus/$target" >"$work/$target.merge.log" 2>&1
    rm -rf "$fuzz/corpus/$target"
    mv "$fresh" "$fuzz/corpus/$target"
    printf '%-9s corpus: %s inputs, %s bytes\n' "$target" "$(find "$fuzz/corpus/$target" -type f | wc -l)" \
        "$(find "$fuzz/corpus/$target" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')"
}

build
failed=false
while [ "${#targets[@]}" -gt 0 ]; do
    # Three that are left share two cores, rather than one of them having a round of its own.
    round=$((${#targets[@]} == 3 ? 3 : 2))
    pids=()
    for target in "${targets[@]:0:round}"; do
        fuzz_one "$target" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=true
    done
    targets=("${targets[@]:round}")
done
if $keep; then
    for target in "${chosen[@]}"; do
        merge "$target"
    done
fi
! $failed
