"""Measures carving: plants pictures into free clusters, runs the tools, compares SHA-256.

    carving.sh SEED [--images DIR] [--keep] [--tools assay,photorec,foremost] [--only fat32,mbr]
               [--assay BINARY] [--table FILE] [--brute-force] [--dump-missed]

Images (`IMAGES` in carving_images.py) hold real file systems filled with live files, half of which were deleted
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
Gaps, interleaving and truncation take only kinds whose data tells where it goes wrong (JPEG, PNG,
GIF); the others (a lossy WebP decodes from any bytes) are planted whole or with a natural skip.

Recovered means: an output has the SHA-256 of the planted file; of a truncated one, the SHA-256 of
the prefix that survived, exactly to the cluster boundary. The same rule for all tools; outputs that
begin with all of the expected bytes and go on are told apart ("and more behind it").
Precision is recovered pictures / all outputs of picture kinds. Apart, neither right nor wrong: exact
copies of thumbnails and of PDF streams inside planted and live files, and whatever begins with the
first 4 KiB of a live picture. A false carve is any other output of a picture kind; "spurious" ones begin
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
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import carving_pictures as pictures
from carving_images import CASES, HEAD, IMAGES, MIB, Planted, make_images, read_extents

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


def measured(command: list[str], limit: int, folder: Path) -> tuple[float, str]:
    """Runs a tool in `folder`; CPU seconds and what went wrong, if anything did."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, start_new_session=True)
    try:
        _, errors = process.communicate(timeout=limit)
        problem = "" if process.returncode == 0 else f"exit {process.returncode}: {errors.decode(errors='replace')[-300:]}"
    except subprocess.TimeoutExpired:
        problem = f"stopped after {limit} s"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, problem


def assay(binary: str, image: Path, out: Path, truth: Truth) -> tuple[float, str, list[Output]]:
    shutil.rmtree(out, ignore_errors=True)
    cpu, problem = measured([binary, "scan", str(image), "--out", str(out), "--digests", "sha256", "--quiet"], 1800, out.parent)
    outputs = []
    if not (out / "files.csv").exists():
        return cpu, problem or "no files.csv", outputs
    if (out / "manifest.sha256").exists():
        problem = ""  # a complete report; the exit code tells what it found
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
BRUTE_FORCE = "free space, brute force"
PHOTOREC_MODES = {
    "free space": ("freespace", []),
    "free space, keep corrupted": ("freespace", ["keep_corrupted_file"]),
    BRUTE_FORCE: ("freespace", ["paranoid_bf"]),
    "free space, blocks of 512": ("blocksize,512,freespace", []),
    "whole disk": ("wholespace", []),
    "whole disk, keep corrupted": ("wholespace", ["keep_corrupted_file"]),
}


def photorec(mode: str, image: Path, out: Path, truth: Truth) -> tuple[float, str, list[Output]]:
    """`everything` is disabled and only the planted kinds enabled, which helps it.

    In free space of an image with partitions it runs on each of them, since only then it skips what
    is allocated; the gap between them it sees in the whole-disk modes.
    """
    space, options = PHOTOREC_MODES[mode]
    kinds = ",".join(f"{kind},enable" for kind in PHOTOREC_KINDS)
    extra = ["mode_ext2"] if image.stem.startswith("ext") else []
    wanted = ",".join(["options", *extra, *options, "fileopt,everything,disable", kinds, space, "search"])
    parts = len(IMAGES[image.stem]["parts"])
    selected = [f"partition_i386,{n + 1}" for n in range(parts)] if parts > 1 and space.endswith("freespace") else ["partition_none"]
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    seconds, problems = 0.0, []
    for n, partition in enumerate(selected):
        command = ["photorec", "/d", str(out / f"recup{n}"), "/cmd", str(image), f"{partition},{wanted}"]
        cpu, problem = measured(command, 1200, out)
        seconds, problems = seconds + cpu, problems + [problem] * bool(problem)
    return seconds, "; ".join(problems), from_files(out, truth)


FOREMOST_MODES = {"plain": [], "indirect blocks": ["-d"]}


def foremost(mode: str, image: Path, out: Path, truth: Truth) -> tuple[float, str, list[Output]]:
    shutil.rmtree(out, ignore_errors=True)
    cpu, problem = measured(["foremost", "-Q", *FOREMOST_MODES[mode], "-t", "jpg,png,gif,bmp,mov,mp4,zip,pdf,rif,avi", "-i", str(image), "-o", str(out)], 600, out.parent)
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
    inside = {digest for p in truth.planted for digest in p.inside} | set(truth.told["live_inside"])
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
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}  ", "testdisk", "foremost"], capture_output=True, text=True)
    head += f"Packages: {asked.stdout.strip()}. PhotoRec and foremost in their best mode for each image.\n\n"
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


def run_tools(folder: Path, binary: str, tools: list[str], names: list[str], truths: dict[str, Truth], brute_force: bool) -> None:
    """Runs what was asked for; what each gave is kept as FOLDER/runs/IMAGE.TOOL.MODE.json."""
    runs = folder / "runs"
    runs.mkdir(exist_ok=True)
    for name in names:
        image, out = folder / f"{name}.img", folder / "out" / name
        out.parent.mkdir(exist_ok=True)
        jobs = {
            "assay": [("", lambda _m: assay(binary, image, out, truths[name]))],
            "photorec": [(mode, lambda m: photorec(m, image, out, truths[name])) for mode in PHOTOREC_MODES if brute_force or mode != BRUTE_FORCE],
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
    parser.add_argument("--assay", type=Path, default=Path(__file__).parent.parent / "target/release/assay", help="binary to measure")
    parser.add_argument("--table", type=Path, help="write the tables there as well")
    parser.add_argument("--brute-force", action="store_true", help="let PhotoRec try that as well: minutes of CPU for each image")
    parser.add_argument("--dump-missed", action="store_true", help="list every miss and every spurious carve of --tools")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that mounts are undone
    tools, names = [t for t in asked.tools.split(",") if t], asked.only.split(",")
    folder: Path = asked.images.resolve() if asked.images else Path(tempfile.mkdtemp(prefix="carving-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        make_images(folder, asked.seed, names)
        truths = {name: Truth(folder, name) for name in names}
        if any(truth.told["seed"] != asked.seed for truth in truths.values()):
            sys.exit(f"{folder} holds images of another seed")
        run_tools(folder, str(asked.assay.resolve()), tools, names, truths, asked.brute_force)
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
        if asked.keep:
            print(f"kept in {folder}", file=sys.stderr)
        else:
            for name in names:
                for made in folder.glob(f"{name}.*"):
                    made.unlink()
            for made in ("runs", "out"):
                shutil.rmtree(folder / made, ignore_errors=True)
            if not any(folder.iterdir()):
                folder.rmdir()


if __name__ == "__main__":
    main()
