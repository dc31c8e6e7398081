#!/usr/bin/env python3
"""Changes pictures as people do and writes the decoded results for `recall.rs`.

    python3 -m venv venv
    venv/bin/pip install pillow==13.0.0 numpy==2.4.6 pdqhash==0.2.8
    venv/bin/python recall.py PEER.csv | cargo run --release --example recall > OURS.csv
    venv/bin/python recall.py --table OURS.csv PEER.csv

168 pictures that make.py draws from numbers past its population, tinted so that they have colour.
Each change is saved in its file format and decoded by Pillow, so that both programs see the same
samples: luma for ours, RGB for the Python package `pdqhash` (full-size convention, eight forms),
whose distances go to PEER.csv.
"""

import collections
import csv
import io
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

import make

KINDS = ["sky", "landscape", "objects", "portrait", "night", "texture", "document", "chart",
         "screenshot", "map"]
# More of the skies: few other kinds have a quality under 80.
EACH = {kind: 60 if kind == "sky" else 12 for kind in KINDS}
FIRST = 1_000_000


def original(kind, number):
    _, size, data = make.drawn((kind, FIRST + number))
    grey = np.asarray(Image.frombytes("L", size, data), np.float32) / 255
    rng = np.random.default_rng([make.SEED, number])
    dark, light = rng.uniform(0, 60, 3), rng.uniform(200, 255, 3)
    return make.picture(dark + (light - dark) * grey[..., None])


def through(image, kind, **options):
    """The picture saved and read again."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return Image.open(file).convert("RGB")


def scaled(image, part):
    return image.resize((image.width // part, image.height // part), Image.LANCZOS)


def overlay(image):
    image = image.copy()
    draw = ImageDraw.Draw(image)
    at = (image.width * 0.05, image.height * 0.85)
    draw.text(at, "sample text 2026", fill=(255, 255, 0), font=make.font(image.height // 14))
    return image


def crop(image):
    x, y = round(image.width * 0.015), round(image.height * 0.015)
    return image.crop((x, y, image.width - x, image.height - y))


CHANGES = {
    "png": lambda image: through(image, "PNG"),
    "jpeg_q50": lambda image: through(image, "JPEG", quality=50),
    "webp_q80": lambda image: through(image, "WEBP", quality=80),
    "half": lambda image: through(scaled(image, 2), "JPEG", quality=90),
    "quarter": lambda image: through(scaled(image, 4), "JPEG", quality=90),
    "grey": lambda image: through(image.convert("L"), "PNG"),
    "brightness_130": lambda image: through(ImageEnhance.Brightness(image).enhance(1.3), "JPEG", quality=90),
    "text_overlay": lambda image: through(overlay(image), "JPEG", quality=90),
    "rotate90": lambda image: through(image.transpose(Image.ROTATE_90), "JPEG", quality=90),
    "rotate180": lambda image: through(image.transpose(Image.ROTATE_180), "JPEG", quality=90),
    "mirror": lambda image: through(image.transpose(Image.FLIP_LEFT_RIGHT), "JPEG", quality=90),
    "crop_3": lambda image: through(crop(image), "JPEG", quality=90),
}


def write(name, image):
    grey = image.convert("L")
    head = f"P5\n# {name}\n{grey.width} {grey.height}\n255\n"
    sys.stdout.buffer.write(head.encode() + grey.tobytes())


def pictures(peer_file):
    import pdqhash

    with open(peer_file, "w", newline="") as file:
        peer = csv.writer(file, lineterminator="\n")
        peer.writerow(["picture", "change", "quality", "quality_changed", "distance"])
        for kind in KINDS:
            for number in range(EACH[kind]):
                image, name = original(kind, number), f"{kind}-{number}"
                write(f"{name}/original", image)
                stored, quality = pdqhash.compute(np.asarray(image))
                for change, apply in CHANGES.items():
                    changed = apply(image)
                    write(f"{name}/{change}", changed)
                    forms, good = pdqhash.compute_dihedral(np.asarray(changed))
                    nearest = min(int((form != stored).sum()) for form in forms)
                    peer.writerow([name, change, quality, good, nearest])


def table(ours_file, peer_file):
    """Share found at 31 by change and by the quality of the original."""
    counts = collections.defaultdict(lambda: [0, 0])
    columns = [(ours_file, "distance"), (ours_file, "distance_nn512"), (peer_file, "distance")]
    for side, (name, distance) in enumerate(columns):
        with open(name, newline="") as file:
            for row in csv.DictReader(file):
                quality = int(row["quality"])
                band = "80-100" if quality >= 80 else "50-79" if quality >= 50 else None
                if band:
                    count = counts[row["change"], band, side]
                    count[0] += int(row[distance]) <= 31 and int(row["quality_changed"]) >= 50
                    count[1] += 1
    print("| change | 50-79: full | nn512 | pdqhash | 80-100: full | nn512 | pdqhash |")
    print("|---|---|---|---|---|---|---|")
    for change in CHANGES:
        cells = [counts[change, band, side] for band in ("50-79", "80-100") for side in range(3)]
        print(f"| {change} | " + " | ".join(f"{hit} of {all}" for hit, all in cells) + " |")


if __name__ == "__main__":
    if sys.argv[1] == "--table":
        table(*sys.argv[2:])
    else:
        pictures(sys.argv[1])
