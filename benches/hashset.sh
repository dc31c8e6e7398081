#!/usr/bin/env bash
# `assay hashset lookup` against `hfind -f` of The Sleuth Kit on the same lists of random MD5s, and
# what a large set costs a scan. Processor time (user + system); all figures of one run are ratios
# of the same machine at the same time.
#
#   benches/hashset.sh FOLDER [ENTRIES]...     1000000 10000000 where none is named
#
# FOLDER gets lists, indexes and sets (about 0.2 GB a million entries), removed at the end. With
# LARGE=FILE.ahs, a set that `cargo bench --bench lookup -- FOLDER 100000000 --keep` left, the cost
# of a scan with it is compared with one of 10,000 entries; with it SMALL_FILES (20000) are made.
set -euo pipefail
folder=${1:?a folder for lists and sets}
shift
assay=${ASSAY:-$(dirname "$0")/../target/release/assay}
assay=$(realpath "$assay")
queries=1000000  # of assay, in one process
hfind_queries=20000 # it takes some ten microseconds for each
rounds=${ROUNDS:-5}
TIMEFORMAT='%U %S'
if ! command -v hfind >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq sleuthkit
fi
work=$(mktemp -d "$folder/hashset-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Lines of random digests: seed, number, text behind each.
digests() {
  python3 - "$@" <<'PY'
import random, sys
seed, count, behind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
source = random.Random(seed)
while count:
    part = min(count, 1 << 16)
    text = source.randbytes(16 * part).hex()
    sys.stdout.write("".join(text[32 * n:32 * n + 32] + behind + "\n" for n in range(part)))
    count -= part
PY
}
# Processor seconds of a command, the median of the rounds; its output goes to $work/out.
cpu() {
  for _ in $(seq "$rounds"); do
    { time "$@" >"$work/out" 2>"$work/err"; } 2>&1 | tail -1 | awk '{ print $1 + $2 }'
  done | sort -n | awk '{ line[NR] = $1 } END { print line[int((NR + 1) / 2)] }'
}

for entries in "${@:-1000000 10000000}"; do
  for entries in $entries; do
    list=$work/list.md5
    digests 1 "$entries" "  name" >"$list"
    "$assay" hashset build "$list" --kind ignore --name bench --out "$work/set.ahs" --quiet >/dev/null
    hfind -i md5sum "$list" >/dev/null 2>&1
    # Half of the questions are in the list, spread over it, and half are not.
    half=$((queries / 2))
    awk -v step="$((entries / half > 0 ? entries / half : 1))" 'NR % step == 0 { print $1 }' "$list" |
      head -n "$half" >"$work/present"
    digests 2 "$half" "" >"$work/absent"
    paste -d '\n' "$work/present" "$work/absent" | grep . >"$work/questions"
    head -n "$hfind_queries" "$work/questions" >"$work/few"
    ours=$(cpu bash -c "'$assay' hashset lookup '$work/set.ahs' <'$work/questions'")
    hits=$(grep -c ',ignore,' "$work/out")
    theirs=$(cpu hfind -f "$work/few" "$list")
    echo "$entries $ours $(wc -l <"$work/questions") $hits $theirs $hfind_queries" | awk '{
      ours = $2 / $3 * 1e6; theirs = $5 / $6 * 1e6
      printf "%d entries: assay %.3f us a query (%d queries, %d found), hfind %.2f us (%d): %.0f times\n",
        $1, ours, $3, $4, theirs, $6, theirs / ours }'
    rm -f "$work"/*
  done
done

if [ -n "${LARGE:-}" ]; then
  mkdir "$work/none" "$work/files"
  : >"$work/none/empty"
  python3 - "$work/files" "${SMALL_FILES:-20000}" <<'PY'
import pathlib, random, sys
source = random.Random(3)
for n in range(int(sys.argv[2])):
    folder = pathlib.Path(sys.argv[1], str(n // 1000))
    folder.mkdir(exist_ok=True)
    (folder / str(n)).write_bytes(source.randbytes(source.randrange(1, 60000)))
PY
  digests 4 10000 "" >"$work/small.md5"
  "$assay" hashset build "$work/small.md5" --kind ignore --name small --out "$work/small.ahs" --quiet >/dev/null
  scan() { rm -rf "$work/report"; "$assay" scan "$1" --ignore "$2" --out "$work/report" --threads 2 --quiet; }
  for set in "$work/small.ahs" "$LARGE"; do
    alone=$(cpu scan "$work/none" "$set")
    whole=$(cpu scan "$work/files" "$set")
    echo "$(basename "$set") $alone $whole" | awk '{
      printf "scan with %s: %.2f s, of which opening and verifying %.2f s, the rest %.2f s\n", $1, $3, $2, $3 - $2 }'
  done
fi
