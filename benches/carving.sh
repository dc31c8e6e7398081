#!/usr/bin/env bash
# Measures carving against PhotoRec and foremost, on images made from a seed.
#
#   bash benches/carving.sh SEED [OPTION]...        options: benches/carving.py --help
#
#   seed 1            development: look at every miss, tune, repeat
#   seed 20261124     reporting: never run while developing, only for the published figure
#
# Makes six images (about 1.3 GB together) with real file systems, plants pictures into their free
# clusters, runs the tools, compares SHA-256 and prints a Markdown table. What is planted, what
# counts as recovered and what does not is told in benches/carving.py.
#
#   bash benches/carving.sh 1 --images /dev/shm/carve1 --keep                   everything, kept
#   bash benches/carving.sh 1 --images /dev/shm/carve1 --keep --tools assay --dump-missed
#
# Needs root (FUSE mounts for exFAT and NTFS, undone before it ends) and Python 3. Debian packages:
# dosfstools mtools exfatprogs exfat-fuse ntfs-3g e2fsprogs testdisk foremost python3-venv; missing
# ones are installed. Pillow and numpy go into a virtual environment under target/bench/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
case "${1:-}" in '' | *[!0-9]*) echo "usage: carving.sh SEED [OPTION]..." >&2; exit 2 ;; esac

missing=()
need() { command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || missing+=("$2"); }
need mkfs.vfat dosfstools
need mcopy mtools
need mkfs.exfat exfatprogs
need mount.exfat-fuse exfat-fuse
need ntfs-3g ntfs-3g
need ntfscat ntfs-3g
need losetup mount
need debugfs e2fsprogs
need photorec testdisk
need foremost foremost
if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then echo "install the Debian packages: ${missing[*]}" >&2; exit 2; fi
  apt-get install -y -q "${missing[@]}" >&2
fi

# The encoders decide the bytes of a picture: their versions are fixed, so that a seed stays a seed.
venv=$here/../target/bench/carving-venv
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q 'pillow==12.0.0' 'numpy==2.3.5' >&2
  touch "$venv/ready"
fi
export PYTHONDONTWRITEBYTECODE=1
PATH=$PATH:/usr/sbin:/sbin exec "$venv/bin/python" "$here/carving.py" "$@"
