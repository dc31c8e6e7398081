#!/usr/bin/env bash
# CPU time and memory of a resumed run, against a whole one.
#
#   benches/resume.sh FOLDER [COUNT] [BINARY]
#
# Makes COUNT files (1,000,000 unless told) of 1 to 8 KiB in FOLDER/ev, unless they are there; runs
# once without a break, once with a kill after half of the objects were recorded, and resumes.
# Needs Python 3 and GNU time. The four tables must be the same bytes.
set -euo pipefail
root=$1 count=${2:-1000000} binary=${3:-target/release/assay}
if [ ! -d "$root/ev" ]; then
  python3 - "$root/ev" "$count" <<'PY'
import os, random, sys
rng, root = random.Random(1), sys.argv[1]
for n in range(int(sys.argv[2])):
    folder = f"{root}/{n // 1000:04}"
    if n % 1000 == 0:
        os.makedirs(folder)
    with open(f"{folder}/{n:07}.dat", "wb") as file:
        file.write(rng.randbytes(rng.randrange(1024, 8192)))
PY
fi
rm -rf "$root/whole" "$root/half"
say() { echo "$1: $(awk '{ printf "CPU %.1f s, wall %.1f s, RSS %d MB", $1 + $2, $3, $4 / 1024 }' "$2")"; }
timed() { /usr/bin/time -f '%U %S %e %M' -o "$1" "${@:2}"; }

find "$root/ev" -type f -exec cat {} + >/dev/null # the same warm cache for both
timed "$root/whole.time" "$binary" scan "$root/ev" --out "$root/whole" --quiet
say "whole run " "$root/whole.time"

"$binary" scan "$root/ev" --out "$root/half" --json --quiet >/dev/null &
child=$!
# The journal has 1.36 bytes for each byte of files.csv: half of that is half of the objects.
bytes=$(($(stat -c %s "$root/whole/files.csv") * 68 / 100))
half=${HALF_BYTES:-$bytes}
while [ "$(stat -c %s "$root/half/journal/records" 2>/dev/null || echo 0)" -lt "$half" ]; do
  kill -0 "$child" || break
  sleep 0.2
done
kill -9 "$child" || true
wait "$child" 2>/dev/null || true
timed "$root/resumed.time" "$binary" scan "$root/ev" --out "$root/half" --resume --quiet
say "resumed run" "$root/resumed.time"
grep -o 'confirmed=[^,]*' "$root/half/custody.csv"
for table in files matches exceptions volumes; do
  cmp "$root/whole/$table.csv" "$root/half/$table.csv"
done
paste -d ' ' "$root/whole.time" "$root/resumed.time" |
  awk '{ printf "resumed costs %.0f %% of the CPU time of a whole run\n", 100 * ($5 + $6) / ($1 + $2) }'
