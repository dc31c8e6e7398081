#!/usr/bin/env bash
# Fuzzes one target for a time, guided by coverage, and writes what an examiner of this program
# would ask into logs/TARGET.log: revision, duration, executions, coverage, what was found.
#
#   tests/fuzz/run.sh TARGET SECONDS            e.g. tests/fuzz/run.sh worker_replies 1800
#   tests/fuzz/run.sh TARGET SECONDS planted    with the target's planted mistake: must be found
#
# Needs the toolchain of rust-toolchain.toml (stable) and a C++ compiler for libFuzzer. Inputs gather
# in target/fuzz-corpus, findings in target/fuzz-found; files in seeds/TARGET are the first inputs,
# words of dicts/TARGET.dict are put into them.
# An input may take UNIT_SECONDS (120) of wall time, MAX_LEN (65536) bytes at most: on a busy machine a
# shorter limit finds only the other processes. Exit code: 0 nothing found (planted: found), 1 otherwise.
set -euo pipefail
cd "$(dirname "$0")"
target=${1:?which target: see targets/}
seconds=${2:?how many seconds}
mode=${3:-}
revision=$(git describe --always --dirty --abbrev=8 2>/dev/null || echo unknown)
host=$(rustc -vV | sed -n 's/^host: //p')

# Coverage instrumentation of this program and its Rust packages, not of build scripts.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
build=${CARGO_TARGET_DIR:-$PWD/target}
features=()
name=$target
if [ "$mode" = planted ]; then
  features=(--features planted)
  name=$target-planted
fi
cargo build --quiet --locked --release --target "$host" --target-dir "$build" \
  --bin "$target" "${features[@]}"

# A copy, so that another target or the planted one can be built while this one runs.
mkdir -p "$build/fuzz-bin"
cp "$build/$host/release/$target" "$build/fuzz-bin/$name"
corpus=$build/fuzz-corpus/$name
found=$build/fuzz-found/$name
[ "$mode" = planted ] && rm -rf "$corpus" "$found"
seeds=$build/fuzz-seeds/$target
mkdir -p "$corpus" "$found" "$seeds" logs
export FUZZ_SEEDS=$seeds # some targets write good inputs of today's format there
[ -d "seeds/$target" ] && cp -rL "seeds/$target/." "$seeds"
words=() # what a format is made of, where single bytes never become it
[ -f "dicts/$target.dict" ] && words=("-dict=dicts/$target.dict")
full=$build/$name.full.log
begun=$(date +%s)
status=0
nice -n 19 "$build/fuzz-bin/$name" "$corpus" "$seeds" "${words[@]}" \
  -artifact_prefix="$found/" -max_total_time="$seconds" -max_len="${MAX_LEN:-65536}" \
  -timeout="${UNIT_SECONDS:-120}" -rss_limit_mb=2048 -print_final_stats=1 >"$full" 2>&1 || status=$?
took=$(($(date +%s) - begun))

{
  echo "target $name, revision $revision, $(rustc -V)"
  echo "ran $took s, exit code $status, inputs kept $(find "$corpus" -type f | wc -l)"
  grep -E 'INFO: (Seed|Loaded [0-9]+ (modules|PC))' "$full" | head -3 || true
  grep -aE '\bINITED\b' "$full" | head -1 || true
  # Coverage and executions as time goes by: at most 12 lines, and the last.
  grep -aE '^#[0-9]+.*cov: [0-9]+' "$full" | awk '{ line[NR] = $0 }
    END { step = int(NR / 12) + 1
          for (n = 1; n <= NR; n += step) print line[n]
          if ((NR - 1) % step) print line[NR] }' || true
  grep -aE "panicked at|planted:|^==[0-9]+== ?ERROR|SUMMARY|DONE|Done [0-9]+ runs|^stat::" "$full" | head -20 || true
  if [ "$mode" = planted ]; then
    if grep -qa 'planted:' "$full"; then echo "the planted mistake was found"
    else echo "the planted mistake was NOT found"; fi
  fi
} >"logs/$name.log"
cat "logs/$name.log"
if [ "$mode" = planted ]; then grep -qa 'planted:' "$full"; else [ "$status" = 0 ]; fi
