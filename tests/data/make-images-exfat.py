#!/usr/bin/env python3
"""Makes the exFAT volumes in tests/data/images, with what was written to them beside each.

Needs root, mkfs.exfat (exfatprogs), mount.exfat-fuse (exfat-fuse), losetup and
/dev/fuse. Content and names
are the same in every run; serial number and some times are not. A manifest line is: state, size,
SHA-256 of the content, modification time in UTC, path; tab-separated, the path in UTF-8.

State is `live`, `deleted`, or `reused` for a deleted file whose clusters were written again.
"""

import gzip
import hashlib
import os
import subprocess
import sys
import tempfile

IMAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
CLUSTER = 4096
START = 1_700_000_000


def content(name, size):
    """Bytes that differ from block to block and still compress."""
    out = bytearray()
    number = 0
    while len(out) < size:
        out += hashlib.sha256(f"{name} {number}".encode()).hexdigest().encode() * 8
        number += 1
    return bytes(out[:size])


class Volume:
    def __init__(self, name, size, cluster=CLUSTER):
        self.name = name
        self.image = tempfile.mktemp(suffix=".raw")
        self.mount = tempfile.mkdtemp()
        with open(self.image, "wb") as image:
            image.truncate(size)
        subprocess.run(["mkfs.exfat", "-b", "64K", "-c", str(cluster), "-L", "Prüf 写真", self.image],
                       check=True, stdout=subprocess.DEVNULL)
        self.files = {}
        self.gone = []
        self.clock = START
        self.on()

    def on(self):
        self.loop = subprocess.run(["losetup", "-f", "--show", self.image], check=True,
                                   stdout=subprocess.PIPE, text=True).stdout.strip()
        subprocess.run(["mount.exfat-fuse", self.loop, self.mount], check=True,
                       stdout=subprocess.DEVNULL)

    def off(self):
        subprocess.run(["umount", self.mount], check=True)
        subprocess.run(["losetup", "-d", self.loop], check=True)

    def again(self):
        self.off()
        self.on()

    def path(self, name):
        return os.path.join(self.mount, name)

    def folder(self, name):
        os.mkdir(self.path(name))

    def write(self, name, size):
        with open(self.path(name), "wb") as file:
            file.write(content(name, size))
        self.stamp(name)

    def stamp(self, name):
        self.clock += 61
        data = open(self.path(name), "rb").read()
        self.files[name] = (len(data), hashlib.sha256(data).hexdigest(), self.clock)
        os.utime(self.path(name), (self.clock, self.clock))

    def pair(self, a, b, blocks):
        """Two files whose clusters take turns."""
        with open(self.path(a), "wb", 0) as first, open(self.path(b), "wb", 0) as second:
            for block in range(blocks):
                first.write(content(f"{a} {block}", CLUSTER))
                os.fsync(first.fileno())
                second.write(content(f"{b} {block}", CLUSTER))
                os.fsync(second.fileno())
        self.stamp(a)
        self.stamp(b)

    def remove(self, name, state="deleted"):
        os.remove(self.path(name))
        self.gone.append((state, name, self.files.pop(name)))

    def keep(self):
        self.off()
        os.rmdir(self.mount)
        rows = [("live", name, facts) for name, facts in self.files.items()] + self.gone
        text = "".join(f"{state}\t{size}\t{digest}\t{time}\t{name}\n"
                       for state, name, (size, digest, time) in sorted(rows, key=lambda r: r[1]))
        with open(os.path.join(IMAGES, self.name + ".tsv"), "w") as manifest:
            manifest.write(text)
        with open(self.image, "rb") as image, \
                open(os.path.join(IMAGES, self.name + ".raw.gz"), "wb") as out, \
                gzip.GzipFile("", "wb", 9, out, 0) as packed:
            packed.write(image.read())
        os.remove(self.image)


def tree():
    """Sizes at the edges, names of all kinds, fragments, folders; then files that are deleted."""
    volume = Volume("exfat-tree", 4 << 20)
    for size in (0, 1, 511, 512, 513, CLUSTER - 1, CLUSTER, CLUSTER + 1, 3 * CLUSTER, 40_000):
        volume.write(f"size-{size}.bin", size)
    volume.folder("DCIM")
    volume.folder("DCIM/100CANON")
    for number in range(60):
        volume.write(f"DCIM/100CANON/IMG_{number:04}.JPG", 100 + 97 * number)
    volume.folder("Ünïcödé 写真")
    for name in ("写真.jpg", "Ελληνικά.txt", "кириллица.doc", "emoji 😀🎉.png", "a" * 255,
                 "fifteen-letters", "sixteen-letters-", "  leading and trailing.x"):
        volume.write("Ünïcödé 写真/" + name, 700 + len(name))
    volume.pair("turn-a.bin", "turn-b.bin", 6)
    deep = ""
    for level in range(12):
        deep = os.path.join(deep, f"level {level}")
        volume.folder(deep)
    volume.write(deep + "/bottom.txt", 5000)
    long = "a deleted file whose name needs several entries of fifteen letters each.jpeg"
    volume.write("before.bin", 9000)
    volume.write(long, 5 * CLUSTER + 77)
    volume.write("DCIM/gone-small.jpg", 300)
    volume.write("after.bin", 9000)
    volume.folder("old")
    volume.write("old/one.jpg", 6000)
    volume.write("old/two.jpg", 12_000)
    volume.pair("apart-a.bin", "apart-b.bin", 4)
    volume.again()
    for name in (long, "DCIM/gone-small.jpg", "old/one.jpg", "old/two.jpg", "apart-a.bin"):
        volume.remove(name)
    os.rmdir(volume.path("old"))
    volume.again()
    volume.keep()


def full():
    """A volume without a free cluster, then a deleted file and a new one in its place."""
    volume = Volume("exfat-full", 1 << 20, 512)
    volume.write("victim.bin", 20_000)
    volume.write("spared.bin", 3000)
    with open(volume.path("filler.bin"), "wb", 0) as file:
        try:
            while True:
                file.write(content("filler", 512))
        except OSError:
            pass
    volume.stamp("filler.bin")
    volume.again()
    volume.remove("victim.bin", "reused")
    volume.again()
    volume.write("taker-of-some-room.bin", 10_000)
    volume.remove("spared.bin")
    volume.keep()


if __name__ == "__main__":
    os.makedirs(IMAGES, exist_ok=True)
    for build in (tree, full):
        if len(sys.argv) < 2 or build.__name__ in sys.argv[1:]:
            build()
