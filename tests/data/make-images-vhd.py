#!/usr/bin/env python3
"""Makes the VHD and VHDX images in images/ and images/vhd.sums: name, bytes and SHA-256 of each
medium. No tool is needed; the same bytes in every run. The media are computed from what was put
into them, not read back from the images.

Sources: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0; [MS-VHDX]."""

import gzip
import hashlib
import os
import struct
import uuid

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
SUMS = []


def keep(name, file, medium):
    with open(os.path.join(HERE, name + ".gz"), "wb") as out:
        out.write(gzip.compress(bytes(file), 9, mtime=0))
    SUMS.append(f"{name} {len(medium)} {hashlib.sha256(medium).hexdigest()}\n")


def sector(layer, number, size=512):
    """Bytes that tell which layer and sector they are of."""
    text = b"layer %d sector %06d. " % (layer, number)
    return (text * (size // len(text) + 1))[:size]


def guid(name):
    return uuid.uuid5(uuid.NAMESPACE_URL, "https://example.org/" + name)


# --- VHD ---

def sealed(block, at):
    block = block[:at] + bytes(4) + block[at + 4:]
    return block[:at] + struct.pack(">I", ~sum(block) & 0xFFFFFFFF) + block[at + 4:]


def vhd_footer(name, size, kind):
    at = 0xFFFFFFFFFFFFFFFF if kind == 2 else 512
    block = struct.pack(">8sIIQI4sI4sQQHBBII16sB427x", b"conectix", 2, 0x10000, at, 700000000, b"test",
                        0x10000, b"Wi2k", size, size, 3, 4, 17, kind, 0, guid(name).bytes, 0)
    return sealed(block, 64)


def vhd(name, layer, size, block_size, here, parent=None):
    """A dynamic image; with a parent, its name and medium, a differencing one. `here` says which
    sectors are this image's."""
    count = -(-size // block_size)
    per = block_size // 512
    bitmap_size = -(-(-(-per // 8)) // 512) * 512
    kind = 4 if parent else 3
    table_at = 512 + 1024 + 2 * 512
    table_size = -(-count * 4 // 512) * 512
    medium = bytearray(parent[1]) if parent else bytearray(size)
    table, data = [], b""
    # Blocks lie in the file in the reverse of their order.
    for number in reversed(range(count)):
        sectors = [n for n in range(number * per, number * per + per) if here(n) and n * 512 < size]
        if not sectors:
            table.insert(0, 0xFFFFFFFF)
            continue
        bitmap, block = bytearray(bitmap_size), bytearray(block_size)
        for n in sectors:
            within = n - number * per
            bitmap[within // 8] |= 0x80 >> within % 8
            block[within * 512:within * 512 + 512] = sector(layer, n)
            medium[n * 512:n * 512 + 512] = sector(layer, n)
        if not parent:
            bitmap[:-(-per // 8)] = b"\xff" * -(-per // 8)
        table.insert(0, (table_at + table_size + len(data)) // 512)
        data += bytes(bitmap) + bytes(block)
    names = b""
    head = struct.pack(">8sQQIIII", b"cxsparse", 0xFFFFFFFFFFFFFFFF, table_at, 0x10000, count, block_size, 0)
    if parent:
        plain = parent[0].encode("utf-16-be")
        relative, absolute = (text.encode("utf-16-le") for text in
                              (".\\" + parent[0], "C:\\cases\\" + parent[0]))
        head += guid(parent[0]).bytes + struct.pack(">II", 0, 0) + plain.ljust(512, b"\0")
        for code, text, at in ((b"W2ku", absolute, 1536), (b"W2ru", relative, 2048)):
            names += struct.pack(">4sIIIQ", code, 512, len(text), 0, at)
        head += names
        names = absolute.ljust(512, b"\0") + relative.ljust(512, b"\0")
    head = sealed(head.ljust(1024, b"\0"), 36)
    footer = vhd_footer(name, size, kind)
    table = struct.pack(">%dI" % count, *table).ljust(table_size, b"\xff")
    keep(name, footer + head + names.ljust(1024, b"\0") + table + data + footer, medium)
    return name, bytes(medium)


def vhds():
    size = 137 * 512
    medium = b"".join(sector(1, n) for n in range(137))
    keep("fixed.vhd", medium + vhd_footer("fixed.vhd", size, 2), medium)
    vhd("dynamic.vhd", 1, 83 * 512, 4096, lambda n: n // 8 in (0, 3, 4, 10))
    size = 700 * 512
    base = vhd("base.vhd", 1, size, 65536, lambda n: n // 128 in (0, 2, 5))
    child = vhd("child.vhd", 2, size, 65536, lambda n: n < 256 and n % 7 < 3 or n in (300, 639), base)
    vhd("grandchild.vhd", 3, size, 32768, lambda n: n % 11 == 0 and n > 100 or 630 < n < 650, child)


# --- VHDX ---

MIB = 1 << 20
CRC = [0] * 256
for index in range(256):
    value = index
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    CRC[index] = value


def crc32c(data):
    state = 0xFFFFFFFF
    for byte in data:
        state = state >> 8 ^ CRC[(state ^ byte) & 0xFF]
    return state ^ 0xFFFFFFFF


def summed(block):
    block = block[:4] + bytes(4) + block[8:]
    return block[:4] + struct.pack("<I", crc32c(block)) + block[8:]


def log_entry(log, sequence, tail, changes, flushed):
    """`changes`: place and 4096 bytes, or place and a count of zeros."""
    table, data = b"", b""
    for place, what in changes:
        if isinstance(what, int):
            table += struct.pack("<4sIQQQ", b"zero", 0, what, place, sequence)
        else:
            table += struct.pack("<4s4s8sQQ", b"desc", what[-4:], what[:8], place, sequence)
            data += b"data" + struct.pack("<I", sequence >> 32) + what[8:-4]
            data += struct.pack("<I", sequence & 0xFFFFFFFF)
    head_len = -(-(64 + len(table)) // 4096) * 4096
    head = struct.pack("<4sIIIQII16sQQ", b"loge", 0, head_len + len(data), tail, sequence,
                       len(changes), 0, log.bytes_le, flushed, flushed)
    return summed((head + table).ljust(head_len, b"\0") + data)


class Vhdx:
    """Log at 1 MiB, metadata at 2, table of blocks at 3, blocks from 4 MiB on, each of 1 MiB."""

    def __init__(self, name, size, sector_size=512, parent=None):
        self.name, self.size, self.sector_size, self.parent = name, size, sector_size, parent
        self.count = -(-size // MIB)
        self.ratio = (1 << 23) * sector_size // MIB
        self.medium = bytearray(parent[1]) if parent else bytearray(size)
        self.bat = {}
        self.file = bytearray(4 * MIB)
        self.log = None

    def block(self, data):
        at = len(self.file)
        self.file += data.ljust(MIB, b"\0")
        return at

    def put(self, number, layer, here=None, state=6):
        """A block with the sectors of it that `here` says."""
        per = MIB // self.sector_size
        data, size = bytearray(MIB), self.sector_size
        for n in range(number * per, number * per + per):
            if (here is None or here(n)) and n * size < self.size:
                within = (n - number * per) * size
                data[within:within + size] = sector(layer, n, size)
                self.medium[n * size:n * size + size] = sector(layer, n, size)
        self.bat[number + number // self.ratio] = self.block(bytes(data)) | state

    def bitmap(self, here):
        bits = bytearray(MIB)
        for n in range(self.size // self.sector_size):
            if here(n):
                bits[n // 8] |= 1 << n % 8
        self.bat[self.ratio] = self.block(bytes(bits)) | 6

    def table(self):
        return b"".join(struct.pack("<Q", self.bat.get(n, 0)) for n in range(max(self.bat) + 1))

    def metadata(self):
        items = [("caa16737-fa36-4d43-b3b6-33f0aa44e76b", 4, struct.pack("<II", MIB, 2 if self.parent else 0)),
                 ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", 6, struct.pack("<Q", self.size)),
                 ("beca12ab-b2e6-4523-93ef-c309e000c746", 6, guid("disk " + self.name).bytes_le),
                 ("8141bf1d-a96f-4709-ba47-f233a8faab5f", 6, struct.pack("<I", self.sector_size)),
                 ("cda348c7-445d-4471-9cc9-e9885251c556", 6, struct.pack("<I", 4096))]
        if self.parent:
            names = [("parent_linkage", "{%s}" % guid("data " + self.parent[0])),
                     ("relative_path", ".\\" + self.parent[0]),
                     ("absolute_win32_path", "C:\\cases\\" + self.parent[0])]
            table, texts = b"", b""
            for pair in names:
                key, value = (text.encode("utf-16-le") for text in pair)
                at = 20 + 12 * len(names) + len(texts)
                table += struct.pack("<IIHH", at, at + len(key), len(key), len(value))
                texts += key + value
            kind = uuid.UUID("b04aefb7-d19e-4a81-b789-25b8e9445913").bytes_le
            locator = kind + struct.pack("<HH", 0, len(names)) + table + texts
            items.append(("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", 4, locator))
        table = b"metadata" + struct.pack("<HH20x", 0, len(items))
        data = b""
        for kind, flags, value in items:
            at = 65536 + len(data)
            table += uuid.UUID(kind).bytes_le + struct.pack("<IIII", at, len(value), flags, 0)
            data += value
        return table.ljust(65536, b"\0") + data

    def write(self):
        file = self.file

        def at(place, data):
            file[place:place + len(data)] = data

        at(0, b"vhdxfile" + "made by a test".encode("utf-16-le"))
        for number, place in ((7, 65536), (8, 131072)):
            log = self.log.bytes_le if self.log and number == 8 else bytes(16)
            at(place, summed(struct.pack("<4sIQ16s16s16sHHIQ", b"head", 0, number,
                                         guid("file " + self.name).bytes_le,
                                         guid("data " + self.name).bytes_le, log, 0, 1, MIB, MIB)
                             .ljust(4096, b"\0")))
        regions = struct.pack("<4sIII", b"regi", 0, 2, 0)
        for kind, place in (("2dc27766-f623-4200-9d64-115e9bfd4a08", 3 * MIB),
                            ("8b7ca206-4790-4b9a-b8fe-575f050f886e", 2 * MIB)):
            regions += uuid.UUID(kind).bytes_le + struct.pack("<QII", place, MIB, 1)
        for place in (196608, 262144):
            at(place, summed(regions.ljust(65536, b"\0")))
        at(2 * MIB, self.metadata())
        at(3 * MIB, self.table())
        keep(self.name, file, self.medium)
        return self.name, bytes(self.medium)


def vhdx_with_log(name, start):
    """Three entries from `start` of the ring on, around its end if need be; an older sequence
    elsewhere, a torn entry behind. The log, not the file, has the table of blocks, and changes of
    blocks."""
    image = Vhdx(name, 5 * MIB + 1536)
    image.log = guid("log")
    image.put(0, 1)
    image.put(3, 1)
    image.put(5, 1)
    table = image.table().ljust(4096, b"\0")
    length = len(image.file)
    old = b"".join(sector(9, n) for n in range(8))
    new = b"".join(sector(5, n) for n in range(8))
    first = log_entry(image.log, 41, start, [(3 * MIB, table)], length)
    # The later change of one place wins: zeros, then 4096 bytes in the midst of them.
    second = log_entry(image.log, 42, start, [(4 * MIB + 8192, 65536), (5 * MIB, old)], length)
    third = log_entry(image.log, 43, start, [(4 * MIB + 16384, new), (5 * MIB, new)], length)
    ring = bytearray(MIB)

    def put(place, entry):
        for n, byte in enumerate(entry):
            ring[(place + n) % MIB] = byte

    assert len(first) == 8192 and len(second) == 8192 and len(third) == 12288
    put(start, first)
    put(start + 8192, second)
    put(start + 16384, third)
    torn = bytearray(log_entry(image.log, 44, 0, [(3 * MIB, bytes(4096))], length))
    torn[5000] ^= 1
    put(start + 16384 + 12288, torn)
    put(524288, log_entry(image.log, 12, 524288, [(3 * MIB, bytes(4096))], length))
    image.file[MIB:2 * MIB] = ring
    image.medium[8192:8192 + 65536] = bytes(65536)
    image.medium[16384:16384 + 4096] = new
    image.medium[3 * MIB:3 * MIB + 4096] = new
    whole = image.bat
    image.bat = {5: 0}
    image.write()
    image.bat = whole


def vhdxs():
    image = Vhdx("dynamic.vhdx", 5 * MIB + 1536)
    image.put(0, 1)
    image.put(3, 1)
    image.put(5, 1)
    image.bat[1], image.bat[2] = 2, 3
    image.write()
    vhdx_with_log("log.vhdx", 65536)
    vhdx_with_log("log-around.vhdx", MIB - 8192)
    for size in (512, 4096):
        base = Vhdx(f"base-{size}.vhdx", 4 * MIB + 8192, size)
        base.put(0, 1)
        base.put(2, 1)
        base.put(4, 1)
        base = base.write()
        child = Vhdx(f"child-{size}.vhdx", 4 * MIB + 8192, size, base)

        def here(n):
            return n % 5 == 0 or 20 < n < 60
        child.bitmap(here)
        child.put(0, 2, here, 7)
        child.put(1, 2, here, 7)
        child.put(3, 2)
        # Block 2 is zeros whatever the parent has; block 4 is the parent's.
        child.bat[2] = 2
        child.medium[2 * MIB:3 * MIB] = bytes(MIB)
        child.write()


vhds()
vhdxs()
with open(os.path.join(HERE, "vhd.sums"), "w", encoding="ascii") as sums:
    sums.writelines(SUMS)
