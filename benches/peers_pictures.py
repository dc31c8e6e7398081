#!/usr/bin/env python3
"""The hashes of a folder of pictures by the Python packages pdqhash and ImageHash, on two processes:
what peers.sh compares a scan with. PDQ with its eight turns, pHash, dHash, aHash, MD5 and SHA-256.

usage: peers_pictures.py FOLDER
"""
import hashlib
import multiprocessing
import pathlib
import sys

import imagehash
import numpy
import pdqhash
from PIL import Image


def hashes(path):
    content = path.read_bytes()
    digests = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    image = Image.open(path).convert("RGB")
    pdq, quality = pdqhash.compute_dihedral(numpy.asarray(image))
    others = imagehash.phash(image), imagehash.dhash(image), imagehash.average_hash(image)
    return digests, len(pdq), quality, tuple(map(str, others))


if __name__ == "__main__":
    files = sorted(path for path in pathlib.Path(sys.argv[1]).rglob("*") if path.is_file())
    with multiprocessing.Pool(2) as pool:
        print(len(pool.map(hashes, files, chunksize=16)))
