#!/usr/bin/env bash
# Compares whole runs with other scanners, on one machine, in one session, in turn.
#
#   bash benches/peers.sh [RUNS]        default 5
#
# Prints the CPU seconds (user + system) of every run, the medians and the ratio. Peers come from
# Debian packages: hashdeep. The corpus is made once in target/bench/.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-5}
work=target/bench
mkdir -p "$work"

command -v hashdeep >/dev/null || { echo "install the Debian package hashdeep first" >&2; exit 2; }
[ -d "$work/small" ] || python3 benches/make-small-files.py "$work/small"
cargo build --release --quiet
assay=target/release/assay
printf 'files %s, bytes %s\n' "$(find "$work/small" -type f | wc -l)" "$(du -sb "$work/small" | cut -f1)"
hashdeep -V | sed 's/^/hashdeep /'
"$assay" --version

# cpu COMMAND...: runs it, prints user+system seconds.
cpu() {
  local times
  times=$({ /usr/bin/env TIMEFORMAT='%U %S' bash -c 'time "$@" >/dev/null 2>/dev/null' _ "$@"; } 2>&1) || true
  awk '{ printf "%.2f\n", $1 + $2 }' <<<"$times"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

ours() { rm -rf "$work/report"; cpu "$assay" scan "$work/small" --quiet --digests "$1" --out "$work/report"; }

compare() { # NAME, OUR DIGESTS, PEER COMMAND...
  local name=$1 digests=$2; shift 2
  local a=() b=()
  "$@" >/dev/null 2>&1 || true # warms the cache
  for _ in $(seq "$runs"); do a+=("$(ours "$digests")"); b+=("$(cpu "$@")"); done
  local ma mb
  ma=$(printf '%s\n' "${a[@]}" | median)
  mb=$(printf '%s\n' "${b[@]}" | median)
  printf '%s: assay %s [%s], peer %s [%s], ratio %s\n' "$name" "$ma" "${a[*]}" "$mb" "${b[*]}" \
    "$(awk -v a="$ma" -v b="$mb" 'BEGIN { printf "%.2f", a / b }')"
}

compare "md5+sha256 against hashdeep -j2" md5,sha256 hashdeep -j2 -r -c md5,sha256 "$work/small"
compare "md5+sha1+sha256 against hashdeep -j2" md5,sha1,sha256 hashdeep -j2 -r -c md5,sha1,sha256 "$work/small"
