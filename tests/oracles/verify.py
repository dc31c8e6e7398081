#!/usr/bin/env python3
"""Verifies a report without any code of the program: chains, custody, manifest.

    verify.py REPORT [SEAL]     exit 0: nothing differs; 4: something does

Needs nothing but Python's own library. It checks what ties the files together: every chain value
of every table, the numbering, the digests that the last custody event seals, the manifest and,
where given, the seal. It does not compare tables with each other.
"""

import csv
import hashlib
import pathlib
import sys

TABLES = ["volumes.csv", "files.csv", "matches.csv", "exceptions.csv", "custody.csv"]
SEALED = ["run.json", "volumes.csv", "files.csv", "matches.csv", "exceptions.csv", "summary.txt"]
LISTED = SEALED[:5] + ["custody.csv", "summary.txt"]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def verify(folder, noted=None):
    """Gives the list of differences and the seal."""
    told, last = [], {}
    data = {name: (folder / name).read_bytes() for name in [*LISTED, "manifest.sha256"]}
    for name in TABLES:
        lines = data[name].split(b"\n")
        if lines.pop() != b"":
            told.append(f"{name}: the last line is cut off")
        header, *rows = lines
        columns = header.decode().split(",")
        chain = "0" * 64
        for number, row in enumerate(rows, 1):
            text, _, stated = row.rpartition(b",")
            chain = sha256(chain.encode() + b"\n" + text)
            if chain.encode() != stated:
                told.append(f"{name}, row {number}: its chain value should be {chain}")
                chain = stated.decode(errors="replace")
            cells = next(csv.reader([row.decode(errors="replace")], strict=True))
            if len(cells) != len(columns):
                told.append(f"{name}, row {number}: {len(cells)} cells, {len(columns)} columns")
            elif name != "volumes.csv" and cells[0] != str(number):
                told.append(f"{name}, row {number}: it is numbered {cells[0]}")
            last[name] = dict(zip(columns, cells))
        if name == "custody.csv":
            seal = chain
    event = last.get("custody.csv", {})
    digests = ";".join(f"{name}={sha256(data[name])}" for name in SEALED)
    if event.get("event") != "report_sealed" or event.get("detail") != digests:
        told.append("custody.csv: its last event does not seal these files")
    if noted is not None and noted.lower() != seal:
        told.append(f"custody.csv: the seal is {seal}")
    manifest = "".join(f"{sha256(data[name])}  {name}\n" for name in LISTED)
    if data["manifest.sha256"] != manifest.encode():
        told.append("manifest.sha256: it is not the one of these files")
    return told, seal


if __name__ == "__main__":
    differences, value = verify(pathlib.Path(sys.argv[1]), *sys.argv[2:3])
    print(*differences, f"seal {value}", sep="\n")
    sys.exit(4 if differences else 0)
