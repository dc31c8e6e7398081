#!/usr/bin/env python3
"""Makes the corpus of small files that scanners are compared on.

    python3 benches/make-small-files.py FOLDER [COUNT]

COUNT files (20,000 unless told), sizes log-normal with a median of about 9 KiB and a tail cut at
32 MiB, about one GB in all; one in ten an exact copy, one in two hundred empty; contents text-like,
random or zero-padded; extensions of eight kinds in turn, one of them of disk images; at most 64
files a folder. The seed is fixed: the same bytes every time.
"""
import math
import pathlib
import random
import sys

EXTENSIONS = "txt dat log cfg tmp csv bin db".split()
WORDS = [bytes(word, "ascii") for word in "amber boat cliff delta ember field grove kite".split()]


def content(rng, size):
    kind = rng.randrange(3)
    if kind == 0:
        return rng.randbytes(size)
    if kind == 1:
        line = b" ".join(rng.choices(WORDS, k=400)) + b"\n"
        return (line * (size // len(line) + 1))[:size]
    body = rng.randbytes(size // 2)
    return body + bytes(size - len(body))


def main():
    root = pathlib.Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    rng = random.Random(2026)
    recent = []
    for n in range(count):
        folder = root / f"{n // 4096:03}" / f"{n // 64 % 64:02}"
        if n % 64 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        if recent and rng.random() < 0.10:
            data = rng.choice(recent)
        elif rng.random() < 0.005:
            data = b""
        else:
            size = int(min(rng.lognormvariate(math.log(9 * 1024), 1.75), 32 << 20))
            data = content(rng, size)
            recent = (recent + [data])[-16:]
        (folder / f"file{n:06}.{EXTENSIONS[n % len(EXTENSIONS)]}").write_bytes(data)


if __name__ == "__main__":
    main()
