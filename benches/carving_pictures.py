"""Pictures and a few documents that are drawn, not taken, for benches/carving.py.

Every file comes from a `numpy.random.Generator`: the same generator state gives the same bytes
with the same Pillow. What is drawn is layered noise (octaves of cloud, as in sky, skin and walls),
a gradient, shapes with edges and grain of a sensor, because a carver lives on the entropy of real
pictures: flat drawings would make broken joins look valid.
"""
import io
import struct
import zipfile

import numpy as np
from PIL import Image, ImageDraw

Rng = np.random.Generator

JPEG_FLAVOURS = ("baseline", "progressive", "optimized", "restart", "444", "grey", "exif-thumbnail")
PICTURE_KINDS = ("jpg", "png", "gif", "webp", "bmp", "tif", "avif")
DOCUMENT_KINDS = ("mp4", "zip", "pdf")


def scene(rng: Rng, width: int, height: int) -> Image.Image:
    """One RGB picture with the spectrum of a photograph."""
    canvas = np.zeros((height, width, 3), np.float32)
    cells, weight = 3, 80.0
    while cells < 200 and weight > 1:
        small = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        big = small.resize((width, height), Image.Resampling.BICUBIC)
        canvas += (np.asarray(big, np.float32) / 255 - 0.5) * weight
        cells, weight = cells * 3, weight * 0.55
    ends = rng.integers(30, 226, (2, 3)).astype(np.float32)
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    canvas += ends[0] * (1 - ramp) + ends[1] * ramp
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 25))):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        a, b = (int(v) for v in rng.integers(2, max(4, width // 6), 2))
        fill = tuple(int(v) for v in rng.integers(0, 256, 3))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x - a, y - b, x + a, y + b), fill)
    sigma = float(rng.uniform(3, 9))
    grain = rng.normal(0, sigma, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(image, np.float32) + grain, 0, 255).astype(np.uint8))


def dimensions(rng: Rng, smallest: int, largest: int) -> tuple[int, int]:
    """Width and height of 4:3 or 3:4, the long side evenly spread over the logarithm."""
    long = int(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
    return (long, long * 3 // 4) if rng.random() < 0.7 else (long * 3 // 4, long)


def saved(image: Image.Image, form: str, **how) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **how)
    return buffer.getvalue()


def exif(rng: Rng, thumbnail: bytes) -> bytes:
    """An APP1 payload as cameras write it: IFD0 with make and model, IFD1 with the thumbnail."""
    texts = [(0x010F, b"Example\0"), (0x0110, b"Camera %03d\0" % rng.integers(1000)), (0x0132, b"2019:07:%02d 12:00:00\0" % rng.integers(1, 29))]
    at = 8 + 2 + 12 * len(texts) + 4
    first, area = struct.pack("<H", len(texts)), b""
    for tag, text in texts:
        first += struct.pack("<HHII", tag, 2, len(text), at + len(area))
        area += text
    second_at = at + len(area)
    thumb_at = second_at + 2 + 12 * 3 + 4
    second = struct.pack("<H", 3)
    second += struct.pack("<HHIHH", 0x0103, 3, 1, 6, 0)
    second += struct.pack("<HHII", 0x0201, 4, 1, thumb_at)
    second += struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail)) + bytes(4)
    return b"Exif\0\0II*\0\x08\0\0\0" + first + struct.pack("<I", second_at) + area + second + thumbnail


def jpeg(rng: Rng, flavour: str, smallest: int, largest: int) -> tuple[bytes, list[bytes]]:
    image = scene(rng, *dimensions(rng, smallest, largest))
    how: dict = {"quality": int(rng.integers(70, 96)), "subsampling": 2}
    inside: list[bytes] = []
    if flavour == "progressive":
        how["progressive"] = True
    elif flavour == "optimized":
        how["optimize"] = True
    elif flavour == "restart":
        how["restart_marker_rows"] = 1
    elif flavour == "444":
        how["subsampling"] = 0
    elif flavour == "grey":
        image = image.convert("L")
        del how["subsampling"]
    elif flavour == "exif-thumbnail":
        inside = [saved(image.resize((160, 120)), "JPEG", quality=75)]
        how["exif"] = exif(rng, inside[0])
    return saved(image, "JPEG", **how), inside


