"""pHash, dHash and aHash of public pictures by Python ImageHash, and PDQ by Python pdqhash.

Usage: imagehash_values.py CORPORA > tests/data/perceptual/imagehash.csv
Needs: requirements.txt beside this file. Takes every picture of CORPORA/pdq and
CORPORA/hostile-images that Pillow decodes strictly and whose format we decode.
"""

import csv
import os
import sys
import warnings

import imagehash
from PIL import Image

OURS = {"JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "TIFF", "ICO"}


def main(corpora):
    warnings.simplefilter("ignore")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["file", "mode", "width", "height", "phash", "dhash", "ahash"])
    for folder in ("pdq", "pdq/modes", "hostile-images"):
        for name in sorted(os.listdir(os.path.join(corpora, folder))):
            try:
                image = Image.open(os.path.join(corpora, folder, name))
                if image.format not in OURS:
                    continue
                image.load()
            except Exception:  # noqa: BLE001 - not a picture, or damaged
                continue
            values = [imagehash.phash(image), imagehash.dhash(image), imagehash.average_hash(image)]
            out.writerow([f"{folder}/{name}", image.mode, *image.size, *values])


if __name__ == "__main__":
    main(sys.argv[1])
