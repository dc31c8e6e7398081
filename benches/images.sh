#!/usr/bin/env bash
# Scans images of 1 GB beside other tools: E01 beside ewfexport with the same digests (wall time),
# FAT32, NTFS and ext4 beside fiwalk with the same digests (processor time). Medians of five runs,
# the tools in turn. Needs ewf-tools, sleuthkit, dosfstools, mtools, ntfs-3g, e2fsprogs; 6 GB in DIR.
#   benches/images.sh DIR [PROGRAM] [RUNS]
# With MILLION=1 and root, also lists an ext4 image of 1,000,000 files: processor time and memory.
set -euo pipefail
dir=$1
assay=$(realpath "${2:-target/release/assay}")
runs=${3:-5}
mkdir -p "$dir" && cd "$dir"

# 2,000 files: half random, half text-like; sizes spread like those of a card of pictures.
if [ ! -d files ]; then
  python3 - <<'PY'
import os, random
random.seed(20)
words = [b"%x " % random.getrandbits(24) for _ in range(4096)]
for n in range(2000):
    folder = f"files/{n % 40:02}"
    os.makedirs(folder, exist_ok=True)
    size = int(random.lognormvariate(12.6, 0.8)) + 1
    if n % 2:
        body = random.randbytes(size)
    else:
        body = b"".join(random.choices(words, k=size // 6 + 1))[:size]
    with open(f"{folder}/IMG_{n:04}.{'JPG' if n % 2 else 'TXT'}", "wb") as out:
        out.write(body)
PY
fi
size=$((1 << 30))
if [ ! -f fat32.dd ]; then
  truncate -s $size fat32.dd
  mkfs.vfat -F 32 -s 8 fat32.dd >/dev/null
  MTOOLS_SKIP_CHECK=1 mcopy -s -i fat32.dd files ::
fi
if [ ! -f ext4.dd ]; then
  truncate -s $size ext4.dd
  mke2fs -q -t ext4 -d files ext4.dd
fi
if [ ! -f ntfs.dd ] && [ "$(id -u)" = 0 ] && [ -e /dev/fuse ]; then
  truncate -s $size ntfs.dd
  mkntfs -q -F -Q ntfs.dd >/dev/null
  mkdir -p mnt
  ntfs-3g -o loop ntfs.dd mnt
  cp -r files mnt/
  umount mnt
fi
if [ ! -f e01.E01 ]; then
  ewfacquire -u -q -t e01 -f encase6 -c fast -S 2GiB -m fixed -M physical -C 1 -D d -E 1 -e x -N n ext4.dd >/dev/null
fi

[ "$runs" -gt 0 ] || exit 0 # only the images were wanted

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# Runs a command; appends its wall and processor seconds, children included, to NAME.wall, NAME.cpu.
measure() { # NAME COMMAND
  command time -o "$1.time" -f '%e %U %S' bash -c "$2" >/dev/null 2>&1 || true
  tail -n 1 "$1.time" | awk '{ print $1 }' >>"$1.wall"
  tail -n 1 "$1.time" | awk '{ print $2 + $3 }' >>"$1.cpu"
}
rm -f ./*.wall ./*.cpu
for _ in $(seq "$runs"); do
  rm -rf out && measure assay-e01 "$assay scan e01.E01 --out out --digests md5,sha256 --quiet"
  measure ewfexport "ewfexport -q -u -f raw -t - e01.E01 | tee >(md5sum >/dev/null) | sha256sum"
  for fs in fat32 ext4 ntfs; do
    [ -f $fs.dd ] || continue
    rm -rf out && measure "assay-$fs" "$assay scan $fs.dd --out out --digests md5,sha1 --quiet"
    measure "fiwalk-$fs" "fiwalk -x $fs.dd"
  done
done
report() { # WHAT OURS THEIRS UNIT
  local ours theirs
  ours=$(median <"$2.$4")
  theirs=$(median <"$3.$4")
  awk -v a="$ours" -v b="$theirs" -v what="$1" -v unit="$4" \
    'BEGIN { printf "%-34s %7.2f s %7.2f s  ratio %.2f (%s)\n", what, a, b, a / b, unit }'
}
report "E01, md5+sha256: scan / ewfexport" assay-e01 ewfexport wall
for fs in fat32 ext4 ntfs; do
  [ -f $fs.dd ] && report "$fs, md5+sha1: scan / fiwalk" "assay-$fs" "fiwalk-$fs" cpu
done

if [ -n "${MILLION:-}" ] && [ "$(id -u)" = 0 ]; then
  if [ ! -f million.dd ]; then
    truncate -s 3G million.dd
    mke2fs -q -t ext4 -b 1024 -N 1100000 million.dd
    mkdir -p mnt && mount -o loop million.dd mnt
    python3 - <<'PY'
import os
for n in range(1000):
    folder = f"mnt/d{n % 10}/folder-{n:04}"
    os.makedirs(folder)
    for i in range(1000):
        with open(f"{folder}/IMG_{n * 1000 + i:07}.JPG", "wb") as out:
            out.write(b"%07d\n" % i)
PY
    umount mnt
  fi
  command time -f '1,000,000 files on ext4, list: %U + %S s of processor time, %M KB' \
    "$assay" list -r million.dd >/dev/null
fi
