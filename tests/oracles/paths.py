#!/usr/bin/env python3
"""Gives back the bytes of every path of a report with nothing but Python's csv module.

    python3 tests/oracles/paths.py REPORT FOLDER

Reads files.csv, undoes the escapes by the rules of docs/report-format.md and compares the paths
with what `find` lists below FOLDER. Prints the numbers of both; exit code 1 where they differ.
"""
import csv
import re
import subprocess
import sys

ESCAPE = re.compile(r"\\(\\|x([0-9a-f]{2})|u\{([0-9a-f]+)\})")


def undo(match):
    """The bytes one escape stands for, as Latin-1 text."""
    if match.group(2):
        return chr(int(match.group(2), 16))
    if match.group(3):
        point = chr(int(match.group(3), 16))
        return point.encode("utf-8", "surrogatepass").decode("latin-1")
    return "\\"


def raw(path):
    """The bytes of a path; no escape holds a slash, so it need not be taken apart."""
    # Latin-1 maps each byte to one character, so that escapes can be undone in one text.
    return ESCAPE.sub(undo, path.encode("utf-8").decode("latin-1")).encode("latin-1")


def main():
    report, folder = sys.argv[1:3]
    csv.field_size_limit(sys.maxsize)
    found = set()
    with open(f"{report}/files.csv", encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            found.add(raw(row["object_path"].removeprefix("E1!/")))
    listing = subprocess.run(
        ["find", ".", "!", "-type", "d", "-print0"], cwd=folder, capture_output=True, check=True
    )
    listed = {path.removeprefix(b"./") for path in listing.stdout.split(b"\0") if path}
    print(f"rows {len(found)}, listed {len(listed)}, differ {len(found ^ listed)}")
    sys.exit(found != listed)


if __name__ == "__main__":
    main()
