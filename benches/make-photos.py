#!/usr/bin/env python3
"""Makes a folder of JPEG pictures like those of a camera and a telephone, from a seed.

usage: make-photos.py FOLDER [COUNT]      needs Pillow

The content is drawn (gradients, shapes, grain), not taken: sizes, sampling and quality are what
decoding costs depend on. One in 20 is 4000 x 3000, one in 4 is 640 x 480, the rest 1600 x 1200.
"""
import os
import random
import sys

from PIL import Image, ImageDraw


def picture(rng, size, grain):
    small = Image.new("RGB", (160, 120))
    top, bottom = ([rng.randrange(256) for _ in range(3)] for _ in range(2))
    for y in range(120):
        small.paste(tuple(a + (b - a) * y // 119 for a, b in zip(top, bottom)), (0, y, 160, y + 1))
    draw = ImageDraw.Draw(small)
    for _ in range(rng.randrange(5, 40)):
        x, y, r = rng.randrange(160), rng.randrange(120), rng.randrange(2, 40)
        fill = tuple(rng.randrange(256) for _ in range(3))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)((x - r, y - r, x + r, y + r), fill)
    image = small.resize(size, Image.Resampling.BICUBIC)
    turn = Image.Transpose
    turns = (turn.FLIP_LEFT_RIGHT, turn.FLIP_TOP_BOTTOM, turn.ROTATE_180)
    noise = grain.crop((0, 0, *size)).transpose(rng.choice(turns))
    return Image.blend(image, Image.merge("RGB", [noise] * 3), 0.08)


def main():
    folder, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    os.makedirs(folder, exist_ok=True)
    rng = random.Random(1)
    grain = Image.effect_noise((4000, 3000), 60)
    for i in range(count):
        size = (4000, 3000) if i % 20 == 7 else (640, 480) if i % 4 == 1 else (1600, 1200)
        path = os.path.join(folder, f"IMG_{i:04}.JPG")
        picture(rng, size, grain).save(path, quality=rng.choice((75, 85, 92)))


main()
