"""Measures carving: plants pictures into free clusters, runs the tools, compares SHA-256.

    carving.sh SEED [--images DIR] [--keep] [--tools assay,photorec,foremost] [--only fat32,mbr]
               [--assay BINARY] [--table FILE] [--dump-missed]

Images (`IMAGES` below) hold real file systems filled with live files, half of which were deleted
again, so that free space is fragmented and holds random, text-like, zero and old-document data with
lures (headers with nothing behind them). Planting writes only into clusters that are free by the
file system's own structures; afterwards every live file is read back through the file system and
must have the SHA-256 it had before.

Cases. Except for "slack" and "gap and volume slack" each stands on clusters of a file system.
    contiguous     whole, on neighbouring clusters
    skip           2 or 3 fragments, nothing but allocated clusters between them
    gap            2 fragments, 1 to 200 free clusters of random, text or other pictures' data between
    interleaved    A1 B A2 or A1 B1 A2 B2, both pictures planted
    indirect       ext without extents: the file's own indirect blocks lie between its data blocks
    truncated      the clusters behind the prefix hold random, zero, text, a live file or another picture
    unaligned      begins at a sector or an odd byte inside a free cluster
    slack          in the slack of the last cluster of a live file (32 KiB clusters)
    outside        between two partitions, and behind a file system inside its partition
    headless       the first clusters are overwritten: nobody can give it back, so it is no part of
                   recall; what a tool makes of it is a false carve
Fragmented and truncated cases take only kinds whose data tells where it is wrong (JPEG, PNG, GIF,
WebP); raw BMP and TIFF, and documents, are planted contiguous, unaligned or with a natural skip.

Recovered means: an output has the SHA-256 of the planted file; of a truncated one, the SHA-256 of
the prefix that survived, exactly to the cluster boundary. The same rule for all tools; outputs that
begin with all of the expected bytes and go on are told apart ("and more behind it").
Precision is recovered pictures / all outputs of picture kinds. Apart, neither right nor wrong: exact
copies of thumbnails and of PDF streams inside planted files, and whatever begins with the first
4 KiB of a live picture. A false carve is any other output of a picture kind; "spurious" ones begin
at no planted picture.

PhotoRec runs in several modes on each image and gets credit for its best mode of each image (most
recovered, then fewest outputs); so does foremost. CPU is user plus system, of that mode.
Recovered files come from the tool's own files; of `assay`, which writes no copy, from files.csv.
"""
import argparse
import csv
import hashlib
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import carving_pictures as pictures
import carving_volumes as volumes

MIB = 1 << 20
HEAD = 4096
Extents = list[tuple[int, int]]

# How many of each case an image gets. "gap" of the MBR image counts between partitions as well.
PLAIN = {"contiguous": 22, "skip": 20, "gap": 18, "interleaved": 6, "truncated": 20, "unaligned": 14, "headless": 8}
IMAGES: dict[str, dict] = {
    "fat32": {"parts": [(volumes.Fat, 280 * MIB, 4096)], "cases": PLAIN},
    "exfat": {"parts": [(volumes.ExFat, 240 * MIB, 4096)], "cases": PLAIN},
    "ntfs": {"parts": [(volumes.Ntfs, 240 * MIB, 4096)], "cases": PLAIN},
    "ext-1k": {"parts": [(volumes.ExtIndirect, 240 * MIB, 1024)], "cases": PLAIN | {"contiguous": 12, "skip": 14, "indirect": 26}},
    "ext-4k": {"parts": [(volumes.Ext, 240 * MIB, 4096)], "cases": PLAIN},
    "mbr-32k": {
        "parts": [(volumes.Fat16, 160 * MIB, 32768), (volumes.ExFat, 96 * MIB, 32768)],
        "cases": {"contiguous": 8, "skip": 6, "gap": 6, "interleaved": 2, "truncated": 10, "unaligned": 10, "headless": 4, "slack": 40, "outside": 24},
    },
}
FIRST_PARTITION, GAP, VOLUME_SLACK = 1 * MIB, 12 * MIB, 8 * MIB

CASES = ("contiguous", "skip", "gap", "interleaved", "indirect", "truncated", "unaligned", "slack", "outside")
TELLING = ("jpg", "jpg", "jpg", "jpg", "jpg", "jpg", "png", "png", "gif", "webp")
ANY = ("jpg", "jpg", "jpg", "jpg", "jpg", "png", "png", "gif", "webp", "bmp", "tif", "avif", "mp4", "zip", "pdf")
SOLID = ("jpg",) * 9 + ("png", "png", "gif", "gif", "webp", "webp", "bmp", "tif", "avif", "mp4", "zip", "pdf")


@dataclass
class Planted:
    """What lies in the image, and what a tool must give to have recovered it."""

    number: int
    case: str
    detail: str
    kind: str
    flavour: str
    size: int
    sha256: str
    extents: Extents
    planted_size: int
    inside: list[str] = field(default_factory=list)


