#!/usr/bin/env bash
# First inputs of the targets ext and iso9660: volumes of less than 64 KiB. Needs e2fsprogs and xorriso.
set -euo pipefail
cd "$(dirname "$0")/seeds"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/in/d" ext iso9660
printf 'one\n' >"$tree/in/one"
printf 'two\n' >"$tree/in/d/two"
head -c 3000 /dev/zero | tr '\0' 'x' >"$tree/in/d/three"
ln -s d/two "$tree/in/link"
ln "$tree/in/one" "$tree/in/again"
export E2FSPROGS_FAKE_TIME=1700000000
for kind in ext2 ext4; do
  options=(-O '^resize_inode')
  [ $kind = ext4 ] && options=(-O '^resize_inode,^has_journal,inline_data')
  truncate -s 60K "$tree/$kind"
  mke2fs -q -F -t $kind -b 1024 -N 16 -U 00000000-0000-0000-0000-000000000001 \
    -E hash_seed=00000000-0000-0000-0000-000000000002 "${options[@]}" -d "$tree/in" "$tree/$kind" 60
  cp "$tree/$kind" ext/$kind
done
xorriso -as mkisofs -quiet -no-pad -R -J -V SEED -o "$tree/iso" "$tree/in" 2>/dev/null
cp "$tree/iso" iso9660/rock-joliet
