#!/usr/bin/env python3
"""Makes tests/data/images/ntfs-*.raw.gz and, beside each, what it holds (.tsv).

Needs root, mkntfs and ntfs-3g (FUSE). The volumes are written by ntfs-3g; a few attributes that it
does not write are set through its extended attributes. Run it in tests/data; serial numbers and
times differ from run to run, so an image is replaced only together with its list. Names of images may be given: those alone are made.

Each line of a list: what is expected, SHA-256, size, path (a named stream after a colon).
  file      live, whole: the digest is that of the bytes written
  deleted   deleted, its clusters are free: the digest as before
  gone      deleted; where it is given whole, the digest is that of the bytes written
  unread    live, not to be read as content
  left      deleted, its record used again, its name still in the image outside of the table
  lost      the same, its name is nowhere
  link      symbolic link or junction; the digest column holds its target
  folder    number of folders, in the size column
"""

import gzip
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile

ATTRIB, REPARSE = "system.ntfs_attrib", "system.ntfs_reparse_data"


def lines(count, word):
    """Bytes that pack well and differ everywhere."""
    return b"".join(b"%s line %08d\n" % (word, n) for n in range(count))


def noise(count, seed):
    """Bytes that do not pack."""
    out = b""
    while len(out) < count:
        seed = hashlib.sha256(seed).digest()
        out += seed
    return out[:count]


