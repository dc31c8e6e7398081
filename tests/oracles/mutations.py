"""How many damaged pictures Pillow decodes, strictly and with LOAD_TRUNCATED_IMAGES.

Usage: mutations.py CORPORA > tests/data/perceptual/mutations-pillow.csv
Needs: requirements.txt beside this file.

300 times, 1 to 32 bytes at random places get random values; 19 times the file is cut at 5 % to
95 %. The numbers come from a linear congruential generator, so that tests/it/media.rs makes the
very same files.
"""

import csv
import io
import sys
import warnings

from PIL import Image, ImageFile

FILES = ["hopper.jpg", "hopper.png", "hopper.gif", "hopper.bmp", "hopper.webp", "hopper.tif"]


class Numbers:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> 33


def mutated(data, seed):
    numbers, data = Numbers(seed), bytearray(data)
    for _ in range(1 + numbers.next() % 32):
        at = numbers.next() % len(data)
        data[at] = numbers.next() % 256
    return bytes(data)


def truncated(data, twentieth):
    return data[: len(data) * twentieth // 20]


def decodes(data, tolerant):
    """0: no picture, 1: a picture of one plain colour, 2: a picture."""
    ImageFile.LOAD_TRUNCATED_IMAGES = tolerant
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        low_high = image.convert("L").getextrema()
        return 1 if low_high[0] == low_high[1] else 2
    except Exception:  # noqa: BLE001
        return 0


def main(corpora):
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = 200_000_000 // 2  # Pillow raises at twice this
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["file", "damage", "files", "pillow_strict", "pillow_tolerant", "pillow_not_plain"])
    for name in FILES:
        with open(f"{corpora}/hostile-images/{name}", "rb") as f:
            data = f.read()
        for damage, files in (
            ("mutated", [mutated(data, seed) for seed in range(1, 301)]),
            ("truncated", [truncated(data, n) for n in range(1, 20)]),
        ):
            strict = sum(decodes(each, False) > 0 for each in files)
            tolerant = [decodes(each, True) for each in files]
            out.writerow([name, damage, len(files), strict, len(files) - tolerant.count(0), tolerant.count(2)])


if __name__ == "__main__":
    main(sys.argv[1])
