#!/usr/bin/env python3
"""Makes the QCOW2 and VMDK images of tests/data/images and the seeds of the fuzz targets `qcow2`
and `vmdk`, with qemu-img and qemu-io (Debian: qemu-utils), from bytes that
tests/it/container/virtual_disk.rs makes again. Two tiny VMDK are written here, with grains of 4 KiB
that QEMU reads and never writes; qemu-img is asked whether they are the medium. QEMU puts a random
identifier into every VMDK: the tests look at none that is not in its own descriptor.

    tests/data/make-images-virtual.py
"""

import gzip
import pathlib
import struct
import subprocess
import tempfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
IMAGES = HERE / "images"
SEEDS = HERE.parent / "fuzz" / "seeds"


def splitmix(count, state):
    out = bytearray()
    while len(out) < count:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        out += (z ^ (z >> 31)).to_bytes(8, "little")
    return bytes(out[:count])


TEXT = b"".join(b"line %d of a text that compresses\n" % n for n in range(2000))
SMALL = splitmix(9000, 1) + TEXT[:21000] + bytes(18000) + splitmix(2176, 2) + b"end" * 341 + b"."
MEDIUM = SMALL + bytes(262144) + (TEXT * 3)[:150000] + bytes(131208) + splitmix(5000, 7)
assert len(SMALL) == 51200 and len(MEDIUM) == 1171 * 512


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def convert(source, name, *options):
    run("qemu-img", "convert", "-f", "raw", *options, source, name)
    assert raw(name) == pathlib.Path(source).read_bytes(), name


def raw(name):
    run("qemu-img", "convert", "-O", "raw", name, "check.raw")
    return pathlib.Path("check.raw").read_bytes()


