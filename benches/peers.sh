#!/usr/bin/env bash
# Compares whole runs with other programs, on one machine, in one session, in turn.
#
#   bash benches/peers.sh [RUNS] [NAME,...]      5 runs of small,photos,images,lookups,scaling
#
# Installs the others from Debian and PyPI where it is root: hashdeep and md5deep, rhash, b3sum,
# rclone, sleuthkit (fiwalk, hfind), ewf-tools, and pdqhash, ImageHash, Pillow for Python. What they
# are run on is made in target/bench (WORK), about 12 GB; PHOTOS says how many pictures (3,000).
# Writes the table into docs/performance.md. Machines differ and are busy: trust the ratios.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-5}
only=${2:-small,photos,images,lookups,scaling}
work=${WORK:-target/bench}
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  missing=()
  for need in hashdeep:hashdeep rhash:rhash b3sum:b3sum rclone:rclone fiwalk:sleuthkit ewfverify:ewf-tools mkfs.vfat:dosfstools mcopy:mtools mkntfs:ntfs-3g mke2fs:e2fsprogs; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
  fi
fi
python=python3
if [[ ",$only," == *,photos,* ]] && ! python3 -c 'import pdqhash, imagehash, PIL' 2>/dev/null; then
  mkdir -p "$work"
  [ -x "$work/venv/bin/python3" ] || python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet pdqhash ImageHash Pillow
  PATH=$PWD/$work/venv/bin:$PATH
fi
cargo build --release --quiet
decode=$(cargo bench --bench decode --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))/\1/p')
"$python" benches/peers.py --program target/release/assay --decode "$PWD/$decode" --work "$work" \
  --runs "$runs" --only "$only" --photos "${PHOTOS:-3000}" --table docs/performance.md
