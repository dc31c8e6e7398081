"""The media_status that Pillow's behaviour and our list of types lead us to expect of each file.

Usage: expected_media_status.py FOLDER > tests/data/perceptual/expected-media-status.csv
Needs: requirements.txt beside this file. Each picture is opened in a process of its own
(20 s, 2 GiB), because some of them are made to hang or to exhaust memory.

The table is made before our decoders see the files. Its rule:
  type     what Pillow says by content; where Pillow gives no answer, the magic number
  unsupported  the type is none of JPEG (MPO is a JPEG), PNG, GIF, WebP, BMP, TIFF, ICO
  too_large    a side over 65,535 or more than 200,000,000 pixels, read from the header
  ok           Pillow decodes it strictly
  partial      Pillow decodes it only with LOAD_TRUNCATED_IMAGES
  damaged      recognised, and Pillow decodes it in neither way
"""

import csv
import multiprocessing
import os
import resource
import sys
import warnings

OURS = {"JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "TIFF", "ICO"}
MAGIC = [
    (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"),
    (b"BM", "BMP"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"MM\0+", "TIFF"),
    (b"\0\0\1\0", "ICO"),
]


def by_magic(path):
    with open(path, "rb") as f:
        head = f.read(16)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((name for magic, name in MAGIC if head.startswith(magic)), "")


def attempt(path, tolerant, queue):
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    warnings.simplefilter("ignore")
    from PIL import Image, ImageFile

    Image.MAX_IMAGE_PIXELS = None
    ImageFile.LOAD_TRUNCATED_IMAGES = tolerant
    try:
        image = Image.open(path)
    except Exception as error:  # noqa: BLE001 - every way to fail is an answer here
        queue.put(("", 0, 0, "", type(error).__name__))
        return
    kind, (width, height), mode = image.format, image.size, image.mode
    if width > 65535 or height > 65535 or width * height > 200_000_000:
        queue.put((kind, width, height, mode, "too_large"))
        return
    try:
        image.load()
        queue.put((kind, *image.size, mode, ""))
    except BaseException as error:  # noqa: BLE001
        queue.put((kind, width, height, mode, type(error).__name__))


def run(path, tolerant):
    queue = multiprocessing.Queue()
    child = multiprocessing.Process(target=attempt, args=(path, tolerant, queue))
    child.start()
    try:
        return queue.get(timeout=20)
    except Exception:  # noqa: BLE001
        return ("", 0, 0, "", "no answer")
    finally:
        child.kill()
        child.join()


def main(folder):
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["file", "type", "width", "height", "mode", "pillow_strict", "pillow_tolerant", "expected"])
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            continue
        strict, tolerant = run(path, False), run(path, True)
        seen = strict if strict[0] else tolerant
        kind = seen[0] or by_magic(path)
        if kind not in OURS:
            expected = "unsupported"
        elif "too_large" in (strict[4], tolerant[4]):
            expected = "too_large"
        elif not strict[4]:
            expected = "ok"
        elif not tolerant[4]:
            expected = "partial"
        else:
            expected = "damaged"
        out.writerow([name, kind, seen[1], seen[2], seen[3], strict[4] or "ok", tolerant[4] or "ok", expected])


if __name__ == "__main__":
    main(sys.argv[1])
