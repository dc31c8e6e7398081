#!/usr/bin/env python3
"""Makes the FAT images of tests/data/images and beside each what was written into it.

Run in any folder with dosfstools and mtools installed; both formats come out the same each time.
Writing is done by mkfs.vfat and mtools; damage by editing the bytes here. Each IMAGE.json says:

  live     path, size, sha256 of every file that exists; "fault" where its content is not certain
  deleted  name, size, sha256 of every file that was deleted; "fate": "whole" where its bytes still
           lie in free clusters after its first, "lost" where they do not
  folders  number of folders that exist, the root one included
  unowned  number of clusters that are in use and belong to no file or folder
"""

import gzip
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
EPOCH = 1_600_000_001  # 2020-09-13T12:26:41Z
ENVIRONMENT = dict(
    os.environ, TZ="UTC", LC_ALL="C.UTF-8", MTOOLS_SKIP_CHECK="1", SOURCE_DATE_EPOCH=str(EPOCH)
)


def content(name, size):
    """Bytes that belong to one name and no other, and that deflate well."""
    line = hashlib.sha256(name.encode()).hexdigest().encode()
    out = bytearray()
    while len(out) < size:
        out += b"%s %012d\n" % (line, len(out))
    return bytes(out[:size])


class Image:
    def __init__(self, name, kilobytes, *options):
        self.name, self.path = name, os.path.join(tempfile.mkdtemp(), name)
        self.files, self.deleted, self.folders = {}, [], {""}
        self.clock = EPOCH
        label = name.upper()[:11]
        run("mkfs.vfat", "-C", "--invariant", "-n", label, *options, self.path, str(kilobytes))

    def folder(self, path):
        run("mmd", "-i", self.path, "::" + path)
        self.folders.add(path)

    def write(self, path, size, seed=None):
        data = content(seed or path, size)
        self.clock += 86_461
        with tempfile.NamedTemporaryFile() as source:
            source.write(data)
            source.flush()
            os.utime(source.name, (self.clock, self.clock))
            run("mcopy", "-m", "-i", self.path, source.name, "::" + path)
        self.files[path] = data

    def delete(self, path, fate="whole"):
        run("mdel", "-i", self.path, "::" + path)
        data = self.files.pop(path)
        self.deleted.append((path, data, fate))

    def delete_tree(self, path, fate="whole"):
        run("mdeltree", "-i", self.path, "::" + path)
        for name in [name for name in self.files if name.startswith(path + "/")]:
            self.deleted.append((name, self.files.pop(name), fate))
        self.folders = {f for f in self.folders if f != path and not f.startswith(path + "/")}

    def store(self, faults=None, unowned=0):
        faults = faults or {}

        def row(path, data):
            return {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

        live = [
            row(p, d) | ({"fault": faults[p]} if p in faults else {})
            for p, d in sorted(self.files.items())
        ]
        truth = {
            "live": live,
            "deleted": [row(p, d) | {"fate": f} for p, d, f in self.deleted],
            "folders": len(self.folders),
            "unowned": unowned,
        }
        with open(self.path, "rb") as source:
            data = source.read()
        os.makedirs(OUT, exist_ok=True)
        with open(os.path.join(OUT, self.name + ".img.gz"), "wb") as sink:
            with gzip.GzipFile("", "wb", 9, sink, mtime=0) as packed:
                packed.write(data)
        with open(os.path.join(OUT, self.name + ".json"), "w") as sink:
            json.dump(truth, sink, ensure_ascii=False, indent=1)
            sink.write("\n")


class Editor:
    """Changes an image's table and entries in place: 16-bit tables only."""

    def __init__(self, image):
        self.image = image
        with open(image.path, "rb") as source:
            self.data = bytearray(source.read())
        d = self.data
        self.sector, self.spc, reserved, self.fats, self.roots = struct.unpack_from("<HBHBH", d, 11)
        self.table = reserved * self.sector
        self.table_len = struct.unpack_from("<H", d, 22)[0] * self.sector
        self.root = self.table + self.fats * self.table_len
        self.first = self.root + self.roots * 32
        self.cluster = self.spc * self.sector

    def get(self, cluster):
        return struct.unpack_from("<H", self.data, self.table + 2 * cluster)[0]

    def put(self, cluster, value, copies=None):
        for copy in range(self.fats) if copies is None else copies:
            struct.pack_into("<H", self.data, self.table + copy * self.table_len + 2 * cluster, value)

    def at(self, cluster):
        return self.first + (cluster - 2) * self.cluster

    def entry(self, short):
        at = self.data.find(short, self.root)
        assert at >= 0 and at % 32 == 0, short
        return at

    def start(self, short):
        return struct.unpack_from("<H", self.data, self.entry(short) + 26)[0]

    def chain(self, short):
        out, cluster = [], self.start(short)
        while 2 <= cluster < 0xFFF0 and cluster not in out and self.at(cluster) < len(self.data):
            out.append(cluster)
            cluster = self.get(cluster)
        return out

    def save(self):
        with open(self.image.path, "wb") as sink:
            sink.write(self.data)


def run(*command):
    subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)