def tiny_vmdk(medium, stream):
    """A sparse VMDK with grains of 8 sectors and both directories, or a stream with markers."""
    grain, grains = 4096, []
    for at in range(0, len(medium), grain):
        grains.append(medium[at : at + grain].ljust(grain, b"\0"))
    descriptor = (
        "# Disk DescriptorFile\nversion=1\nCID=0badcafe\nparentCID=ffffffff\ncreateType=\"%s\"\n"
        "RW %d SPARSE \"tiny.vmdk\"\nddb.adapterType = \"ide\"\n"
        % ("streamOptimized" if stream else "monolithicSparse", len(medium) // 512)
    ).encode().ljust(1024, b"\0")
    flags, directory, copy = (0x30001, 2**64 - 1, 0) if stream else (3, 8, 3)
    tables_at = [9] if stream else [9, 4]

    def header(directory):
        head = struct.pack("<4sIIQQQQIQQQB", b"KDMV", 3 if stream else 1, flags,
                           len(medium) // 512, 8, 1, 2, 512, copy, directory, 16, 0)
        return (head + b"\n \r\n" + struct.pack("<H", int(stream))).ljust(512, b"\0")

    out = bytearray((header(directory) + descriptor).ljust(16 * 512, b"\0"))
    table = []
    for number, data in enumerate(grains):
        if not data.strip(b"\0"):
            table.append(0)
            continue
        table.append(len(out) // 512)
        if stream:
            packed = zlib.compress(data)
            data = struct.pack("<QI", number * 8, len(packed)) + packed
        out += data.ljust(-(-len(data) // 512) * 512, b"\0")
    packed_table = struct.pack("<512I", *table, *[0] * (512 - len(table)))

    def marker(sectors, kind):
        return struct.pack("<QII", sectors, 0, kind).ljust(512, b"\0")

    if not stream:
        for at, directory_at in zip(tables_at, [8, 3]):
            out[at * 512 : at * 512 + 2048] = packed_table
            out[directory_at * 512 : directory_at * 512 + 4] = struct.pack("<I", at)
        return bytes(out)
    out += marker(4, 1)
    table_at = len(out) // 512
    out += packed_table + marker(1, 2)
    directory = len(out) // 512
    out += struct.pack("<I", table_at).ljust(512, b"\0")
    out += marker(1, 3) + header(directory) + bytes(512)
    return bytes(out)


def keep(name):
    packed = gzip.compress(pathlib.Path(name).read_bytes(), 9, mtime=0)
    (IMAGES / (name + ".gz")).write_bytes(packed)


def seed(target, name):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pathlib.Path(name).read_bytes())


def qcow2():
    for name, options in {
        "old.qcow2": ["-c", "-o", "compat=0.10"],
        "plain.qcow2": ["-o", "compat=1.1,cluster_size=4096,lazy_refcounts=on"],
        "zstd.qcow2": ["-c", "-o", "compression_type=zstd"],
        "parts.qcow2": ["-o", "extended_l2=on,cluster_size=16384"],
    }.items():
        convert("medium", name, "-O", "qcow2", *options)
        keep(name)
    # Two states before this one: the medium is what is there now.
    convert("small", "snapshots.qcow2", "-O", "qcow2", "-o", "cluster_size=512")
    run("qemu-img", "snapshot", "-c", "before", "snapshots.qcow2")
    run("qemu-io", "-c", "write -P 0x61 1024 3000", "snapshots.qcow2")
    run("qemu-img", "snapshot", "-c", "=after", "snapshots.qcow2")
    run("qemu-io", "-c", "write -P 0x62 0 512", "-c", "write -z 4096 8192", "snapshots.qcow2")
    expected = bytearray(SMALL)
    expected[1024:4024] = b"a" * 3000
    expected[:512] = b"b" * 512
    expected[4096:12288] = bytes(8192)
    assert raw("snapshots.qcow2") == bytes(expected)
    keep("snapshots.qcow2")
    for name, options in {
        "tiny.qcow2": ["-o", "cluster_size=512"],
        "packed.qcow2": ["-c", "-o", "cluster_size=1024,compat=0.10"],
        "packed-zstd.qcow2": ["-c", "-o", "cluster_size=2048,compression_type=zstd"],
    }.items():
        convert("small", name, "-O", "qcow2", *options)
        keep(name)
        seed("qcow2", name)
    seed("qcow2", "snapshots.qcow2")
    # A difference to plain.qcow2, larger than it, by a path that must not be followed.
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "plain.qcow2", "-F", "qcow2",
        "-o", "cluster_size=1024", "child.qcow2", "700000")
    run("qemu-io", "-c", "write -P 0x63 1000 300", "-c", "write -z 65536 65536", "child.qcow2")
    expected = bytearray(MEDIUM.ljust(700416, b"\0"))
    expected[1000:1300] = b"c" * 300
    expected[65536:131072] = bytes(65536)
    assert raw("child.qcow2") == bytes(expected)
    run("qemu-img", "rebase", "-u", "-b", "/etc/shadow", "-F", "qcow2", "child.qcow2")
    keep("child.qcow2")
    seed("qcow2", "child.qcow2")


def vmdk():
    for name, subformat in {
        "sparse.vmdk": "monolithicSparse",
        "stream.vmdk": "streamOptimized",
        "split.vmdk": "twoGbMaxExtentSparse",
        "flat.vmdk": "monolithicFlat",
    }.items():
        convert("medium", name, "-O", "vmdk", "-o", "subformat=" + subformat)
        keep(name)
    keep("split-s001.vmdk")
    keep("flat-flat.vmdk")
    run("qemu-img", "create", "-q", "-f", "vmdk", "-b", "sparse.vmdk", "-F", "vmdk", "child.vmdk")
    run("qemu-io", "-c", "write -P 0x63 1000 300", "child.vmdk")
    expected = bytearray(MEDIUM)
    expected[1000:1300] = b"c" * 300
    assert raw("child.vmdk") == bytes(expected)
    keep("child.vmdk")
    for name, stream in {"tiny.vmdk": False, "tiny-stream.vmdk": True}.items():
        pathlib.Path(name).write_bytes(tiny_vmdk(SMALL, stream))
        assert raw(name) == SMALL, name
        keep(name)
        seed("vmdk", name)


with tempfile.TemporaryDirectory() as folder:
    import os

    os.chdir(folder)
    pathlib.Path("medium").write_bytes(MEDIUM)
    pathlib.Path("small").write_bytes(SMALL)
    qcow2()
    vmdk()
