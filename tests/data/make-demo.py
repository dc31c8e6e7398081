#!/usr/bin/env python3
"""Makes the demonstration: an ordinary-looking folder and the lists that know some of it.

Every byte is generated from fixed seeds; nothing is copied from anywhere. Run it from the top of
the repository after a change here:  python3 tests/data/make-demo.py
Needs Python 3.8 or newer and nothing else.
"""
import hashlib
import json
import pathlib
import random
import shutil

HERE = pathlib.Path(__file__).resolve().parent
DEMO = HERE / "demo"
LISTS = HERE.parent.parent / "hashsets" / "demo"
WORDS = "amber boat cliff delta ember field grove harbour island juniper kite lantern".split()


def text(seed, lines):
    """Prose-like lines that say nothing."""
    rng = random.Random(seed)
    return "".join(" ".join(rng.choices(WORDS, k=9)).capitalize() + ".\n" for _ in range(lines)).encode()


def noise(seed, length):
    """Bytes without structure, as encrypted or compressed data looks."""
    return random.Random(seed).randbytes(length)


def put(path, content):
    target = DEMO / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def digests(content):
    return {name: hashlib.new(name, content).hexdigest() for name in ("md5", "sha1", "sha256")}


def main():
    shutil.rmtree(DEMO, ignore_errors=True)
    LISTS.mkdir(parents=True, exist_ok=True)
    known_bad = {f"DEMO-{n:04}": noise(f"bad {n}", 3000 + 700 * n) for n in range(1, 6)}
    known_good = {f"good-{n}.dll": noise(f"good {n}", 2000 + 300 * n) for n in range(1, 9)}

    put("documents/letter.txt", text("letter", 40))
    put("documents/recipes/plum cake.txt", text("cake", 25))
    put("documents/notes.txt", text("notes", 12))
    put("documents/empty.txt", b"")
    put("system/padding.bin", bytes(4096))
    for name, content in known_good.items():
        put(f"system/{name}", content)
    put("downloads/video_part.tmp", known_bad["DEMO-0001"])
    put("downloads/backup/IMG_0001.JPG", known_bad["DEMO-0002"])
    put("downloads/backup/copy of IMG_0001.JPG", known_bad["DEMO-0002"])
    put("phone/.cache/3f9a", known_bad["DEMO-0003"])
    put("phone/=formula, name.txt", text("formula", 3))
    put("phone/résumé \u202etxt.exe", text("bidi", 3))

    rows = ["entry_id,md5,sha1,sha256,size"]
    for entry, content in known_bad.items():
        d = digests(content)
        rows.append(f"{entry},{d['md5']},{d['sha1']},{d['sha256']},{len(content)}")
    (LISTS / "alert.csv").write_text("\n".join(rows) + "\n")
    (LISTS / "alert.csv.toml").write_text(
        'name = "demonstration alert list"\npublisher = "assay project"\nversion = "1"\n'
        'received_from = "tests/data/make-demo.py"\nreceived_at = "2026-11-23"\n'
    )
    # The same as a set of Project VIC's form; its codes are those of hashsets/schemes/demo.toml.
    media = []
    for number, content in enumerate(known_bad.values(), 1):
        d = digests(content)
        media.append({
            "MediaID": number,
            "Category": "D2" if number == 5 else "D1",
            "MD5": d["md5"].upper(),
            "SHA1": d["sha1"].upper(),
            "MediaSize": len(content),
            "VictimIdentified": "false",
            "OffenderIdentified": None,
            "Series": "demonstration",
            "MediaFiles": [],
        })
    model = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/CUSTOM/$metadata#Media"
    records = ",\n".join(json.dumps(record) for record in media)
    (LISTS / "alert-vics.json").write_text(
        '{"@odata.context":' + json.dumps(model) + ',"value":[\n' + records + "\n]}\n"
    )
    (LISTS / "alert-vics.json.toml").write_text(
        'name = "demonstration VICS set"\npublisher = "assay project"\nversion = "1"\n'
        'received_from = "tests/data/make-demo.py"\nreceived_at = "2026-11-30"\nscheme = "demo"\n'
    )
    good = list(known_good.items()) + [("padding.bin", bytes(4096)), ("empty.txt", b"")]
    (LISTS / "known-good.md5").write_text(
        "".join(f"{hashlib.md5(content).hexdigest()}  {name}\n" for name, content in good)
    )
    (LISTS / "known-good.md5.toml").write_text(
        'name = "demonstration known-good list"\npublisher = "assay project"\nversion = "1"\n'
        'received_from = "tests/data/make-demo.py"\nreceived_at = "2026-11-23"\n'
    )


if __name__ == "__main__":
    main()
