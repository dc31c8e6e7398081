"""Checks a finished report with nothing but Python: chains, copies, parents, counts, digests.

Usage: report.py FOLDER [SUFFIX]     SUFFIX is ".incomplete" for a stopped run.
"""
import csv
import hashlib
import json
import sys

csv.field_size_limit(1 << 30)
folder, suffix = sys.argv[1], (sys.argv[2] if len(sys.argv) > 2 else "")


def table(name):
    path = f"{folder}/{name}{suffix}.csv"
    data = open(path, "rb").read()
    assert data.endswith(b"\n") and b"\r" not in data and not data.startswith(b"\xef\xbb\xbf"), path
    lines = data.decode("utf-8").split("\n")[:-1]
    rows = list(csv.reader(data.decode("utf-8").splitlines(True), strict=True))
    assert len(rows) == len(lines), f"{path}: a record is not one line"
    header, rows = rows[0], rows[1:]
    chain = "0" * 64
    for line, row in zip(lines[1:], rows):
        text, value = line.rsplit(",", 1)
        chain = hashlib.sha256(f"{chain}\n{text}".encode()).hexdigest()
        assert chain == value == row[-1], f"{path}: chain at {row[0]}"
        assert len(row) == len(header), f"{path}: cells at {row[0]}"
        for cell in row:
            assert not cell[:1] in list("=+-@") or cell == "", f"{path}: {cell!r}"
            assert all(c >= " " and c != "\x7f" for c in cell), f"{path}: {cell!r}"
    return [dict(zip(header, row)) for row in rows]


files, matches, exceptions = table("files"), table("matches"), table("exceptions")
first, numbers = {}, {}
for number, row in enumerate(files, 1):
    assert row["record_no"] == str(number)
    key = next(((a, row[a]) for a in ("sha256", "blake3", "sha1", "md5") if row[a]), None)
    want = str(first.setdefault(key, number)) if key else ""
    assert row["first_copy"] == want, (number, row["first_copy"], want)
    numbers[row["object_path"]] = row["record_no"]
    if row["parent_record_no"]:
        parent = files[int(row["parent_record_no"]) - 1]["object_path"]
        assert row["object_path"].startswith(parent), (parent, row["object_path"])
assert len(numbers) == len(files), "a path stands twice"
for name, rows in (("match_no", matches), ("exception_no", exceptions)):
    assert [row[name] for row in rows] == [str(n) for n in range(1, len(rows) + 1)]
    order = [int(row["record_no"]) for row in rows]
    assert order == sorted(order)
    for row in rows:
        assert numbers[row["object_path"]] == row["record_no"]
for row in files:
    of = [match for match in matches if match["record_no"] == row["record_no"]]
    assert row["match_count"] == str(len(of))
run = json.load(open(f"{folder}/run.json", encoding="utf-8"))
balance = run["balance"]
statuses = ("hashed", "partial", "unread", "skipped", "special")
for status in statuses:
    assert balance[status] == sum(row["status"] == status for row in files), status
assert balance["holds"] == (balance["seen"] == len(files))
assert run["rows"]["files"] == len(files) and run["rows"]["matches"] == len(matches)
if suffix == "":
    custody = table("custody")
    assert custody[-1]["event"] == "report_sealed"
    for part in custody[-1]["detail"].split(";"):
        name, want = part.rsplit("=", 1)
        have = hashlib.sha256(open(f"{folder}/{name}", "rb").read()).hexdigest()
        assert have == want, name
    print(len(files), custody[-1]["chain"])
else:
    print(len(files), "")
