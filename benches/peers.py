#!/usr/bin/env python3
"""Runs scans beside other programs, in turn, and writes what they cost.

Started by peers.sh, which installs the others. Every figure is of whole processes, all reports
written, children included; user and system time from wait4(2). Medians of RUNS alternating runs.

usage: peers.py --program PROGRAM --work DIR [--runs N] [--only NAME,...] [--table FILE]

--table replaces what stands between the two marks in FILE by the table.
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
GROUPS = ["small", "photos", "images", "lookups", "scaling"]
MARKS = ("<!-- measured: begin -->", "<!-- measured: end -->")


def run(command, env=None):
    """Runs a command to its end; returns its wall and processor seconds and its memory in MB."""
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.environ.update(env or {})
        try:
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1, 3, 4) or code == 127:
        raise SystemExit(f"{command}: exit code {code}")
    return time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


class Bench:
    def __init__(self, program, work, runs):
        self.program, self.work, self.runs, self.rows = program, work, runs, []

    def scan(self, evidence, *options, env=None):
        """A scan as a function; its report folder is removed before, not in the time measured."""
        out = self.work / "report"

        def once():
            shutil.rmtree(out, ignore_errors=True)
            return run([self.program, "scan", *map(str, evidence), "--out", str(out), "--quiet", *options], env)

        return once

    def peer(self, *command):
        return lambda: run([str(word) for word in command])

    def in_turn(self, *ways, before=lambda: None):
        """Medians of wall, processor time and memory of each way, run in turn."""
        for way in ways:
            way()
        figures = [[] for _ in ways]
        for _ in range(self.runs):
            for way, taken in zip(ways, figures):
                before()
                taken.append(way())
        return [[statistics.median(column) for column in zip(*taken)] for taken in figures]

    def row(self, work, ours, theirs, ratio, target, met):
        verdict = "" if target == "none" else "yes" if met else "no"
        self.rows.append((work, ours, theirs, ratio, target, verdict))
        print(f"{work}: {ours} against {theirs}: {ratio} (target {target})", flush=True)

    def less(self, work, ours, theirs, at_least, unit=1):
        """A row: how many times less than the other. `unit` 0 is wall, 1 processor time."""
        name = ("wall", "CPU")[unit]
        ratio = theirs[unit] / ours[unit]
        cells = f"{ours[unit]:.2f} s", f"{theirs[unit]:.2f} s"
        target = f"{at_least:g}x less" if at_least else "none"
        self.row(f"{work}, {name}", *cells, f"{ratio:.2f}x less", target, ratio >= at_least)


def small(bench):
    files = bench.work / "small"
    if not files.exists():
        subprocess.run(["python3", HERE / "make-small-files.py", files], check=True)
    hashdeep = lambda digests: bench.peer("hashdeep", "-j2", "-r", "-c", digests, files)
    ours, theirs = bench.in_turn(bench.scan([files], "--digests", "md5,sha256"), hashdeep("md5,sha256"))
    bench.less("20,000 small files, md5+sha256 / hashdeep -j2", ours, theirs, 5)
    bench.less("same", ours, theirs, 4, unit=0)
    ours, theirs = bench.in_turn(bench.scan([files]), hashdeep("md5,sha1,sha256"))
    bench.less("same, all four / hashdeep md5+sha1+sha256", ours, theirs, 2)
    others = [
        ("md5", "md5sum", ["sh", "-c", f"find {files} -type f -print0 | xargs -0 -P2 -n256 md5sum"], 4),
        ("md5", "cat, which only reads", ["sh", "-c", f"find {files} -type f -print0 | xargs -0 -P2 -n256 cat >/dev/null"], 0),
        ("sha256", "sha256sum", ["sh", "-c", f"find {files} -type f -print0 | xargs -0 -P2 -n256 sha256sum"], 0),
        ("md5", "md5deep -j2", ["md5deep", "-j2", "-r", files], 0),
        ("md5,sha256", "rhash", ["rhash", "-r", "--md5", "--sha256", files], 0),
        ("blake3", "b3sum", ["sh", "-c", f"find {files} -type f -print0 | xargs -0 -P2 -n256 b3sum --num-threads 1"], 0),
        ("md5", "rclone", ["rclone", "hashsum", "MD5", "--checkers", "2", files], 0),
    ]
    for digests, name, command, target in others:
        if not shutil.which(name.split()[0].strip(",")):
            print(f"skipped: {name} is not installed")
            continue
        ours, theirs = bench.in_turn(bench.scan([files], "--digests", digests), bench.peer(*command))
        bench.less(f"same, {digests} / {name}", ours, theirs, target)
    masked = {"ASSAY_MD5_KERNEL": "portable", "ASSAY_SHA_KERNEL": "sha_ni"}
    ours, theirs = bench.in_turn(
        bench.scan([files], "--digests", "md5,sha256", env=masked), hashdeep("md5,sha256")
    )
    bench.less("same, md5+sha256, no AVX / hashdeep -j2", ours, theirs, 1.8)

    def drop():
        for folder, _, names in os.walk(files):
            for name in names:
                file = os.open(os.path.join(folder, name), os.O_RDONLY)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)

    os.sync()
    ours, theirs = bench.in_turn(
        bench.scan([files], "--digests", "md5,sha256"), hashdeep("md5,sha256"), before=drop
    )
    bench.less("same, md5+sha256, cold cache / hashdeep -j2", ours, theirs, 2.5, unit=0)


def photos(bench):
    files = bench.work / "photos"
    if not files.exists():
        subprocess.run(["python3", HERE / "make-photos.py", files, str(bench.photos)], check=True)
    python = ["python3", HERE / "peers_pictures.py", files]
    decode = [bench.decode, files]
    ours, bare, peer = bench.in_turn(bench.scan([files]), bench.peer(*decode), bench.peer(*python))
    name = f"{bench.photos:,} photos, all hashes"
    more = ours[1] / bare[1]
    bench.row(f"{name} / bare decode, CPU", f"{ours[1]:.2f} s", f"{bare[1]:.2f} s", f"{more:.2f}x", "1.3x", more <= 1.3)
    bench.less(f"{name} / Python pdqhash + ImageHash", ours, peer, 5)
    pdq = bench.work / "million.pdq.ahs"
    if not pdq.exists():
        import random
        rng = random.Random(9)
        listed = bench.work / "million.pdq"
        with open(listed, "w") as out:
            out.writelines(f"{rng.getrandbits(256):064x}\n" for _ in range(1_000_000))
        subprocess.run([bench.program, "hashset", "build", listed, "--kind", "alert", "--name", "million",
                        "--algorithm", "pdq", "--out", pdq], check=True, stdout=subprocess.DEVNULL)
    empty = bench.work / "empty"
    empty.mkdir(exist_ok=True)
    ours, load, bare = bench.in_turn(
        bench.scan([files], "--alert", str(pdq)), bench.scan([empty], "--alert", str(pdq)), bench.peer(*decode)
    )
    more = (ours[1] - load[1]) / bare[1]
    bench.row(f"{name}, beside 1,000,000 PDQ / bare decode, CPU, opening the set apart", f"{ours[1]:.2f} - {load[1]:.2f} s",
              f"{bare[1]:.2f} s", f"{more:.2f}x", "1.7x", more <= 1.7)


def images(bench):
    place = bench.work / "images"
    if not (place / "e01.E01").exists():
        subprocess.run(["bash", HERE / "images.sh", place, bench.program, "0"], check=False)
    for kind in ("ext4", "fat32", "ntfs"):
        image = place / f"{kind}.dd"
        if not image.exists():
            print(f"skipped: no image of {kind}")
            continue
        ours, theirs = bench.in_turn(
            bench.scan([image], "--digests", "md5,sha1"), bench.peer("fiwalk", "-x", image)
        )
        bench.less(f"{kind} image of 1 GB, md5+sha1 / fiwalk", ours, theirs, 3)
    image = place / "e01.E01"
    export = f"ewfexport -q -u -f raw -t - {image} | tee >(md5sum >/dev/null) | sha256sum"
    ours, theirs, verify = bench.in_turn(
        bench.scan([image], "--digests", "md5,sha256"),
        bench.peer("bash", "-c", export),
        bench.peer("ewfverify", "-q", "-d", "sha256", image),
    )
    bench.less("E01 of 1 GB, md5+sha256 / ewfexport piped to both", ours, theirs, 3, unit=0)
    bench.less("same / ewfverify", ours, verify, 0, unit=0)


def lookups(bench):
    import random
    rng = random.Random(4)
    listed = bench.work / "md5s"
    if not listed.exists():
        with open(listed, "w") as out:
            out.writelines(f"{rng.getrandbits(128):032x}\n" for _ in range(1_000_000))
        subprocess.run(["hfind", "-i", "md5sum", listed], check=True, stdout=subprocess.DEVNULL)
    compiled = bench.work / "md5s.ahs"
    if not compiled.exists():
        subprocess.run([bench.program, "hashset", "build", listed, "--kind", "alert", "--name", "md5s",
                        "--out", compiled], check=True, stdout=subprocess.DEVNULL)
    asked = {}
    for count in (1_000_000, 20_000):
        asked[count] = bench.work / f"asked-{count}"
        with open(asked[count], "w") as out:
            out.writelines(f"{rng.getrandbits(128):032x}\n" for _ in range(count))
    ours, theirs = bench.in_turn(
        bench.peer("sh", "-c", f"{bench.program} hashset lookup {compiled} <{asked[1_000_000]}"),
        bench.peer("hfind", "-f", asked[20_000], listed),
    )
    each = ours[1] / 1e6 * 1e9, theirs[1] / 2e4 * 1e9
    ratio = each[1] / each[0]
    bench.row("a look-up among 1,000,000 MD5s / hfind -f, CPU", f"{each[0]:.0f} ns", f"{each[1]:.0f} ns",
              f"{ratio:.0f}x less", "50x less", ratio >= 50)


def scaling(bench):
    figures = {}
    for count in (20_000, 100_000, 500_000):
        files = bench.work / f"flat-{count}"
        if not files.exists():
            for n in range(count):
                if n % 500 == 0:
                    (files / f"{n // 500:04}").mkdir(parents=True)
                (files / f"{n // 500:04}" / f"{n:07}.bin").write_bytes(b"%07d" % n * 512)
        (figures[count],) = bench.in_turn(bench.scan([files], "--digests", "md5,sha256"))
        if count == 20_000:
            keep = files
        else:
            shutil.rmtree(files)
    each = {count: figure[1] / count * 1e6 for count, figure in figures.items()}
    change = each[500_000] / each[20_000] - 1
    bench.row("a file of 3.5 KB among 500,000 / among 20,000, CPU", f"{each[500_000]:.1f} us", f"{each[20_000]:.1f} us",
              f"{100 * change:+.0f} %", "at most 10 % more", change <= 0.1)
    bench.row("memory at 500,000 files", f"{figures[500_000][2]:.0f} MB", "", "", "400 MB", figures[500_000][2] <= 400)
    shutil.rmtree(keep)
    files = bench.work / "photos"
    if files.exists():
        one, two = bench.in_turn(bench.scan([files], "--threads", "1"), bench.scan([files], "--threads", "2"))
        ratio = one[0] / two[0]
        bench.row("photos, 2 threads / 1, wall", f"{two[0]:.2f} s", f"{one[0]:.2f} s", f"{ratio:.2f}x", "1.8x", ratio >= 1.8)


def versions():
    asked = {
        "hashdeep": ["hashdeep", "-V"], "coreutils": ["md5sum", "--version"], "rhash": ["rhash", "--version"],
        "b3sum": ["b3sum", "--version"], "rclone": ["rclone", "version"], "fiwalk, hfind": ["hfind", "-V"],
        "ewf-tools": ["ewfverify", "-V"],
    }
    told = []
    for name, command in asked.items():
        if shutil.which(command[0]):
            text = subprocess.run(command, capture_output=True, text=True).stdout.strip().splitlines()
            told.append(f"{name} {text[0].split()[-1] if text else '?'}")
    return ", ".join(told)


def machine():
    with open("/proc/cpuinfo") as info:
        model = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    return f"{model}, {os.cpu_count()} threads, Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--decode", default="")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--photos", type=int, default=3000)
    parser.add_argument("--only", default=",".join(GROUPS))
    parser.add_argument("--table", type=pathlib.Path)
    options = parser.parse_args()
    bench = Bench(os.path.abspath(options.program), options.work.resolve(), options.runs)
    bench.photos, bench.decode = options.photos, options.decode
    bench.work.mkdir(parents=True, exist_ok=True)
    for name in options.only.split(","):
        bench.rows = []
        globals()[name](bench)
        kept = {"runs": options.runs, "rows": bench.rows}
        (bench.work / f"peers-{name}.json").write_text(json.dumps(kept, indent=1))
    rows, runs = [], []
    for name in GROUPS:
        kept = bench.work / f"peers-{name}.json"
        if kept.exists():
            kept = json.loads(kept.read_text())
            rows += kept["rows"]
            runs.append(f"{kept['runs']} of {name}")
    lines = [
        f"{time.strftime('%Y-%m-%d')}, {machine()}; medians of runs in turn: {', '.join(runs)}; {versions()}.", "",
        "| work | assay | the other | ratio | target | met |", "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    if options.table:
        before, rest = options.table.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        options.table.write_text(before + MARKS[0] + "\n" + "\n".join(lines) + "\n" + MARKS[1] + after)
    shutil.rmtree(bench.work / "report", ignore_errors=True)


if __name__ == "__main__":
    main()
