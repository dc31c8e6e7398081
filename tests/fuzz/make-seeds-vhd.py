#!/usr/bin/env python3
"""Makes the first inputs of the targets `vhd` and `vhdx` in seeds/ from the images that
tests/data/make-images-vhd.py makes. No tool is needed; the same bytes in every run."""

import gzip
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = os.path.join(HERE, "..", "data", "images")
MIB = 1 << 20


def image(name):
    with gzip.open(os.path.join(IMAGES, name + ".gz")) as file:
        return file.read()


def keep(target, name, data):
    folder = os.path.join(HERE, "seeds", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


keep("vhd", "fixed", image("fixed.vhd")[-4608:])
keep("vhd", "dynamic", image("dynamic.vhd"))
# Structures and the first block of the file; the rest of the blocks lie past its end.
child = image("child.vhd")
keep("vhd", "child", child[:12288] + child[-512:])

# `base-512` is also the parent that the target gives to every image.
for name in ("dynamic", "log", "child-512", "base-512"):
    data = image(name + ".vhdx")
    # The log of the target begins where the ring does.
    log = data[MIB + 65536:MIB + 65536 + 28672] if name == "log" else b""
    entries = []
    for at, size in ((0, 8192), (8192, 8192), (16384, 12288)):
        entry = log[at:at + size]
        entries.append(entry[:12] + struct.pack("<I", 0) + entry[16:] if entry else b"")
    parts = [data[131072:131072 + 80], data[196608:196608 + 80], data[2 * MIB:2 * MIB + 224],
             data[2 * MIB + 65536:2 * MIB + 66100], data[3 * MIB:3 * MIB + 64], *entries,
             data[4 * MIB:4 * MIB + 256]]
    keep("vhdx", name, b"".join(struct.pack("<H", len(part)) + part for part in parts))
