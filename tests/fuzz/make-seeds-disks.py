#!/usr/bin/env python3
"""Makes the first inputs of the targets `partition` and `exfat` in seeds/: a byte of choice, then a
small disk or volume. No tool is needed; the same bytes in every run."""

import os
import struct
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))


def keep(target, name, choice, data):
    folder = os.path.join(HERE, "seeds", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(bytes([choice]) + bytes(data))


def record(disk, sector, entries):
    for number, (kind, first, count) in enumerate(entries):
        at = sector * 512 + 446 + 16 * number
        disk[at:at + 16] = struct.pack("<B3xB3xII", 0, kind, first, count)
    disk[sector * 512 + 510:sector * 512 + 512] = b"\x55\xaa"


def mbr():
    disk = bytearray(64 * 512)
    record(disk, 0, [(0x0C, 1, 7), (0x83, 8, 8), (0x05, 16, 40)])
    record(disk, 16, [(0x07, 1, 7), (0x05, 8, 8)])
    record(disk, 24, [(0x83, 1, 7)])
    return disk


def gpt(sector=512, sectors=80):
    disk = bytearray(sector * sectors)
    record(disk, 0, [(0xEE, 1, sectors - 1)])
    entries = bytearray(16 * 128)
    for number, (first, last) in enumerate([(6, 20), (30, 60)]):
        entry = bytes([number + 1] * 32) + struct.pack("<QQQ", first, last, 0) + "eins".encode("utf-16-le")
        entries[number * 128:number * 128 + len(entry)] = entry
    for own, other, array in ((1, sectors - 1, 2), (sectors - 1, 1, sectors - 5)):
        disk[array * sector:array * sector + len(entries)] = entries
        head = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other, 6,
                           sectors - 6, b"disk" * 4, array, 16, 128, zlib.crc32(entries))
        head = head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]
        disk[own * sector:own * sector + 92] = head
    return disk


def entry_set(kind, name, attributes, first, size, flags):
    units = name.encode("utf-16-le")
    names = [units[at:at + 30] for at in range(0, len(units), 30)]
    out = struct.pack("<BBHHHIIIBBBBB7x", kind, 1 + len(names), 0, attributes, 0,
                      *[0x57000000 | 0x6E0000 | 0x6000] * 3, 10, 20, 0x88, 0x88, 0x88)
    on = kind & 0x80
    out += struct.pack("<BBBBHHQIIQ", on | 0x40, flags, 0, len(units) // 2, 0, 0, size, 0, first, size)
    for part in names:
        out += struct.pack("<BB30s", on | 0x41, 0, part)
    return out


def exfat():
    """FAT at sector 24, clusters of a sector from 28 on; `usual` of the target gives the rest."""
    volume = bytearray(100 * 512)
    clusters = 28 * 512

    def cluster(number, data):
        at = clusters + (number - 2) * 512
        volume[at:at + len(data)] = data

    def link(*chain):
        for here, after in zip(chain, chain[1:] + (0xFFFFFFFF,)):
            volume[24 * 512 + here * 4:24 * 512 + here * 4 + 4] = struct.pack("<I", after)

    link(2)
    link(3)
    link(4, 5)
    link(9, 11, 12)
    cluster(2, b"\xff\xff\x07")
    cluster(3, bytes(range(64)))
    root = struct.pack("<BB18xIQ", 0x81, 0, 2, 9) + struct.pack("<B3xI12xIQ", 0x82, 0, 3, 64)
    root += struct.pack("<BB22s8x", 0x83, 3, "abc".encode("utf-16-le"))
    root += entry_set(0x85, "contiguous.bin", 0x20, 6, 1100, 3)
    root += entry_set(0x85, "chained.bin", 0x20, 9, 1500, 1)
    root += entry_set(0x85, "folder", 0x10, 13, 512, 3)
    root += entry_set(0x05, "deleted, with a name of two.bin", 0x20, 40, 2000, 3)
    root += entry_set(0x05, "gone", 0x10, 30, 512, 3)
    cluster(4, root)
    cluster(13, entry_set(0x85, "inside.txt", 0x20, 14, 100, 3))
    cluster(30, entry_set(0x05, "below.txt", 0x20, 31, 700, 3) + entry_set(0x05, "two", 0x20, 32, 700, 1))
    return volume


if __name__ == "__main__":
    keep("partition", "mbr", 0, mbr())
    keep("partition", "gpt", 3, gpt())
    keep("partition", "gpt-one-copy", 1, gpt())
    for choice in (1, 3):
        keep("exfat", f"small-{choice}", choice, exfat())