class Space:
    """Free clusters of one volume in disk order, and which of them are taken by now."""

    def __init__(self, offsets: list[int], cluster: int, rng: np.random.Generator) -> None:
        self.offsets, self.cluster, self.rng = np.array(offsets, np.int64), cluster, rng
        self.taken = np.zeros(len(offsets), bool)
        self.joined = np.append(np.diff(self.offsets) == cluster, False)

    def clusters(self, size: int) -> int:
        return -(-size // self.cluster)

    def take(self, first: int, count: int) -> list[int]:
        assert not self.taken[first : first + count].any()
        self.taken[first : first + count] = True
        return [int(v) for v in self.offsets[first : first + count]]

    def run(self, count: int, ends_run: bool = False) -> list[int]:
        """`count` neighbouring clusters; with `ends_run` an allocated one follows the last."""
        going = self.joined & ~self.taken
        going[:-1] &= ~self.taken[1:]
        stops = np.flatnonzero(~going)
        index = np.arange(len(going))
        length = stops[np.searchsorted(stops, index)] - index + 1
        fits = (length >= count) & ~self.taken
        if ends_run:
            last = np.minimum(index + count - 1, len(index) - 1)
            fits &= ~self.joined[last]
        found = np.flatnonzero(fits)
        if len(found) == 0:
            raise LookupError(f"no run of {count} free clusters left")
        return self.take(int(self.rng.choice(found)), count)

    def skipping(self, count: int) -> list[int]:
        """`count` clusters that follow each other in free space, over 1 or 2 allocated stretches."""
        least = max(2, self.clusters(2 * HEAD))
        breaks = np.flatnonzero(~self.joined[:-1])
        for _ in range(3000):
            left = int(self.rng.integers(least, max(least + 1, count - 1)))
            first = int(self.rng.choice(breaks)) - left + 1
            if first < 0 or first + count > len(self.offsets) or self.taken[first : first + count].any():
                continue
            if 1 <= np.count_nonzero(~self.joined[first : first + count - 1]) <= 2:
                return self.take(first, count)
        raise LookupError("no place for a natural skip left")


def extents_of(clusters: list[int], cluster: int, size: int) -> Extents:
    """The clusters as byte ranges, neighbours joined, the last one cut to `size` in all."""
    ranges: Extents = []
    for at in clusters:
        length = min(cluster, size)
        size -= length
        if ranges and sum(ranges[-1]) == at:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + length)
        elif length:
            ranges.append((at, length))
    return ranges


