#!/bin/bash
# Makes the ISO 9660 images of tests/data/images and NAME.sums beside each: "live SHA256 PATH" a
# regular file of the tree that was written. Needs genisoimage and xorriso.
# Usage: make-images-iso.sh [FOLDER]
set -euo pipefail
out=$(readlink -f "${1:-$(dirname "$0")/images}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
export SOURCE_DATE_EPOCH=1700000000 TZ=UTC
text() { { seq -f "$1 %07g" 20000 || true; } 2>/dev/null | head -c "$2"; }
tree() {
  mkdir -p "$1/a/b/c/d/e/f/g/h/i" "$1/many" "$1/übung 文件"
  : > "$1/a/empty"; printf x > "$1/a/one"; text edge 2048 > "$1/a/edge"; text over 2049 > "$1/a/over"
  text deep 3000 > "$1/a/b/c/d/e/f/g/h/i/deep.txt"
  text cjk 700 > "$1/übung 文件/写真.jpg"
  text long 900 > "$1/a-name-that-is-much-longer-than-eight-letters-and-three-and-even-than-the-64-of-joliet-by-far-far.text"
  for i in $(seq 70); do text "many$i" $((i * 11)) > "$1/many/file-$i.dat"; done
  find "$1" -exec touch -h -d '2024-02-29 12:34:56Z' {} +
}
sums() {
  (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | while IFS= read -r -d '' file; do
    printf 'live %s %s\n' "$(sha256sum < "$file" | cut -d' ' -f1)" "${file#./}"
  done)
}
finish() { gzip -9nc "$work/img" > "$out/$1.iso.gz"; LC_ALL=C sort "$work/sums" > "$out/$1.sums"; ls -l "$out/$1.iso.gz"; }

tree "$work/t"; sums "$work/t" > "$work/sums"
# Joliet alone cuts names: the tree for it has none that is long.
cp -a "$work/t" "$work/j"; rm "$work/j"/a-name*
(sums "$work/j" > "$work/sums"; genisoimage -quiet -D -J -V JOLIET -o "$work/img" "$work/j"); finish iso-joliet
ln -s "../$(printf 'long/%.0s' $(seq 70))end" "$work/t/link"; ln -s / "$work/t/rootlink"
sums "$work/t" > "$work/sums"
rm -f "$work/img"; xorriso -as mkisofs -quiet -R -J -joliet-long -V ROCK -o "$work/img" "$work/t" > "$work/log" 2>&1; finish iso-rock
rm -f "$work/img"
xorriso -outdev "$work/img" -volid SESSIONS -map "$work/t" / -commit > "$work/log" 2>&1
text second 5000 > "$work/t/second"; rm "$work/t/a/over"
xorriso -dev "$work/img" -rm a/over -- -map "$work/t/second" /second -commit > "$work/log" 2>&1
sums "$work/t" > "$work/sums"; finish iso-sessions
mkdir "$work/p"; text first 2048 > "$work/p/FIRST.TXT"; text second 500 > "$work/p/SECOND.TXT"; text third 10 > "$work/p/THIRD"
sums "$work/p" > "$work/sums"; genisoimage -quiet -V PLAIN -o "$work/img" "$work/p"; finish iso-plain
