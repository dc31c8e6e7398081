#!/bin/sh
# Makes the partition tables in tests/data/images: sparse disks without content, by sfdisk
# (util-linux) and sgdisk (gdisk). Run it in tests/data; the same tools give the same bytes.
set -eu
cd "$(dirname "$0")/images"
keep() { gzip -9 -n -c "$1" >"$1.gz" && rm "$1"; }

# Three primary partitions, the second slot left empty, and a chain of three logical ones.
truncate -s 16M mbr-extended.raw
sfdisk -q mbr-extended.raw <<'TABLE'
label: dos
label-id: 0x0a55a701
1: start=63, size=4033, type=4
3: start=8192, size=2048, type=0c, bootable
4: start=12288, size=20480, type=5
5: start=12351, size=4000, type=6
6: start=18432, size=2048, type=83
7: start=24576, size=8192, type=7
TABLE
keep mbr-extended.raw

gpt() {
  truncate -s 8M "$1"
  sgdisk -o -U 0A55A700-0000-4000-8000-000000000001 \
    -n 1:2048:4095 -t 1:EF00 -c 1:'EFI System' -u 1:0A55A700-0000-4000-8000-000000000011 \
    -n 2:4096:8191 -t 2:0700 -c 2:'Bilder Ä 写真' -u 2:0A55A700-0000-4000-8000-000000000012 \
    -n 5:10240:16350 -t 5:8300 -c 5:'' -u 5:0A55A700-0000-4000-8000-000000000015 "$1" >/dev/null
}
gpt gpt.raw
cp gpt.raw gpt-hybrid.raw
keep gpt.raw
sgdisk -h 2 gpt-hybrid.raw >/dev/null
keep gpt-hybrid.raw

# Another one in sectors of 4096 bytes, by fdisk (util-linux).
truncate -s 8M gpt-4096.raw
fdisk -b 4096 gpt-4096.raw >/dev/null <<'KEYS'
g
n
1
256
511
n
2
1024
1535
x
i
0A55A700-0000-4000-8000-000000000002
u
1
0A55A700-0000-4000-8000-000000000021
u
2
0A55A700-0000-4000-8000-000000000022
n
1
four
r
w
KEYS
keep gpt-4096.raw
