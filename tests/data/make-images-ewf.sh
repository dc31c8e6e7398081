#!/usr/bin/env bash
# Makes the EWF images of tests/data/images with ewfacquire of libewf (Debian: ewf-tools), from
# bytes that tests/it/container/ewf.rs makes again: `medium` for most, `long_medium` for the one in
# two segments, which ewfacquire makes no smaller than 1 MiB and which is kept compressed.
# Acquisition times and set identifiers differ from run to run; the tests look at neither.
set -euo pipefail
cd "$(dirname "$0")/images"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 - "$work" <<'PY'
import sys

def splitmix(count, state):
    out = bytearray()
    while len(out) < count:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        out += (z ^ (z >> 31)).to_bytes(8, "little")
    return bytes(out[:count])

text = b"".join(b"line %d of a text that compresses\n" % n for n in range(2000))
medium = splitmix(9000, 1) + text[:21000] + bytes(18000) + splitmix(2176, 2) + b"end" * 341 + b"."
assert len(medium) == 51200 and len(medium) % 512 == 0
open(sys.argv[1] + "/medium", "wb").write(medium)
open(sys.argv[1] + "/long_medium", "wb").write((text * 20)[: 2700 * 512])
PY

acquire() { # name, source, options
  local name=$1 source=$2
  shift 2
  ewfacquire -u -q -b 16 -S 1MiB -C 'case 7' -D 'a description' -e 'J. Doe' -E 'item 3' \
    -N 'some notes' -m fixed -M physical -t "$work/$name" "$@" "$work/$source" >/dev/null
  cp "$work/$name".[EeSs]* .
}
acquire fast medium -f encase6 -c fast
acquire none medium -f encase5 -c none
acquire best medium -f encase6 -c best -d sha1
acquire ftk medium -f ftk -c empty-block
acquire linen medium -f linen6 -c fast -d sha1
acquire smart medium -f smart -c fast
acquire segments long_medium -f encase6 -c none
gzip -9nf segments.E0?
ls -l
