"""The images of benches/carving.py: file systems with live files, and what is planted between them.

Every number drawn comes from the seed. Planting writes only into clusters the volume calls free, and
records where each fragment lies by reading it back from the image; at the end every live file is read
through its file system and must be unchanged.
"""
import hashlib
import json
import struct
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import carving_pictures as pictures
import carving_volumes as volumes

MIB = 1 << 20
HEAD = 4096
Extents = list[tuple[int, int]]
# A kind with what `pictures.make` gave: bytes, flavour, files inside.
LivePicture = tuple[str, tuple[bytes, str, list[bytes]]]

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
TELLING = ("jpg", "jpg", "jpg", "jpg", "jpg", "jpg", "jpg", "png", "png", "gif")
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


def fill(volume: volumes.Volume, rng: np.random.Generator, live_pictures: list[LivePicture]) -> dict[str, str]:
    """Live files, half of them deleted again, then some more into the holes. Name to SHA-256."""
    digests: dict[str, str] = {}
    coarse = volume.cluster >= 32768

    def wave(share: float, prefix: str) -> None:
        with tempfile.TemporaryDirectory(dir=volume.path.parent) as folder:
            written = number = 0
            while written < share * volume.size:
                if rng.random() < 0.10:
                    kind, (data, _, _) = live_pictures[int(rng.integers(len(live_pictures)))]
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


def make_image(name: str, seed: int, folder: Path, live_pictures: list[LivePicture], foreign: list[bytes]) -> None:
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
    live_heads = [data[:HEAD].hex() for _, (data, _, _) in live_pictures]
    live_inside = [hashlib.sha256(part).hexdigest() for _, (_, _, inside) in live_pictures for part in inside]
    truth = {"seed": seed, "image": name, "bytes": path.stat().st_size, "live_files": sum(len(d) for _, _, d in built), "free_bytes": sum(len(s.offsets) * s.cluster for s in spaces), "free_runs": sum(int((~s.joined).sum()) for s in spaces), "planted": [asdict(p) for p in planter.truth], "headless": planter.lost, "live_heads": live_heads, "live_inside": live_inside}
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


def make_images(folder: Path, seed: int, names: list[str]) -> None:
    rng = np.random.default_rng([seed, 1000])
    live = []
    for n in range(24):
        kind = ("jpg", "jpg", "jpg", "png", "gif", "webp")[n % 6]
        live.append((kind, pictures.make(rng, kind, 20_000, 1_500_000)))
    foreign = [pictures.jpeg(rng, "baseline", 2000, 2500)[0] for _ in range(4)]
    for name in names:
        if not (folder / f"{name}.json").exists():
            print(f"making {name}", file=sys.stderr, flush=True)
            make_image(name, seed, folder, live, foreign)