def tiff(rng: Rng, largest: int) -> tuple[bytes, str]:
    how = str(rng.choice(["raw", "tiff_lzw", "tiff_adobe_deflate"]))
    image = scene(rng, *dimensions(rng, 100, min(largest, 500)))
    return saved(image, "TIFF", compression=None if how == "raw" else how), how


def gif(rng: Rng, largest: int) -> tuple[bytes, str]:
    size = dimensions(rng, 120, min(largest, 600))
    frames = [scene(rng, *size).quantize(128) for _ in range(1 if rng.random() < 0.6 else 3)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), f"{len(frames)} frames"


def webp(rng: Rng, largest: int) -> tuple[bytes, str]:
    flavour = str(rng.choice(["lossy", "lossy", "lossless", "animated"]))
    size = dimensions(rng, 200, min(largest, 1200 if flavour == "lossy" else 350))
    if flavour == "animated":
        frames = [scene(rng, *size) for _ in range(3)]
        return saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=80), flavour
    return saved(scene(rng, *size), "WEBP", quality=85, lossless=flavour == "lossless", method=2), flavour


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def mp4(rng: Rng) -> bytes:
    """Boxes in the order of a telephone's recording: ftyp, mdat, moov with a header only."""
    samples = rng.bytes(int(rng.integers(20_000, 900_000)))
    header = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 4000) + struct.pack(">IHH", 0x10000, 0x100, 0) + bytes(8) + struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000) + bytes(24) + struct.pack(">I", 2))
    return box(b"ftyp", b"isom\0\0\2\0isomiso2mp41") + box(b"mdat", samples) + box(b"moov", header)


