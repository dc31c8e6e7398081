"""Small decoded pictures of our own making and their hashes by the Python reference packages.

Usage: make_buffers.py (writes buffers/*.pgm, *.ppm and buffers.csv beside itself)
Needs: tests/oracles/requirements.txt. PDQ by pdqhash (full size; NN512 by indexing the array
first), pHash, dHash and aHash by ImageHash.
"""

import csv
import os

import imagehash
import numpy as np
import pdqhash
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
# Width, height, channels: odd and even windows, one side of 1 window, sides over 512.
SHAPES = [(5, 5, 1), (34, 42, 3), (64, 64, 1), (63, 65, 3), (129, 130, 1), (128, 200, 3), (257, 180, 1),
          (300, 257, 3), (513, 90, 1), (620, 60, 3), (70, 640, 1), (40, 1300, 1)]


def picture(width, height, channels, seed):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for _ in range(channels):
        plane = np.full((height, width), 128.0)
        for _ in range(9):
            fx, fy, phase = random.uniform(-6, 6), random.uniform(-6, 6), random.uniform(0, 6.3)
            plane += random.uniform(5, 30) * np.sin(6.2832 * (fx * x / width + fy * y / height) + phase)
        planes.append(np.clip(plane + random.normal(0, 6, plane.shape), 0, 255).astype(np.uint8))
    return planes[0] if channels == 1 else np.stack(planes, axis=2)


def pdq(array):
    bits, quality = pdqhash.compute(array)
    return "%064x" % int("".join(map(str, bits)), 2), quality


def nn512(array):
    height, width = array.shape[:2]
    if max(width, height) <= 512:
        return array
    return np.ascontiguousarray(array[np.arange(512) * height // 512][:, np.arange(512) * width // 512])


def main():
    os.makedirs(os.path.join(HERE, "buffers"), exist_ok=True)
    with open(os.path.join(HERE, "buffers.csv"), "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["file", "pdq", "pdq_quality", "pdq_nn512", "phash", "dhash", "ahash"])
        for seed, (width, height, channels) in enumerate(SHAPES):
            array = picture(width, height, channels, seed)
            image = Image.fromarray(array)
            name = f"{width}x{height}.{'pgm' if channels == 1 else 'ppm'}"
            image.save(os.path.join(HERE, "buffers", name))
            rgb = np.asarray(image.convert("RGB"))
            full, quality = pdq(rgb)
            values = [imagehash.phash(image), imagehash.dhash(image), imagehash.average_hash(image)]
            out.writerow([name, full, quality, pdq(nn512(rgb))[0], *values])


if __name__ == "__main__":
    main()