STAND_INS = "ㄅㄆ"


def surrogates(image):
    """mtools writes no surrogate pair, so that of the emoji takes the place of two stand-ins."""
    with open(image.path, "rb") as source:
        data = source.read()
    stand_ins = STAND_INS.encode("utf-16-le")
    assert data.count(stand_ins) == 1
    data = data.replace(stand_ins, "😀".encode("utf-16-le"))
    with open(image.path, "wb") as sink:
        sink.write(data)
    image.files["/smile 😀 and more.png"] = image.files.pop(f"/smile {STAND_INS} and more.png")


LONG = "A name of two hundred and more characters, as long as the format lets it be, " * 3


def tree(image, cluster):
    """The files that every kind gets."""
    for size in (0, 1, cluster - 1, cluster, cluster + 1, 5 * cluster):
        image.write(f"/edge {size}.bin", size)
    image.write("/PLAIN.TXT", 700)
    image.write("/lower.txt", 701)
    # mtools adds no more than one cluster to a folder for one name
    image.write("/" + LONG[:90 if image.name == "fat32" else 246] + ".jpg", 702)
    image.write("/日本語のファイル名.jpg", 1234)
    image.write(f"/smile {STAND_INS} and more.png", 900)
    image.write("/Café à la crème.txt", 800)
    image.folder("/DCIM")
    image.folder("/DCIM/100CANON")
    for n in range(60):
        image.write(f"/DCIM/100CANON/a picture of the day {n:04d}.jpg", 100 + 7 * n)
    image.folder("/empty")
    # Holes that the next file must fill: two files whose clusters alternate.
    for n in range(8):
        image.write(f"/h{n}", cluster)
    for n in range(0, 8, 2):
        image.delete(f"/h{n}", "lost")


def plain(name, kilobytes, cluster, *options):
    image = Image(name, kilobytes, *options)
    tree(image, cluster)
    surrogates(image)
    return image


def fat12():
    image = plain("fat12", 1440, 512)
    said = subprocess.run(["mdir", "-i", image.path, "::/"], env=ENVIRONMENT, check=True,
                          capture_output=True, text=True).stdout
    free = int(re.search(r"([0-9 ]+) bytes free", said)[1].replace(" ", ""))
    image.write("/fills the volume to its last cluster", free)
    image.store()


def recoverable(image, cluster):
    """Deleted files: of one and of many clusters, with and without a long name, and a folder."""
    image.write("/one.jpg", 300)
    image.write("/keep1.txt", 10)
    image.write("/A holiday picture with a long name.jpg", 9 * cluster + 17)
    image.write("/keep2.txt", 10)
    image.write("/SHORT.JPG", 3 * cluster)
    image.write("/Überraschung für später.jpg", 2 * cluster + 1)
    image.write("/日本の写真集と名前.jpg", 4 * cluster)
    image.write("/nothing in it.txt", 0)
    image.folder("/gone folder")
    for n in range(20):
        image.write(f"/gone folder/memory number {n:02d}.jpg", cluster + n)
    image.folder("/gone folder/deeper")
    image.write("/gone folder/deeper/below.jpg", 2 * cluster)
    image.write("/keep3.txt", 10)
    for path in ("/one.jpg", "/A holiday picture with a long name.jpg", "/SHORT.JPG",
                 "/Überraschung für später.jpg", "/日本の写真集と名前.jpg", "/nothing in it.txt"):
        image.delete(path)
    image.delete_tree("/gone folder")


def fat16():
    image = plain("fat16", 16_384, 2048, "-F", "16", "-s", "4")
    image.write("/filler", 3 * 2048)
    recoverable(image, 2048)
    image.store()


def fat32():
    image = plain("fat32", 34_000, 512, "-F", "32", "-s", "1")
    recoverable(image, 512)
    image.store()


def fat16_large_sectors():
    image = plain("fat16-4k", 20_480, 4096, "-F", "16", "-S", "4096", "-s", "1")
    recoverable(image, 4096)
    image.store()


