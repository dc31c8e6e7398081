#!/usr/bin/env python3
"""Makes the pictures of the demonstration and the list that knows their originals.

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0 numpy==2.4.6 pdqhash==0.2.8
    venv/bin/python tests/data/make-demo-pictures.py

Every picture is drawn by this script from fixed seeds: landscapes of made-up hills, houses and
clouds. The originals are hashed by the public package pdqhash and thrown away; what lies in the
demonstration are changed copies of them, and pictures of other scenes. Run it after make-demo.py.
"""
import pathlib
import random

import numpy
import pdqhash
from PIL import Image, ImageDraw, ImageFilter

HERE = pathlib.Path(__file__).resolve().parent
PICTURES = HERE / "demo" / "pictures"
LISTS = HERE.parent.parent / "hashsets" / "demo"
SIZE = (480, 360)


def scene(seed):
    """A landscape: sky, clouds, rows of hills, houses, trees."""
    rng = random.Random(f"scene {seed}")
    width, height = SIZE
    picture = Image.new("RGB", SIZE)
    draw = ImageDraw.Draw(picture)
    top, low = [tuple(rng.randrange(60, 240) for _ in range(3)) for _ in range(2)]
    for y in range(height):
        mix = [int(a + (b - a) * y / height) for a, b in zip(top, low)]
        draw.line([(0, y), (width, y)], fill=tuple(mix))
    for _ in range(rng.randrange(4, 9)):
        x, y, w = rng.randrange(width), rng.randrange(height // 3), rng.randrange(40, 160)
        draw.ellipse([x, y, x + w, y + w // 3], fill=(250, 250, rng.randrange(200, 255)))
    for row in range(3):
        base = height * (5 + row) // 9
        points, x = [(0, height)], 0
        while x < width + 60:
            points.append((x, base - rng.randrange(10, 110)))
            x += rng.randrange(30, 120)
        shade = rng.randrange(30, 150)
        draw.polygon(points + [(width, height)], fill=(shade // 2, shade, rng.randrange(30, 110)))
    for _ in range(rng.randrange(5, 12)):
        x, y = rng.randrange(width), rng.randrange(height // 2, height - 30)
        w, h = rng.randrange(18, 60), rng.randrange(18, 60)
        wall = tuple(rng.randrange(90, 255) for _ in range(3))
        draw.rectangle([x, y, x + w, y + h], fill=wall, outline=(20, 20, 20))
        draw.polygon([(x - 5, y), (x + w // 2, y - h // 2), (x + w + 5, y)], fill=(120, 30, 20))
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def main():
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.iterdir():
        old.unlink()
    known = {n: scene(n) for n in range(1, 7)}
    width, height = SIZE
    known[1].save(PICTURES / "IMG_2101.jpg", quality=50)
    known[2].resize((width // 2, height // 2)).save(PICTURES / "IMG_2102_small.jpg", quality=85)
    known[3].transpose(Image.Transpose.ROTATE_90).save(PICTURES / "scan0007.png")
    known[4].transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(PICTURES / "avatar.webp", quality=80)
    edge = (width * 15 // 1000, height * 15 // 1000)
    box = (edge[0], edge[1], width - edge[0], height - edge[1])
    known[5].crop(box).save(PICTURES / "cut.jpg", quality=85)
    for n in range(101, 105):
        scene(n).save(PICTURES / f"trip{n}.jpg", quality=80)
    rows = ["entry_id,pdq,pdq_quality"]
    for n, picture in known.items():
        vector, quality = pdqhash.compute(numpy.asarray(picture))
        digits = numpy.packbits(vector).tobytes().hex()
        rows.append(f"PICTURE-{n:04},{digits},{quality}")
    (LISTS / "alert-pictures.csv").write_text("\n".join(rows) + "\n")
    (LISTS / "alert-pictures.csv.toml").write_text(
        'name = "demonstration picture list"\npublisher = "assay project"\nversion = "1"\n'
        'received_from = "tests/data/make-demo-pictures.py"\nreceived_at = "2026-11-23"\n'
    )


if __name__ == "__main__":
    main()
