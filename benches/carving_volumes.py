"""Real file systems in plain files for benches/carving.py: make, fill, delete, read back, free map.

Files are written by the file systems' own tools: mtools for FAT, debugfs for ext, the FUSE drivers
for exFAT and NTFS (mounted only while a `with` block runs). Which clusters are free is read from
the allocation structures themselves: the FAT, the exFAT bitmap, the NTFS $Bitmap, and what dumpe2fs
says for ext. Nothing here looks at the program that is measured.
"""
import contextlib
import hashlib
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def run(*command: str | Path, text: str | None = None) -> str:
    """Runs a tool; its output, or an error with what it said."""
    done = subprocess.run([str(part) for part in command], input=text, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-400:]} {done.stdout[-400:]}")
    return done.stdout


class Volume:
    """One file system in one file; `cluster` is its allocation unit in bytes."""

    def __init__(self, path: Path, size: int, cluster: int) -> None:
        self.path, self.size, self.cluster = path, size, cluster
        with open(path, "wb") as file:
            file.truncate(size)
        self.format()

    def format(self) -> None:
        raise NotImplementedError

    def put(self, folder: Path) -> None:
        """Copies the files of `folder` into the root."""
        raise NotImplementedError

    def remove(self, names: list[str]) -> None:
        raise NotImplementedError

    def get(self, folder: Path) -> None:
        """Copies the files of the root into `folder`."""
        raise NotImplementedError

    def free(self) -> list[int]:
        """Byte offsets of the free clusters, ascending."""
        raise NotImplementedError

    def slack(self) -> dict[str, tuple[int, int]]:
        """For each live file with one: where its slack begins and how long it is."""
        return {}

    def digests(self) -> dict[str, str]:
        """SHA-256 of every live file, by name."""
        with tempfile.TemporaryDirectory(dir=self.path.parent) as folder:
            self.get(Path(folder))
            return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in Path(folder).iterdir() if p.is_file()}


class Fat(Volume):
    bits = 32

    def format(self) -> None:
        run("mkfs.vfat", "-F", self.bits, "-s", self.cluster // 512, "-i", "12345678", "-n", "CARVE", self.path)

    def put(self, folder: Path) -> None:
        files = sorted(p for p in folder.iterdir())
        for at in range(0, len(files), 200):
            run("mcopy", "-i", self.path, "-o", *files[at : at + 200], "::/")

    def remove(self, names: list[str]) -> None:
        for at in range(0, len(names), 200):
            run("mdel", "-i", self.path, *[f"::/{name}" for name in names[at : at + 200]])

    def get(self, folder: Path) -> None:
        run("mcopy", "-i", self.path, "-n", "-s", "::/", folder)
        for path in folder.rglob("*"):
            if path.is_file() and path.parent != folder:
                path.rename(folder / path.name)

    def layout(self) -> tuple[np.ndarray, int, bytes]:
        """The FAT's entries, the offset of cluster 2, the fixed root folder (FAT16)."""
        with open(self.path, "rb") as file:
            boot = file.read(512)
            sector, per_cluster, reserved, fats, roots, few, _, fat16 = struct.unpack_from("<HBHBHHBH", boot, 11)
            total = few or struct.unpack_from("<I", boot, 32)[0]
            fat_size = fat16 or struct.unpack_from("<I", boot, 36)[0]
            root_at = (reserved + fats * fat_size) * sector
            data = root_at + (roots * 32 + sector - 1) // sector * sector
            count = (total * sector - data) // (per_cluster * sector)
            file.seek(reserved * sector)
            table = np.frombuffer(file.read(fat_size * sector), "<u4" if self.bits == 32 else "<u2")
            file.seek(root_at)
            return table[: count + 2] & (0x0FFFFFFF if self.bits == 32 else 0xFFFF), data, file.read(roots * 32)

    def free(self) -> list[int]:
        table, data, _ = self.layout()
        return [data + (int(n) - 2) * self.cluster for n in np.flatnonzero(table == 0) if n >= 2]


class Fat16(Fat):
    bits = 16

    def slack(self) -> dict[str, tuple[int, int]]:
        table, data, root = self.layout()
        found = {}
        for at in range(0, len(root), 32):
            entry = root[at : at + 32]
            if entry[0] in (0, 0xE5) or entry[11] & 0x18 or entry[11] == 0x0F:
                continue
            cluster, size = struct.unpack_from("<HI", entry, 26)
            while cluster >= 2 and table[cluster] < 0xFFF8:
                cluster = int(table[cluster])
            used = size % self.cluster
            if cluster >= 2 and used:
                name = entry[:8].decode("latin-1").strip() + "." + entry[8:11].decode("latin-1").strip()
                found[name] = (data + (cluster - 2) * self.cluster + used, self.cluster - used)
        return found


class Mounted(Volume):
    """A file system that is written through a mount."""

    def attach(self, folder: Path) -> contextlib.AbstractContextManager:
        raise NotImplementedError

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix="carving-mount-"))
        try:
            with self.attach(folder):
                try:
                    yield folder
                finally:
                    run("umount", folder)
        finally:
            os.rmdir(folder)

    def put(self, folder: Path) -> None:
        with self.mounted() as root:
            for path in sorted(folder.iterdir()):
                shutil.copyfile(path, root / path.name)

    def remove(self, names: list[str]) -> None:
        with self.mounted() as root:
            for name in names:
                os.unlink(root / name)

    def get(self, folder: Path) -> None:
        with self.mounted() as root:
            for path in root.iterdir():
                if path.is_file():
                    shutil.copyfile(path, folder / path.name)