def overwritten():
    """What was deleted and then overwritten in part, or claimed by two deleted files."""
    image = Image("overwritten", 4_200, "-F", "16", "-s", "1")
    image.write("/before", 512)
    image.write("/long gone.jpg", 10 * 512)
    image.write("/after", 512)
    image.delete("/long gone.jpg", "lost")
    editor = Editor(image)
    hole = 3  # its first cluster: the second of the volume
    assert editor.get(hole) == 0 and editor.get(12) == 0 and editor.get(13) != 0
    # a new file in its first four clusters, deleted too: nobody's, both claim them
    at = editor.entry(b"AFTER   ") + 32
    data = content("/new.jpg", 4 * 512)
    editor.data[editor.at(hole):editor.at(hole) + len(data)] = data
    editor.data[at:at + 32] = b"\xe5EW     JPG" + bytes(15) + struct.pack("<HI", hole, len(data))
    # one whose first cluster is in use now, one that states a cluster which is none
    at += 32
    editor.data[at:at + 32] = b"\xe5SED    JPG" + bytes(15) + struct.pack("<HI", 13, 700)
    at += 32
    editor.data[at:at + 32] = b"\xe5OWHERE JPG" + bytes(15) + struct.pack("<HI", 0xFFF0, 700)
    # one at the volume's end that has not enough free clusters
    at += 32
    editor.data[at:at + 32] = b"\xe5NDS    JPG" + bytes(15) + struct.pack("<HI", 8000, 1 << 22)
    editor.save()
    image.deleted += [("/_EW.JPG", data, "lost"), ("/_SED.JPG", bytes(700), "lost"),
                      ("/_OWHERE.JPG", bytes(700), "lost"), ("/_NDS.JPG", bytes(1 << 22), "lost")]
    image.store()


def damaged():
    """Chains that break, circle and cross; a lost chain; folders that circle."""
    image = Image("damaged", 4_200, "-F", "16", "-s", "2")
    for name, clusters in (("GOOD", 3), ("CROSS1", 4), ("CROSS2", 4), ("LOOP", 5), ("BREAK", 6),
                           ("TOFREE", 6), ("TOBAD", 4), ("OUTSIDE", 4), ("LONGER", 4),
                           ("NOSTART", 2), ("LOST", 3)):
        image.write("/" + name, clusters * 1024 - 100)
    for name in ("LOOPDIR", "LOOPDIR/CHILD", "TWICE", "TORN", "OK"):
        image.folder("/" + name)
    image.write("/OK/inside.txt", 55)
    editor = Editor(image)
    e = editor
    one, two = e.chain(b"CROSS1 "), e.chain(b"CROSS2 ")
    e.put(two[1], one[2])  # CROSS2 runs into the third cluster of CROSS1
    loop = e.chain(b"LOOP   ")
    e.put(loop[3], loop[1])
    e.put(e.chain(b"BREAK  ")[3], 0xFFFF)
    free = e.chain(b"TOFREE ")
    e.put(free[2], 0)
    e.put(e.chain(b"TOBAD  ")[1], 0xFFF7)
    e.put(e.chain(b"OUTSIDE")[2], 0xEEEE)
    at = e.entry(b"LONGER ")
    struct.pack_into("<I", e.data, at + 28, 1500)
    image.files["/LONGER"] = image.files["/LONGER"][:1500]
    struct.pack_into("<H", e.data, e.entry(b"NOSTART") + 26, 0)
    at = e.entry(b"LOST   ")
    e.data[at] = 0xE5  # its clusters stay in use
    # /LOOPDIR/CHILD leads back to /LOOPDIR; /TWICE is /OK again; /TORN starts with a free cluster
    struct.pack_into("<H", e.data, e.entry(b"CHILD  ") + 26, e.start(b"LOOPDIR"))
    struct.pack_into("<H", e.data, e.entry(b"TWICE  ") + 26, e.start(b"OK     "))
    e.put(e.start(b"TORN   "), 0)
    e.put(e.chain(b"GOOD   ")[1], 0xBBBB, copies=[1])  # only the second table is wrong
    editor.save()
    lost = image.files.pop("/LOST")
    image.deleted.append(("/_OST", lost, "lost"))
    image.folders -= {"/LOOPDIR/CHILD", "/TORN"}
    faults = {"/CROSS1": "cross_linked", "/CROSS2": "cross_linked", "/LOOP": "chain_broken",
              "/BREAK": "chain_broken", "/TOFREE": "chain_broken", "/TOBAD": "chain_broken",
              "/OUTSIDE": "chain_broken", "/NOSTART": "chain_broken"}
    # TWICE comes first in the root folder, so what is in OK is found there
    image.files["/TWICE/inside.txt"] = image.files.pop("/OK/inside.txt")
    image.folders -= {"/OK"}
    owned = set()
    for short in (b"GOOD   ", b"CROSS1 ", b"CROSS2 ", b"LOOP   ", b"BREAK  ", b"TOFREE ", b"TOBAD  ",
                  b"OUTSIDE", b"LONGER ", b"NOSTART", b"LOOPDIR", b"CHILD  ", b"TWICE  ", b"TORN   ",
                  b"OK     ", b"INSIDE "):
        owned.update(e.chain(short))
    used = {n for n in range(2, e.table_len // 2) if e.get(n) not in (0, 0xFFF7)}
    image.store(faults, len(used - owned))


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for make in (fat12, fat16, fat32, fat16_large_sectors, overwritten, damaged):
        if not wanted or make.__name__ in wanted:
            make()
