#!/bin/bash
# Makes the ext images of tests/data/images and, beside each, what is in it: NAME.sums has a line
# "live|deleted SHA256 PATH" a regular file, as sha256sum saw it in the mount before any deletion.
# Needs root, a kernel with ext4 and loop devices, e2fsprogs. Usage: make-images-ext.sh [FOLDER]
set -euo pipefail
out=$(readlink -f "${1:-$(dirname "$0")/images}")
work=$(mktemp -d)
mnt=$work/mnt
mkdir -p "$out" "$mnt"
trap 'mountpoint -q "$mnt" && umount "$mnt"; rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000 E2FSPROGS_FAKE_TIME=1700000000

# Text that differs from line to line and from file to file and still compresses.
text() { # SEED BYTES
  { seq -f "$1 %07g" 200000 || true; } 2>/dev/null | head -c "$2"
}
sums() { # live|deleted PATH...
  local kind=$1; shift
  (cd "$mnt" && find "$@" -type f -print0 | LC_ALL=C sort -z | while IFS= read -r -d '' file; do
    printf '%s %s %s\n' "$kind" "$(sha256sum < "$file" | cut -d' ' -f1)" "${file#./}"
  done)
}
tree() { # SEED: files of every shape
  mkdir -p "$mnt/a/b/c" "$mnt/many" "$mnt/übung 文件"
  : > "$mnt/a/empty"; printf x > "$mnt/a/one"
  text "$1 edge" 4096 > "$mnt/a/b/edge"; text "$1 over" 4097 > "$mnt/a/b/over"
  text "$1 deep" 20000 > "$mnt/a/b/c/deep.txt"
  text "$1 big" 350000 > "$mnt/big.txt"
  text "$1 head" 5000 > "$mnt/hole"; text "$1 mid" 3000 | dd of="$mnt/hole" bs=1 seek=700000 conv=notrunc status=none
  truncate -s 8000003 "$mnt/hole"
  text "$1 cjk" 700 > "$mnt/übung 文件/写真😀.jpg"; text "$1 cyr" 800 > "$mnt/übung 文件/фото.jpg"
  for i in $(seq 60); do text "$1 many$i" $((i * 37)) > "$mnt/many/file-$i.dat"; done
  for i in $(seq 12); do # two files that grow in turns
    text "$1 p$i" 3000 >> "$mnt/turn-a"; sync "$mnt/turn-a"
    text "$1 q$i" 3000 >> "$mnt/turn-b"; sync "$mnt/turn-b"
  done
  ln "$mnt/a/one" "$mnt/a/b/one-again"; ln "$mnt/a/one" "$mnt/0ne"
  ln -s a/b/over "$mnt/fast"
  ln -s "$(printf 'long/%.0s' $(seq 30))end" "$mnt/slow"
  mkfifo "$mnt/fifo"; mknod "$mnt/null" c 1 3; mknod "$mnt/loop" b 7 0
  chown 70000:80000 "$mnt/a/b/edge"; chmod 4751 "$mnt/a/b/edge"
  touch -d '1931-05-06 07:08:09.123456789Z' "$mnt/a/b/over"
  touch -d '2200-05-06 07:08:09.987654321Z' "$mnt/a/b/c/deep.txt" 2>/dev/null || true
}
finish() { # NAME
  gzip -9nc "$work/img" > "$out/$1.img.gz"
  LC_ALL=C sort -o "$out/$1.sums" "$work/sums"
  ls -l "$out/$1.img.gz"
}
make() { # MEGABYTES MKE2FS-ARGUMENTS...
  local size=$1; shift
  rm -f "$work/img"; truncate -s "${size}M" "$work/img"
  mke2fs -q -F -U 6e7a1f0e-15b3-4c38-9d0f-0c1d2e3f4a5b -E hash_seed=11111111-2222-3333-4444-555555555555 "$@" "$work/img"
}
up() { mount -o loop "$work/img" "$mnt"; }
down() { umount "$mnt"; }
# Deleted files of every shape, after a first unmount, so that their making is not the last thing
# the journal holds; then work that goes on, as on a real medium.
victims() { # SEED
  mkdir -p "$mnt/gone/inner"
  text "$1 v1" 900 > "$mnt/v1-small.txt"; text "$1 v2" 30000 > "$mnt/v2-mid.txt"
  text "$1 v3" 330000 > "$mnt/v3-large.txt"
  text "$1 v4" 5000 > "$mnt/a/b/v4.jpg"; text "$1 v5" 6000 > "$mnt/gone/v5.txt"
  text "$1 v6" 7000 > "$mnt/gone/inner/v6.txt"; text "$1 v7" 2500 > "$mnt/many/v7-фото.jpg"
  for i in $(seq 10); do # a fragmented one
    text "$1 v8.$i" 5000 >> "$mnt/v8-turns"; sync "$mnt/v8-turns"
    text "$1 w$i" 2000 >> "$mnt/turn-c"; sync "$mnt/turn-c"
  done
}
V="v1-small.txt v2-mid.txt v3-large.txt a/b/v4.jpg gone many/v7-фото.jpg v8-turns"
deletions() { # SEED
  up; tree "$1"; victims "$1"; sums deleted $V > "$work/sums"; down
  up
  (cd "$mnt"; rm v1-small.txt; sync; rm v2-mid.txt v3-large.txt; sync; touch big.txt; rm -r gone; rm a/b/v4.jpg many/v7-фото.jpg; sync; rm v8-turns)
  down
  up; mkdir "$mnt/later"; touch "$mnt/later/t"; sync; sums live . >> "$work/sums"; down
}

make 6 -t ext2 -b 1024 -N 256
up; tree e2; victims e2; sums deleted $V > "$work/sums"; down
# The kernel's one driver for all three clears the pointers; the older ones left them, as this does.
for f in v1-small.txt v2-mid.txt v3-large.txt a/b/v4.jpg gone/v5.txt gone/inner/v6.txt many/v7-фото.jpg v8-turns; do
  debugfs -w -R "rm $f" "$work/img" 2>/dev/null
done
for d in gone/inner gone; do debugfs -w -R "rmdir $d" "$work/img" 2>/dev/null; done
e2fsck -fy "$work/img" > /dev/null || true
up; sums live . >> "$work/sums"; down
finish ext2-1k

make 6 -t ext3 -b 1024 -N 256 -J size=1; deletions e3; finish ext3-1k
make 10 -t ext3 -b 4096 -N 256 -J size=4; deletions e3b; finish ext3-4k
make 6 -t ext4 -b 1024 -N 256 -J size=1; deletions e4; finish ext4-1k
make 10 -t ext4 -b 4096 -N 256 -J size=4 -O metadata_csum,64bit; deletions e4b; finish ext4-4k
make 10 -t ext4 -b 2048 -N 512 -J size=2 -O inline_data,metadata_csum,meta_bg,^resize_inode -I 512
deletions e4i; finish ext4-inline
make 20 -t ext4 -b 1024 -C 16384 -N 256 -O bigalloc,^resize_inode -J size=1; deletions e4c; finish ext4-bigalloc

# A directory large enough for a hash index, no journal, sparse_super2, many groups, an old label.
make 12 -t ext4 -b 1024 -g 1024 -N 2048 -O ^has_journal,sparse_super2,^resize_inode,dir_index -L 'très-vieux'
up; mkdir "$mnt/index"; for i in $(seq 900); do : > "$mnt/index/a-rather-long-name-for-one-file-$i.txt"; done
text hash 70000 > "$mnt/index/data"; sums live . > "$work/sums"; down
finish ext4-index