def archive(rng: Rng) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for n in range(int(rng.integers(2, 9))):
            entry = zipfile.ZipInfo(f"folder/part{n}.txt", (2019, 7, 1, 12, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED if n % 2 else zipfile.ZIP_STORED
            out.writestr(entry, words(rng, int(rng.integers(3_000, 60_000))) if n % 3 else rng.bytes(9_000))
    return buffer.getvalue()


def pdf(rng: Rng) -> tuple[bytes, list[bytes]]:
    image = scene(rng, *dimensions(rng, 300, 900))
    when = (2019, 7, 1, 12, 0, 0, 0, 0, 0)
    import time
    data = saved(image, "PDF", quality=80, creationDate=time.struct_time(when), modDate=time.struct_time(when))
    start = data.find(b"\xff\xd8\xff")
    end = data.find(b"\nendstream", start)
    return data, [data[start:end]] if 0 <= start < end else []


def small(rng: Rng, limit: int) -> tuple[bytes, str, str, list[bytes]]:
    """A picture of at most `limit` bytes, for slack."""
    while True:
        kind = str(rng.choice(["jpg", "jpg", "jpg", "png", "gif", "webp"]))
        width = int(rng.integers(64, 320))
        image = scene(rng, width, width * 3 // 4)
        if kind == "jpg":
            flavour = "progressive" if rng.random() < 0.25 else "baseline"
            data = saved(image, "JPEG", quality=int(rng.integers(60, 90)), progressive=flavour == "progressive")
        elif kind == "png":
            flavour, data = "palette", saved(image.resize((80, 60)).quantize(64), "PNG")
        elif kind == "gif":
            flavour, data = "1 frames", saved(image.resize((100, 75)).quantize(64), "GIF")
        else:
            flavour, data = "lossy", saved(image, "WEBP", quality=70)
        if len(data) <= limit:
            return data, kind, flavour, []
        limit = max(limit, 2_500)


def make(rng: Rng, kind: str, least: int, most: int) -> tuple[bytes, str, list[bytes]]:
    """One file of `kind`, at least `least` and at most `most` bytes where the kind can do that.

    Returns its bytes, its flavour and the files inside it that a carver may give in their own right
    (EXIF thumbnails, the JPEG stream of a PDF).
    """
    largest = 2200
    while True:
        inside: list[bytes] = []
        if kind == "jpg":
            flavour = str(rng.choice(JPEG_FLAVOURS))
            # One in seven has the dimensions of a camera's file.
            camera = largest >= 2200 and rng.random() < 0.15
            data, inside = jpeg(rng, flavour, *((1800, 3000) if camera else (320, largest)))
        elif kind == "png":
            flavour = str(rng.choice(["rgb", "rgb", "grey", "palette"]))
            image = scene(rng, *dimensions(rng, 120, min(largest, 700)))
            image = image.convert("L") if flavour == "grey" else image.quantize(200) if flavour == "palette" else image
            data = saved(image, "PNG")
        elif kind == "gif":
            data, flavour = gif(rng, largest)
        elif kind == "webp":
            data, flavour = webp(rng, largest)
        elif kind == "bmp":
            flavour = str(rng.choice(["24 bit", "8 bit"]))
            image = scene(rng, *dimensions(rng, 150, min(largest, 700)))
            data = saved(image if flavour == "24 bit" else image.quantize(256), "BMP")
        elif kind == "tif":
            data, flavour = tiff(rng, largest)
        elif kind == "avif":
            flavour, data = "still", saved(scene(rng, *dimensions(rng, 300, 800)), "AVIF", quality=85, speed=9, max_threads=1)
        elif kind == "mp4":
            flavour, data = "mdat before moov", mp4(rng)
        elif kind == "zip":
            flavour, data = "stored and deflated", archive(rng)
        else:
            flavour = "with a JPEG"
            data, inside = pdf(rng)
        if least <= len(data) <= most:
            return data, flavour, inside
        if len(data) > most:
            largest = max(340, largest * 3 // 4)
        else:
            largest = min(2600, largest + 300)


VOCABULARY = "the a of and to evidence invoice meeting summer holiday camera return value if else int char void static const include main house street number total page table report draft letter dear regards kind please find attached north south water light window garden school market paper".split()


def words(rng: Rng, size: int) -> bytes:
    """Text of `size` bytes with lines, sentences and numbers."""
    picks = rng.integers(0, len(VOCABULARY), size // 4 + 8)
    breaks = rng.random(len(picks)) < 0.1
    text = " ".join(VOCABULARY[i] + (",\r\n" if b else "") for i, b in zip(picks, breaks)).encode()
    return (text * (size // len(text) + 1))[:size]


LURES = (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", b"\xff\xd8\xff\xe1\x12\x34Exif\0\0", b"\xff\xd8\xff\xdb\0\x43\0", b"\x89PNG\r\n\x1a\n", b"GIF89a\x20\3\x58\2\xf7\0\0", b"BM\x36\x10\x0e\0\0\0\0\0\x36\0\0\0\x28\0\0\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"RIFF\x10\x20\0\0WEBPVP8 ", b"\0\0\0\x20ftypheic\0\0\0\0", b"PK\3\4\x14\0\0\0\x08\0", b"%PDF-1.4\n")


def filler(rng: Rng, size: int) -> bytes:
    """Content of a file nobody looks for: random, text, zero or an old document, with lures.

    A lure is the beginning of a picture with nothing valid after it, as in programs, documents
    about file formats and the remains of overwritten files; one filler in six holds one.
    """
    pick = rng.random()
    if pick < 0.40:
        data = bytearray(rng.bytes(size))
    elif pick < 0.65:
        data = bytearray(words(rng, size))
    elif pick < 0.80:
        data = bytearray(size)
        data[: min(64, size)] = rng.bytes(min(64, size))
    else:
        # An OLE-like document: header, allocation table of ascending numbers, UTF-16 text, packed part.
        table = struct.pack("<1024I", *range(1, 1025))
        text = words(rng, size // 5 + 2).decode().encode("utf-16-le")
        data = bytearray((b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + table + text + rng.bytes(size))[:size])
    if rng.random() < 1 / 6 and size > 9000:
        lure = LURES[int(rng.integers(len(LURES)))]
        at = int(rng.integers(0, size - len(lure)))
        at = at - at % 4096 if rng.random() < 0.5 else at
        data[at : at + len(lure)] = lure
    return bytes(data)