class Volume:
    def __init__(self, name, mib, *options):
        self.name, self.rows = name, []
        self.image = tempfile.mktemp(suffix=".ntfs")
        self.mount = tempfile.mkdtemp()
        with open(self.image, "wb") as image:
            image.truncate(mib << 20)
        subprocess.run(["mkntfs", "-F", "-q", "-Q", "-L", "Prüfung 試", *options, self.image],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        options = "compression,streams_interface=windows,big_writes,norecover"
        subprocess.run(["ntfs-3g", self.image, self.mount, "-o", options], check=True)
        return self

    def __exit__(self, *error):
        subprocess.run(["umount", self.mount], check=True)
        os.rmdir(self.mount)

    def path(self, name):
        return os.path.join(self.mount, name)

    def folder(self, name):
        os.makedirs(self.path(name), exist_ok=True)

    def write(self, name, data, expect="file"):
        with open(self.path(name), "wb") as out:
            out.write(data)
        self.expect(expect, data, name)

    def expect(self, what, data, name):
        self.rows.append((what, hashlib.sha256(data).hexdigest(), len(data), name))

    def reparse(self, name, tag, data):
        raw = struct.pack("<IHH", tag, len(data), 0) + data
        os.setxattr(self.path(name), REPARSE, raw)

    def save(self):
        self.rows.append(("folder", "-", sum(1 for _ in self.folders), "."))
        with open(self.image, "rb") as image, open(f"images/{self.name}.raw.gz", "wb") as out:
            with gzip.GzipFile(filename="", fileobj=out, mode="wb", mtime=0) as packed:
                shutil.copyfileobj(image, packed)
        os.unlink(self.image)
        with open(f"images/{self.name}.tsv", "w", encoding="utf-8") as out:
            for row in self.rows:
                out.write("\t".join(map(str, row)) + "\n")

    def count_folders(self):
        self.folders = [root for root, _, _ in os.walk(self.mount)]


def windows_names(tag_head, target):
    name = target.encode("utf-16-le")
    return struct.pack("<HHHH", 0, len(name), len(name), len(name)) + tag_head + name + name


def tree(volume):
    """What every file system has."""
    volume.folder("a/b/c/d/e")
    volume.write("a/b/c/d/e/deep.txt", b"deep\n")
    volume.write("empty", b"")
    volume.write("one", b"1")
    volume.write("resident.txt", lines(18, b"resident"))
    for size in (511, 512, 513, 4095, 4096, 4097, 8192, 65536):
        volume.write(f"edge-{size}.bin", lines(size // 10, b"edge")[:size])
    volume.folder("many")
    for n in range(62):
        volume.write(f"many/file number {n:02d} of a folder.txt", b"number %d\n" % n)
    volume.folder("名前")
    for name in ("写真.jpg", "Привет мир.txt", "emoji 😀👍.dat", "ümläut é.txt"):
        volume.write(f"名前/{name}", name.encode() * 50)
    volume.write("name with spaces and a rather long name that has an alias.document", b"alias\n")


def special(volume):
    """What NTFS has."""
    volume.folder("packed")
    os.setxattr(volume.path("packed"), ATTRIB, struct.pack("<I", 0x810))
    volume.write("packed/text.txt", lines(20_000, b"packed")[:300_007])
    volume.write("packed/noise.bin", noise(66_000, b"noise"))
    volume.write("packed/mixed.bin", lines(5_000, b"m") + noise(9_000, b"mixed") + bytes(200_000) + b"end")
    volume.write("packed/small.txt", lines(300, b"small"))
    with open(volume.path("packed/hole.bin"), "wb") as out:
        out.write(b"start")
        out.seek(500_000)
        out.write(lines(4_000, b"after the hole"))
    volume.expect("file", open(volume.path("packed/hole.bin"), "rb").read(), "packed/hole.bin")

    volume.write("streams.dll", b"the file itself\n" * 100)
    volume.write("streams.dll:here", lines(900, b"a stream in clusters"))
    volume.write("streams.dll:Zone.Identifier", b"[ZoneTransfer]\r\nZoneId=3\r\n")
    volume.folder("streamed")
    for n in range(24):
        volume.write(f"streamed:stream number {n:02d}", b"stream %d of a folder" % n)
    volume.write("streamed/inside.txt", b"inside\n")

    with open(volume.path("sparse.bin"), "wb") as out:
        out.write(b"begin")
        out.seek(3_000_000)
        out.write(b"middle")
        out.seek(8_000_002)
        out.write(b"e")
    volume.expect("file", open(volume.path("sparse.bin"), "rb").read(), "sparse.bin")

    volume.write("linked.txt", lines(700, b"linked"))
    data = open(volume.path("linked.txt"), "rb").read()
    for name in ("a/second name.txt", "a/b/third.txt"):
        os.link(volume.path("linked.txt"), volume.path(name))
        volume.expect("file", data, name)
    volume.write("popular", b"many names\n")
    for n in range(40):
        name = f"many/another name of the popular file {n:02d}"
        os.link(volume.path("popular"), volume.path(name))
        volume.expect("file", b"many names\n", name)

    parts = [bytearray(), bytearray()]
    with open(volume.path("frag-0"), "wb") as one, open(volume.path("frag-1"), "wb") as two:
        for n in range(520):
            for which, out in enumerate((one, two)):
                piece = (b"%d/%04d " % (which, n) * 600)[:4096]
                out.write(piece)
                out.flush()
                os.fsync(out.fileno())
                parts[which] += piece
    for which, part in enumerate(parts):
        volume.expect("file", bytes(part), f"frag-{which}")


def reparse(volume):
    """Content that is not stored as content."""
    kinds = {
        "wof.exe": (0x80000017, struct.pack("<IIII", 1, 2, 1, 0)),
        "dedup.bin": (0x80000013, bytes(40)),
        "cloud.jpg": (0x9000601A, bytes(64)),
        "unknown.bin": (0x80001234, b"what is this"),
    }
    for name, (tag, data) in kinds.items():
        volume.write(name, lines(400, name.encode()), "unread")
    volume.write("wof.exe:WofCompressedData", noise(3000, b"wof"), "unread")
    volume.write("wof.exe:Zone.Identifier", b"[ZoneTransfer]\r\n")
    for name, (tag, data) in kinds.items():
        volume.reparse(name, tag, data)
    volume.write("link", b"")
    volume.rows.pop()
    volume.reparse("link", 0xA000000C, windows_names(struct.pack("<I", 1), "one"))
    volume.rows.append(("link", "one", 0, "link"))
    volume.folder("junction")
    volume.reparse("junction", 0xA0000003, windows_names(b"", "C:\\Users\\試"))
    volume.rows.append(("link", "C:\\Users\\試", 0, "junction"))


def deleted(volume):
    """Files to delete; the returned function deletes them."""
    volume.folder("gone/below")
    keep = {
        "gone-resident.txt": lines(14, b"gone"),
        "gone-clusters.txt": lines(3_000, b"gone in clusters"),
        "gone/below/gone-deep.txt": lines(500, b"gone deep"),
    }
    for name, data in keep.items():
        volume.write(name, data, "deleted")
    volume.write("gone-stream.txt", b"file with stream", "deleted")
    volume.write("gone-stream.txt:side", lines(1_000, b"gone stream"), "deleted")

    def delete():
        for name in [*keep, "gone-stream.txt"]:
            os.unlink(volume.path(name))
        shutil.rmtree(volume.path("gone"))
    return delete


def fragmented():
    """A small volume, full of holes, so that its table of records and its bitmap are in pieces."""
    volume = Volume("ntfs-fragmented", 4, "-c", "512", "-s", "512")
    with volume:
        n, filler = 0, []
        try:
            while True:
                name = f"f{n:04d}"
                with open(volume.path(name), "wb") as out:
                    out.write(b"%04d" % n * 200)
                    out.flush()
                    os.fsync(out.fileno())
                filler.append(name)
                n += 1
        except OSError:
            if os.path.exists(volume.path(name)):
                os.unlink(volume.path(name))
        for name in filler[::2]:
            volume.expect("gone", name[1:].encode() * 200, name)
            os.unlink(volume.path(name))
        for name in filler[1::2]:
            volume.expect("file", name[1:].encode() * 200, name)
        try:
            for n in range(300):
                volume.write(f"r{n}", b"resident %d" % n)
        except OSError:
            volume.rows = [row for row in volume.rows if row[3] != f"r{n}"]
            if os.path.exists(volume.path(f"r{n}")):
                os.unlink(volume.path(f"r{n}"))
        volume.write("over.bin", lines(17_000, b"over"))
        volume.count_folders()
    volume.save()


def tiny():
    """The smallest volume with something of everything, to be damaged in every place."""
    volume = Volume("ntfs-tiny", 2, "-c", "512")
    with volume:
        volume.folder("a/b/c")
        volume.write("a/b/c/deep.txt", b"deep\n")
        volume.write("empty", b"")
        volume.write("a/clusters.bin", lines(500, b"clusters"))
        os.link(volume.path("a/clusters.bin"), volume.path("linked.bin"))
        volume.expect("file", lines(500, b"clusters"), "linked.bin")
        volume.write("a/clusters.bin:side", lines(90, b"side"))
        volume.folder("packed")
        os.setxattr(volume.path("packed"), ATTRIB, struct.pack("<I", 0x810))
        volume.write("packed/text.txt", lines(3_000, b"packed"))
        for n in range(14):
            volume.write(f"a/b:stream number {n:02d}", b"stream %d of a folder" % n)
        volume.write("wof.exe", lines(60, b"wof"), "unread")
        volume.reparse("wof.exe", 0x80000017, struct.pack("<IIII", 1, 2, 1, 0))
        volume.write("gone.txt", lines(300, b"gone"), "deleted")
        os.unlink(volume.path("gone.txt"))
        volume.count_folders()
    volume.save()


def everything():
    volume = Volume("ntfs", 24)
    with volume:
        tree(volume)
        special(volume)
        reparse(volume)
        deleted(volume)()
        volume.count_folders()
    volume.save()


def large_sectors():
    volume = Volume("ntfs-4k", 16, "-s", "4096", "-c", "4096")
    with volume:
        tree(volume)
        volume.write("big resident.txt", lines(120, b"resident in 4 KiB"))
        volume.write("streams.dll", b"the file itself\n" * 100)
        volume.write("streams.dll:here", lines(400, b"stream"))
        volume.count_folders()
    volume.save()


def is_anywhere(text, raw):
    """Whether bytes stand in an image, but for the last two of a sector, where NTFS keeps a mark."""
    if text in raw:
        return True
    for mark in range(510, len(raw) - 512, 512):
        for start in range(mark - len(text) + 1, mark + 2):
            cut = max(mark - start, 0)
            after = mark + 2 - start
            if raw[start:start + cut] == text[:cut] and raw[mark + 2:start + len(text)] == text[after:]:
                return True
    return False


def index_remnants():
    """A folder with files deleted from its index, their records used again."""
    volume = Volume("ntfs-index", 2, "-c", "512")
    with volume:
        volume.folder("many")
        for n in range(60):
            volume.write(f"many/file number {n:02d} of this folder.txt", b"content %d\n" % n)
        gone = {f"many/file number {n} of this folder.txt"
                for n in ("03", "10", "11", "12", "30", "31", "47", "58", "59")}
        for name in sorted(gone):
            os.unlink(volume.path(name))
        volume.rows = [row for row in volume.rows if row[3] not in gone]
        for n in range(9):
            volume.write(f"new{n}", b"new %d\n" % n)
        volume.count_folders()
    # The oracle is a search: what of the names is anywhere in the image.
    with open(volume.image, "rb") as image:
        raw = image.read()
    for name in sorted(gone):
        there = is_anywhere(os.path.basename(name).encode("utf-16-le"), raw)
        volume.rows.append(("left" if there else "lost", "-", 0, name))
    volume.save()


MAKERS = {
    "ntfs": everything,
    "ntfs-4k": large_sectors,
    "ntfs-fragmented": fragmented,
    "ntfs-tiny": tiny,
    "ntfs-index": index_remnants,
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or MAKERS:
        MAKERS[wanted]()