class Planter:
    """Writes pictures into one image and keeps the truth about them."""

    def __init__(self, file, spaces: list[Space], rng: np.random.Generator, foreign: list[bytes]) -> None:
        self.file, self.spaces, self.rng, self.foreign = file, spaces, rng, foreign
        self.truth: list[Planted] = []
        self.lost: list[dict] = []

    def write(self, clusters: list[int], cluster: int, data: bytes) -> None:
        for n, at in enumerate(clusters):
            self.file.seek(at)
            self.file.write(data[n * cluster : (n + 1) * cluster])

    def record(self, case: str, detail: str, made: tuple, extents: Extents, planted_size: int | None = None) -> None:
        """Notes what lies at `extents` by reading it back from the image."""
        kind, (data, flavour, inside) = made
        content = read_extents(self.file, extents)
        assert data.startswith(content) and (planted_size is not None or content == data)
        digest = hashlib.sha256(content).hexdigest()
        inner = [hashlib.sha256(part).hexdigest() for part in inside]
        self.truth.append(Planted(len(self.truth), case, detail, kind, flavour, len(content), digest, extents, planted_size or len(data), inner))

    def picture(self, kinds: tuple[str, ...], space: Space, least: int = 20_000) -> tuple:
        kind = str(self.rng.choice(kinds))
        most = 3_000_000 if space.cluster < 32768 else 1_500_000
        return kind, pictures.make(self.rng, kind, max(least, 5 * space.cluster if least > 20_000 else least), most)

    def other(self, what: str, size: int) -> bytes:
        """Foreign data: random bytes, text, zeros, or blocks from the middle of another picture."""
        if what == "picture":
            donor = self.foreign[int(self.rng.integers(len(self.foreign)))]
            at = int(self.rng.integers(2, max(3, (len(donor) - size) // HEAD))) * HEAD
            return (donor[at:] + donor[HEAD:] * (size // len(donor) + 1))[:size]
        return {"random": self.rng.bytes, "text": lambda n: pictures.words(self.rng, n), "zero": bytes}[what](size)

    def contiguous(self, space: Space) -> None:
        made = self.picture(SOLID, space)
        clusters = space.run(space.clusters(len(made[1][0])))
        self.write(clusters, space.cluster, made[1][0])
        self.record("contiguous", "", made, extents_of(clusters, space.cluster, len(made[1][0])))

    def skip(self, space: Space) -> None:
        made = self.picture(ANY, space, 40_000)
        clusters = space.skipping(space.clusters(len(made[1][0])))
        self.write(clusters, space.cluster, made[1][0])
        extents = extents_of(clusters, space.cluster, len(made[1][0]))
        self.record("skip", f"{len(extents)} fragments", made, extents)

    def split(self, space: Space, count: int) -> int:
        """Clusters of a first fragment: at least 8 KiB and 2 clusters, at most all but one."""
        least = max(2, space.clusters(2 * HEAD))
        return int(np.clip(round(count * self.rng.uniform(0.1, 0.9)), least, count - 1))

    def gap(self, space: Space) -> None:
        made = self.picture(TELLING, space, 40_000)
        data = made[1][0]
        count = space.clusters(len(data))
        first = self.split(space, count)
        between = int(np.exp(self.rng.uniform(0, np.log(200 if space.cluster < 32768 else 40))))
        what = str(self.rng.choice(["random", "text", "picture"]))
        clusters = space.run(count + between)
        mine = clusters[:first] + clusters[first + between :]
        self.write(clusters[first : first + between], space.cluster, self.other(what, between * space.cluster))
        self.write(mine, space.cluster, data)
        self.record("gap", f"{between} clusters of {what}", made, extents_of(mine, space.cluster, len(data)))

    def interleaved(self, space: Space) -> None:
        a, b = (self.picture(("jpg", "jpg", "jpg", "png"), space, 40_000) for _ in range(2))
        counts = [space.clusters(len(made[1][0])) for made in (a, b)]
        cut_a = self.split(space, counts[0])
        cut_b = self.split(space, counts[1]) if self.rng.random() < 0.5 else counts[1]
        order = "A" * cut_a + "B" * cut_b + "A" * (counts[0] - cut_a) + "B" * (counts[1] - cut_b)
        clusters = space.run(sum(counts))
        shape = "A1 B A2" if cut_b == counts[1] else "A1 B1 A2 B2"
        for name, made in (("A", a), ("B", b)):
            mine = [at for at, owner in zip(clusters, order) if owner == name]
            self.write(mine, space.cluster, made[1][0])
            self.record("interleaved", f"{name} of {shape}", made, extents_of(mine, space.cluster, len(made[1][0])))

    def indirect(self, space: Space) -> None:
        """As ext without extents allocates: 12 blocks, the pointer block, what it points to, ..."""
        made = self.picture(("jpg", "jpg", "jpg", "jpg", "png", "gif", "webp"), space)
        data, per_block = made[1][0], space.cluster // 4
        count = space.clusters(len(data))
        roles: list[tuple[str, int]] = []  # ("data", number) or (kind of pointer block, first number it maps)
        for number in range(count):
            beyond = number - 12
            if beyond == per_block:
                roles.append(("double", number))
            if beyond >= 0 and beyond % per_block == 0:
                roles.append(("single", number))
            roles.append(("data", number))
        clusters = space.run(len(roles))
        mine = [at for at, (role, _) in zip(clusters, roles) if role == "data"]
        tables = [at for at, (role, _) in zip(clusters, roles) if role == "single"]
        for at, (role, number) in zip(clusters, roles):
            if role != "data":
                mapped = mine[number : number + per_block] if role == "single" else tables[1:]
                pointers = b"".join(struct.pack("<I", target // space.cluster) for target in mapped)
                self.write([at], space.cluster, pointers.ljust(space.cluster, b"\0"))
        self.write(mine, space.cluster, data)
        self.record("indirect", f"{len(roles) - count} pointer blocks", made, extents_of(mine, space.cluster, len(data)))

    def truncated(self, space: Space) -> None:
        made = self.picture(TELLING, space, 40_000)
        data = made[1][0]
        count = space.clusters(len(data))
        kept = self.split(space, count)
        what = str(self.rng.choice(["random", "zero", "text", "live file", "another picture"]))
        if what == "live file":
            clusters = space.run(kept, ends_run=True)
        elif what == "another picture":
            next_one = self.picture(("jpg", "jpg", "png"), space)
            clusters = space.run(kept + space.clusters(len(next_one[1][0])))
            self.write(clusters[kept:], space.cluster, next_one[1][0])
            self.record("contiguous", "behind a truncated one", next_one, extents_of(clusters[kept:], space.cluster, len(next_one[1][0])))
        else:
            clusters = space.run(count + int(self.rng.integers(0, 9)))
            self.write(clusters[kept:], space.cluster, self.other(what, (len(clusters) - kept) * space.cluster))
        self.write(clusters[:kept], space.cluster, data)
        extents = extents_of(clusters[:kept], space.cluster, kept * space.cluster)
        self.record("truncated", f"by {what}, {kept} of {count} clusters left", made, extents, len(data))

    def unaligned(self, space: Space) -> None:
        kind, made = self.picture(SOLID, space)
        sector = self.rng.random() < 0.5 or space.cluster == 512
        shift = 512 * int(self.rng.integers(1, max(2, space.cluster // 512))) if sector else int(self.rng.integers(1, space.cluster // 2)) * 2 - 1
        clusters = space.run(space.clusters(shift + len(made[0])))
        self.file.seek(clusters[0] + shift)
        self.file.write(made[0])
        self.record("unaligned", "sector" if sector else "odd byte", (kind, made), [(clusters[0] + shift, len(made[0]))])

    def headless(self, space: Space) -> None:
        made = self.picture(TELLING, space, 40_000)
        clusters = space.run(space.clusters(len(made[1][0])))
        self.write(clusters, space.cluster, made[1][0])
        over = int(self.rng.integers(1, max(2, len(clusters) // 3)))
        self.write(clusters[:over], space.cluster, self.other(str(self.rng.choice(["random", "text"])), over * space.cluster))
        self.lost.append({"kind": made[0], "extents": extents_of(clusters, space.cluster, len(made[1][0])), "overwritten_clusters": over})

    def slack(self, places: list[tuple[int, int]], count: int) -> None:
        roomy = [place for place in places if place[1] > 9_000]
        for n in self.rng.permutation(len(roomy))[:count]:
            at, room = roomy[int(n)]
            begin = -at % 512 or 512
            data, kind, flavour, inside = pictures.small(self.rng, room - begin - 512)
            if len(data) > room - begin:
                continue
            odd = self.rng.random() < 0.4
            shift = begin if not odd else int(self.rng.integers(begin, room - len(data) + 1))
            self.file.seek(at + begin)
            self.file.write(self.other(str(self.rng.choice(["random", "text", "zero"])), room - begin))
            self.file.seek(at + shift)
            self.file.write(data)
            self.record("slack", "odd byte" if odd else "next sector", (kind, (data, flavour, inside)), [(at + shift, len(data))])


def read_extents(file, extents: Extents) -> bytes:
    parts = []
    for at, length in extents:
        file.seek(at)
        parts.append(file.read(length))
    return b"".join(parts)


# ---- making an image ----------------------------------------------------------------------------


def fill(volume: volumes.Volume, rng: np.random.Generator, live_pictures: list[tuple[str, bytes]]) -> dict[str, str]:
    """Live files, half of them deleted again, then some more into the holes. Name to SHA-256."""
    digests: dict[str, str] = {}
    coarse = volume.cluster >= 32768

    def wave(share: float, prefix: str) -> None:
        with tempfile.TemporaryDirectory(dir=volume.path.parent) as folder:
            written = number = 0
            while written < share * volume.size:
                if rng.random() < 0.10:
                    kind, data = live_pictures[int(rng.integers(len(live_pictures)))]
                else:
                    data = pictures.filler(rng, int(np.exp(rng.uniform(np.log(3_000), np.log(2_500_000 if coarse else 5_000_000)))))
                    kind = "dat"
                name = f"{prefix}{number:04}.{kind[:3].upper()}"
                (Path(folder) / name).write_bytes(data)
                digests[name] = hashlib.sha256(data).hexdigest()
                written += -(-len(data) // volume.cluster) * volume.cluster
                number += 1
            volume.put(Path(folder))

    wave(0.80, "A")
    gone = [name for name in sorted(digests) if name.endswith(".DAT") and rng.random() < 0.62]
    volume.remove(gone)
    for name in gone:
        del digests[name]
    wave(0.04, "B")
    with open(volume.path, "r+b") as file:
        for run in extents_of(volume.free(), volume.cluster, volume.size):
            for at in range(run[0], sum(run), 64 * volume.cluster):
                size = min(64 * volume.cluster, sum(run) - at)
                file.seek(at)
                if not file.read(size).strip(b"\0") and rng.random() < 0.6:
                    file.seek(at)
                    file.write(pictures.filler(rng, size))
    return digests


def make_image(name: str, seed: int, folder: Path, live_pictures: list[tuple[str, bytes]], foreign: list[bytes]) -> None:
    rng = np.random.default_rng([seed, list(IMAGES).index(name)])
    path, parts = folder / f"{name}.img", IMAGES[name]["parts"]
    single = len(parts) == 1
    built, offset = [], 0 if single else FIRST_PARTITION
    for n, (kind, size, cluster) in enumerate(parts):
        volume = kind(path if single else folder / f"{name}.part{n}", size, cluster)
        built.append((volume, offset, fill(volume, rng, live_pictures)))
        offset += size + (GAP if n == 0 else VOLUME_SLACK)
    if not single:
        assemble(path, built)
    spaces = [Space([at + base for at in volume.free()], volume.cluster, rng) for volume, base, _ in built]
    with open(path, "r+b") as file:
        planter = Planter(file, spaces, rng, foreign)
        plant(planter, IMAGES[name]["cases"], built)
    for volume, base, digests in built:
        if not single:
            copy_range(path, base, volume.path, 0, volume.size)
        if volume.digests() != digests:
            raise RuntimeError(f"{name}: a live file changed")
        if not single:
            volume.path.unlink()
    live_heads = [data[:HEAD].hex() for _, data in live_pictures]
    truth = {"seed": seed, "image": name, "bytes": path.stat().st_size, "live_files": sum(len(d) for _, _, d in built), "free_bytes": sum(len(s.offsets) * s.cluster for s in spaces), "free_runs": sum(int((~s.joined).sum()) for s in spaces), "planted": [asdict(p) for p in planter.truth], "headless": planter.lost, "live_heads": live_heads}
    (folder / f"{name}.json").write_text(json.dumps(truth))


def plant(planter: Planter, cases: dict[str, int], built: list) -> None:
    """Places the largest demands first in random order over the volumes of the image."""
    order = [case for case, count in cases.items() if case not in ("slack", "outside") for _ in range(count)]
    for n in planter.rng.permutation(len(order)):
        space = planter.spaces[int(planter.rng.integers(len(planter.spaces)))]
        for attempt in range(6):
            try:
                getattr(planter, order[int(n)])(space)
                break
            except LookupError:
                if attempt == 5:
                    print(f"left out one {order[int(n)]}: no room", file=sys.stderr)
    if "slack" in cases:
        volume, base, _ = built[0]
        planter.slack([(base + at, room) for at, room in volume.slack().values()], cases["slack"])
    if "outside" in cases:
        first, second = built
        regions = [(first[1] + first[0].size, GAP), (second[1] + second[0].size, VOLUME_SLACK)]
        for n in range(cases["outside"]):
            begin, size = regions[n % 2]
            if n < 2:
                planter.file.seek(begin)
                planter.file.write(b"".join(pictures.filler(planter.rng, MIB) for _ in range(size // MIB)))
                planter.spaces.append(Space(list(range(begin, begin + size, 512)), 512, planter.rng))
            before = len(planter.truth)
            try:
                (planter.contiguous if planter.rng.random() < 0.7 else planter.gap)(planter.spaces[-2 if n % 2 == 0 and n else -1])
            except LookupError:
                print("left out one outside: no room", file=sys.stderr)
            for planted in planter.truth[before:]:
                planted.detail = f"{'between partitions' if n % 2 == 0 else 'volume slack'}, {planted.case} {planted.detail}".rstrip()
                planted.case = "outside"


def assemble(path: Path, built: list) -> None:
    """Puts the volumes behind a master boot record; the second partition ends behind its volume."""
    last = built[-1]
    with open(path, "wb") as file:
        file.truncate(last[1] + last[0].size + VOLUME_SLACK)
        record = bytearray(512)
        for n, (volume, base, _) in enumerate(built):
            length = volume.size + (VOLUME_SLACK if n else 0)
            code = 0x06 if isinstance(volume, volumes.Fat) else 0x07
            struct.pack_into("<B3sB3sII", record, 446 + 16 * n, 0, b"\xfe\xff\xff", code, b"\xfe\xff\xff", base // 512, length // 512)
        record[510:] = b"\x55\xaa"
        file.write(record)
    for volume, base, _ in built:
        copy_range(volume.path, 0, path, base, volume.size)


def copy_range(source: Path, at: int, target: Path, to: int, size: int) -> None:
    with open(source, "rb") as file, open(target, "r+b") as out:
        file.seek(at)
        out.seek(to)
        for begin in range(0, size, 4 * MIB):
            out.write(file.read(min(4 * MIB, size - begin)))


# ---- running the tools --------------------------------------------------------------------------


@dataclass
class Output:
    """One thing a tool carved. `begins` is the planted file it begins like, -1 none, -2 a live one."""

    name: str
    kind: str
    size: int
    sha256: str
    begins: int
    holds_all: bool


KIND_OF = {"jpeg": "jpg", "jpg": "jpg", "png": "png", "gif": "gif", "webp": "webp", "bmp": "bmp", "dib": "bmp", "tif": "tif", "tiff": "tif", "avif": "avif", "heic": "avif", "heif": "avif", "mp4": "mp4", "mov": "mp4", "m4v": "mp4", "zip": "zip", "pdf": "pdf"}


def kind_of(name: str) -> str:
    name = name.lower().rsplit("/", 1)[-1]
    return KIND_OF.get(name, name or "none")


class Truth:
    """The truth about one image, for looking outputs up."""

    def __init__(self, folder: Path, name: str) -> None:
        self.told = json.loads((folder / f"{name}.json").read_text())
        self.planted = [Planted(**entry) for entry in self.told["planted"]]
        self.image = open(folder / f"{name}.img", "rb")
        self.heads = {read_extents(self.image, p.extents)[:HEAD]: p.number for p in self.planted}
        self.starts = {p.extents[0][0]: p.number for p in self.planted}
        self.live = {bytes.fromhex(head) for head in self.told["live_heads"]}

    def seen(self, name: str, kind: str, data: bytes) -> Output:
        begins = -2 if data[:HEAD] in self.live else self.heads.get(data[:HEAD], -1)
        holds = begins >= 0 and data.startswith(read_extents(self.image, self.planted[begins].extents))
        return Output(name, kind_of(kind), len(data), hashlib.sha256(data).hexdigest(), begins, holds)


def measured(command: list[str], limit: int) -> tuple[float, str]:
    """Runs a tool; CPU seconds and what went wrong, if anything did."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    try:
        _, errors = process.communicate(timeout=limit)
        problem = "" if process.returncode == 0 else f"exit {process.returncode}: {errors.decode(errors='replace')[-300:]}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        problem = f"stopped after {limit} s"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, problem


def assay(binary: str, image: Path, out: Path, truth: Truth) -> tuple[float, str, list[Output]]:
    shutil.rmtree(out, ignore_errors=True)
    cpu, problem = measured([binary, "scan", str(image), "--out", str(out), "--digests", "sha256", "--quiet"], 1800)
    outputs = []
    if not (out / "files.csv").exists():
        return cpu, problem or "no files.csv", outputs
    if problem.startswith("exit 1:"):
        problem = ""  # matches or exceptions were found; the report is complete
    csv.field_size_limit(1 << 30)
    with open(out / "files.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["alloc_status"] not in ("carved", "slack") and row["object_kind"] != "carved":
                continue
            at, size = int(row["disk_offset"] or -1), int(row["size_bytes"] or 0)
            begins = truth.starts.get(at, -1)
            whole = begins >= 0 and len(truth.planted[begins].extents) == 1 and row["extent_count"] == "1"
            name = f"{row['object_path']} [{row['recovery_basis']}, {row['extent_count']} extents, {row['media_status']}]"
            outputs.append(Output(name, kind_of(row["detected_type"] or row["extension"]), size, row["sha256"], begins, whole and size >= truth.planted[begins].size))
    return cpu, problem, outputs


def from_files(out: Path, truth: Truth) -> list[Output]:
    outputs = []
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.suffix and path.name not in ("report.xml", "audit.txt", "photorec.se2"):
            outputs.append(truth.seen(path.name, path.suffix[1:], path.read_bytes()))
    return outputs


PHOTOREC_KINDS = ("jpg", "png", "gif", "bmp", "tif", "riff", "mov", "zip", "pdf")
PHOTOREC_MODES = {
    "free space": ("freespace", []),
    "free space, keep corrupted": ("freespace", ["keep_corrupted_file"]),
    "free space, brute force": ("freespace", ["paranoid_bf"]),
    "whole disk": ("wholespace", []),
    "whole disk, keep corrupted": ("wholespace", ["keep_corrupted_file"]),
}


def photorec(mode: str, image: Path, out: Path, truth: Truth) -> tuple[float, str, list[Output]]:
    """`everything` is disabled and only the planted kinds enabled, which helps it."""
    space, options = PHOTOREC_MODES[mode]
    kinds = ",".join(f"{kind},enable" for kind in PHOTOREC_KINDS)
    extra = ["mode_ext2"] if image.stem.startswith("ext") else []
    wanted = ",".join(["options", *extra, *options, "fileopt,everything,disable", kinds, space, "search"])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    cpu, problem = measured(["photorec", "/d", str(out / "recup"), "/cmd", str(image), "partition_none," + wanted], 600)
    return cpu, problem, from_files(out, truth)


FOREMOST_MODES = {"plain": [], "indirect blocks": ["-d"]}


def foremost(mode: str, image: Path, out: Path, truth: Truth) -> tuple[float, str, list[Output]]:
    shutil.rmtree(out, ignore_errors=True)
    cpu, problem = measured(["foremost", "-Q", *FOREMOST_MODES[mode], "-t", "jpg,png,gif,bmp,mov,mp4,zip,pdf,riff", "-i", str(image), "-o", str(out)], 600)
    return cpu, problem, from_files(out, truth)


# ---- scoring ------------------------------------------------------------------------------------


@dataclass
class Score:
    """What one run on one image came to."""

    tool: str
    mode: str
    image: str
    cpu: float
    problem: str
    found: dict[int, str] = field(default_factory=dict)
    longer: set[int] = field(default_factory=set)
    apart: int = 0
    wrong: list[Output] = field(default_factory=list)
    by_start: dict[int, list[Output]] = field(default_factory=dict)

    def pictures(self, truth: Truth) -> int:
        return sum(truth.planted[n].kind in pictures.PICTURE_KINDS for n in self.found)


def score(truth: Truth, run: dict) -> Score:
    result = Score(run["tool"], run["mode"], run["image"], run["cpu"], run["problem"])
    wanted = {p.sha256: p.number for p in truth.planted}
    inside = {digest for p in truth.planted for digest in p.inside}
    for output in (Output(**entry) for entry in run["outputs"]):
        number = wanted.get(output.sha256)
        if output.begins >= 0:
            result.by_start.setdefault(output.begins, []).append(output)
        if number is not None and number not in result.found:
            result.found[number] = output.name
            continue
        if output.holds_all and number is None:
            result.longer.add(output.begins)
        if output.sha256 in inside or output.begins == -2:
            result.apart += 1
        elif output.kind in pictures.PICTURE_KINDS:
            result.wrong.append(output)
    result.longer -= set(result.found)
    return result


def share(part: int, whole: int) -> str:
    return f"{part}/{whole} ({100 * part / whole:.1f} %)" if whole else "-"


def summary(truths: dict[str, Truth], scores: dict[str, list[Score]], seed: int) -> str:
    """The Markdown tables; `scores` holds one score an image for each column."""
    every = [(name, p) for name, truth in truths.items() for p in truth.planted]
    in_pictures = [(name, p) for name, p in every if p.kind in pictures.PICTURE_KINDS]
    gib = sum(truth.told["bytes"] for truth in truths.values()) / (1 << 30)
    rows: list[list[str]] = []

    def line(label: str, wanted: list[tuple[str, Planted]]) -> None:
        if not wanted:
            return
        cells = []
        for column in scores.values():
            found = {score.image: score.found for score in column}
            cells.append(share(sum(p.number in found.get(name, {}) for name, p in wanted), len(wanted)))
        rows.append([label, *cells])

    def each(label: str, value) -> None:
        rows.append([label, *[value(column) for column in scores.values()]])

    line("**recall, pictures**", in_pictures)
    right = {id(column): sum(s.pictures(truths[s.image]) for s in column) for column in scores.values()}
    each("**precision, pictures**", lambda c: share(right[id(c)], right[id(c)] + sum(len(s.wrong) for s in c)))
    each("**false carves per GiB**", lambda c: f"{sum(len(s.wrong) for s in c) / gib:.1f}")
    each("of these spurious, per GiB", lambda c: f"{sum(o.begins == -1 for s in c for o in s.wrong) / gib:.1f}")
    each("missed, but given with more behind it", lambda c: str(sum(len(s.longer) for s in c)))
    each("apart: inside a planted file, or live", lambda c: str(sum(s.apart for s in c)))
    each("CPU s", lambda c: f"{sum(s.cpu for s in c):.1f}")
    line("recall, documents (MP4, ZIP, PDF)", [e for e in every if e[1].kind in pictures.DOCUMENT_KINDS])
    for case in CASES:
        line(f"case {case}", [e for e in every if e[1].case == case])
    for name in truths:
        line(f"image {name}", [e for e in every if e[0] == name])
    for kind in pictures.PICTURE_KINDS + pictures.DOCUMENT_KINDS:
        line(f"kind {kind}", [e for e in every if e[1].kind == kind])
    for flavour in pictures.JPEG_FLAVOURS:
        line(f"jpg {flavour}", [e for e in every if e[1].kind == "jpg" and e[1].flavour == flavour])
    free = sum(truth.told["free_bytes"] for truth in truths.values()) / MIB
    runs = sum(truth.told["free_runs"] for truth in truths.values())
    lost = sum(len(truth.told["headless"]) for truth in truths.values())
    head = f"Seed {seed}: {len(truths)} images, {gib:.2f} GiB, {free:.0f} MiB free in {runs} runs, {len(every)} files planted ({len(in_pictures)} pictures), {lost} headless ones beside.\n\n"
    return head + table(["", *scores], rows)


def table(titles: list[str], rows: list[list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def modes_table(truths: dict[str, Truth], scores: list[Score]) -> str:
    rows = []
    for tool, mode in dict.fromkeys((s.tool, s.mode) for s in scores):
        mine = [s for s in scores if (s.tool, s.mode) == (tool, mode)]
        wanted = sum(p.kind in pictures.PICTURE_KINDS for s in mine for p in truths[s.image].planted)
        right = sum(s.pictures(truths[s.image]) for s in mine)
        problems = Counter(s.problem for s in mine if s.problem)
        rows.append([tool, mode, str(len(mine)), share(right, wanted), share(right, right + sum(len(s.wrong) for s in mine)), f"{sum(s.cpu for s in mine):.1f}", "; ".join(problems)])
    return table(["tool", "mode", "images", "recall, pictures", "precision, pictures", "CPU s", "problems"], rows)


def dump_missed(truths: dict[str, Truth], title: str, column: list[Score]) -> None:
    """Every miss with what the tool gave that begins there, and every spurious carve."""
    for result in column:
        truth = truths[result.image]
        for p in truth.planted:
            if p.number not in result.found:
                gave = [f"{o.name} {o.kind} {o.size} bytes" for o in result.by_start.get(p.number, [])] or ["nothing"]
                print(f"{title} {result.image} #{p.number} {p.case} ({p.detail}) {p.kind} {p.flavour}: wanted {p.size} of {p.planted_size} bytes at {p.extents[:4]}{'...' if len(p.extents) > 4 else ''}, gave {'; '.join(gave)}")
        for output in result.wrong:
            if output.begins == -1:
                print(f"{title} {result.image} spurious {output.name} {output.kind} {output.size} bytes")


# ---- the whole ----------------------------------------------------------------------------------


def make_images(folder: Path, seed: int, names: list[str]) -> None:
    rng = np.random.default_rng([seed, 1000])
    live = []
    for n in range(24):
        kind = ("jpg", "jpg", "jpg", "png", "gif", "webp")[n % 6]
        live.append((kind, pictures.make(rng, kind, 20_000, 1_500_000)[0]))
    foreign = [pictures.jpeg(rng, "baseline", 2000, 2500)[0] for _ in range(4)]
    for name in names:
        if not (folder / f"{name}.json").exists():
            print(f"making {name}", file=sys.stderr, flush=True)
            make_image(name, seed, folder, live, foreign)


def run_tools(folder: Path, binary: str, tools: list[str], names: list[str], truths: dict[str, Truth]) -> None:
    """Runs what was asked for; what each gave is kept as FOLDER/runs/IMAGE.TOOL.MODE.json."""
    runs, out = folder / "runs", folder / "out"
    runs.mkdir(exist_ok=True)
    for name in names:
        image = folder / f"{name}.img"
        jobs = {
            "assay": [("", lambda _m: assay(binary, image, out, truths[name]))],
            "photorec": [(mode, lambda m: photorec(m, image, out, truths[name])) for mode in PHOTOREC_MODES],
            "foremost": [(mode, lambda m: foremost(m, image, out, truths[name])) for mode in FOREMOST_MODES if mode == "plain" or name.startswith("ext")],
        }
        for tool in tools:
            for mode, job in jobs[tool]:
                print(f"{tool} {mode} on {name}", file=sys.stderr, flush=True)
                cpu, problem, outputs = job(mode)
                told = {"tool": tool, "mode": mode, "image": name, "cpu": cpu, "problem": problem, "outputs": [asdict(o) for o in outputs]}
                (runs / f"{name}.{tool}.{mode.replace(' ', '-').replace(',', '')}.json").write_text(json.dumps(told))
                shutil.rmtree(out, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="carving.sh", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("--images", type=Path, help="folder for images and results; taken up when it holds some of this seed")
    parser.add_argument("--keep", action="store_true", help="leave the images there")
    parser.add_argument("--tools", default="assay,photorec,foremost", help="which to run now; kept results of the others stay in the table")
    parser.add_argument("--only", default=",".join(IMAGES), help="which images")
    parser.add_argument("--assay", default=str(Path(__file__).parent.parent / "target/release/assay"), help="binary to measure")
    parser.add_argument("--table", type=Path, help="write the tables there as well")
    parser.add_argument("--dump-missed", action="store_true", help="list every miss and every spurious carve of --tools")
    asked = parser.parse_args()
    tools, names = [t for t in asked.tools.split(",") if t], asked.only.split(",")
    folder: Path = asked.images or Path(tempfile.mkdtemp(prefix="carving-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        make_images(folder, asked.seed, names)
        truths = {name: Truth(folder, name) for name in names}
        if any(truth.told["seed"] != asked.seed for truth in truths.values()):
            sys.exit(f"{folder} holds images of another seed")
        run_tools(folder, asked.assay, tools, names, truths)
        found = [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("*.json"))]
        scores = [score(truths[run["image"]], run) for run in found if run["image"] in truths]
        columns: dict[str, list[Score]] = {}
        for tool, title in (("assay", "assay"), ("photorec", "PhotoRec"), ("foremost", "foremost")):
            for name in names:
                mine = [s for s in scores if s.tool == tool and s.image == name]
                if mine:
                    best = max(mine, key=lambda s: (s.pictures(truths[name]), -len(s.wrong)))
                    columns.setdefault(title, []).append(best)
        text = summary(truths, columns, asked.seed) + "\nEvery mode on its own:\n\n" + modes_table(truths, scores)
        print(text)
        if asked.table:
            asked.table.write_text(text)
        if asked.dump_missed:
            for title, column in columns.items():
                if title.lower() in tools:
                    dump_missed(truths, title, column)
    finally:
        if not asked.keep:
            for name in names:
                for made in folder.glob(f"{name}.*"):
                    made.unlink()
            for made in ("runs", "out"):
                shutil.rmtree(folder / made, ignore_errors=True)
            if not any(folder.iterdir()):
                folder.rmdir()


if __name__ == "__main__":
    main()