class ExFat(Mounted):
    def format(self) -> None:
        run("mkfs.exfat", "-c", self.cluster, "-L", "CARVE", self.path)

    @contextlib.contextmanager
    def attach(self, folder: Path) -> Iterator[None]:
        # The driver takes only block devices as writable; the loop device is given back.
        device = run("losetup", "-f", "--show", self.path).strip()
        try:
            run("mount.exfat-fuse", device, folder)
            yield
        finally:
            run("losetup", "-d", device)

    def free(self) -> list[int]:
        with open(self.path, "rb") as file:
            boot = file.read(512)
            fat_at, _, heap, count, root = struct.unpack_from("<IIIII", boot, 80)
            sector, per_cluster = 1 << boot[108], 1 << boot[109]
            assert sector * per_cluster == self.cluster

            def where(cluster: int) -> int:
                return heap * sector + (cluster - 2) * self.cluster

            file.seek(where(root))
            entries = file.read(self.cluster)
            bitmap = next(entries[at : at + 32] for at in range(0, len(entries), 32) if entries[at] == 0x81)
            cluster, size = struct.unpack_from("<IQ", bitmap, 20)
            data = b""
            while len(data) < size:
                file.seek(where(cluster))
                data += file.read(self.cluster)
                file.seek(fat_at * sector + cluster * 4)
                cluster = struct.unpack("<I", file.read(4))[0]
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:count]
        return [where(int(n) + 2) for n in np.flatnonzero(bits == 0)]


class Ntfs(Mounted):
    def format(self) -> None:
        run("mkntfs", "-F", "-Q", "-q", "-c", self.cluster, "-s", "512", "-p", "0", "-H", "255", "-S", "63", "-L", "CARVE", self.path)

    @contextlib.contextmanager
    def attach(self, folder: Path) -> Iterator[None]:
        run("ntfs-3g", self.path, folder)
        yield

    def free(self) -> list[int]:
        with tempfile.NamedTemporaryFile(dir=self.path.parent) as out:
            subprocess.run(["ntfscat", "-f", str(self.path), "$Bitmap"], stdout=out, check=True, stderr=subprocess.DEVNULL)
            data = Path(out.name).read_bytes()
        with open(self.path, "rb") as file:
            total = struct.unpack_from("<Q", file.read(512), 40)[0] * 512 // self.cluster
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:total]
        return [int(n) * self.cluster for n in np.flatnonzero(bits == 0)]


class Ext(Volume):
    features = "^has_journal"

    def format(self) -> None:
        uuid = "00000000-0000-4000-8000-000000000001"
        run("mke2fs", "-q", "-F", "-t", "ext4", "-b", self.cluster, "-U", uuid, "-E", f"hash_seed={uuid},lazy_itable_init=0", "-O", self.features, self.path)

    def debugfs(self, commands: list[str]) -> None:
        run("debugfs", "-w", "-f", "-", self.path, text="\n".join(commands) + "\n")

    def put(self, folder: Path) -> None:
        self.debugfs([f"write {path} {path.name}" for path in sorted(folder.iterdir())])

    def remove(self, names: list[str]) -> None:
        self.debugfs([f"rm {name}" for name in names])

    def get(self, folder: Path) -> None:
        run("debugfs", "-R", f"rdump / {folder}", self.path)

    def free(self) -> list[int]:
        blocks: list[int] = []
        for line in run("dumpe2fs", self.path).splitlines():
            if line.startswith("  Free blocks: "):
                for first, last in re.findall(r"(\d+)(?:-(\d+))?", line[15:]):
                    blocks.extend(range(int(first), int(last or first) + 1))
        return [block * self.cluster for block in blocks]


class ExtIndirect(Ext):
    """ext as before extents: files are mapped by indirect blocks, which lie between their data."""

    features = "^has_journal,^extents,^64bit,^metadata_csum"
