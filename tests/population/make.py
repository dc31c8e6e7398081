#!/usr/bin/env python3
"""Makes population `unrelated-1`: pictures of which no two show the same thing.

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0 numpy==2.4.6
    venv/bin/python make.py CORPORA > population.pgm

CORPORA is the folder of public test data. Pictures go to standard output as binary PGM, one after
the other, each named in its comment line `kind/number`. Everything but the crops is drawn by this
file from SEED, so a second run gives the same bytes.

What is drawn is ordinary on purpose and alike within a kind: white pages with text, windows with
menus, axes with bars, heads before a background. That is what unrelated pictures of real life have
in common, and what brings false pairs. No picture is taken out after it was hashed.
"""

import math
import multiprocessing
import pathlib
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SEED = 20261123
CROP = 128
# One picture a scene: other pictures in the corpora are changed copies of these.
PHOTOS = [
    "pdq/exif-rotn-1.jpg",
    "pdq/aaa-orig.jpg",
    "pdq/pen-and-coaster.png",
    "hostile-images/exif_typeerror.jpg",
    "hostile-images/sugarshack_no_data.mpo",
    "hostile-images/tiff_strip_planar_raw.tif",
    "hostile-images/hopper.png",
]
SIZES = [(640, 480), (480, 640), (600, 600), (720, 405), (512, 384), (400, 300), (320, 480)]
PAGES = [(496, 702), (420, 594), (560, 720), (612, 792)]
SCREENS = [(640, 360), (800, 500), (640, 400), (360, 640), (390, 844)]
WORDS = (
    "the of and to in is for on with as at by from report invoice total date name number order "
    "meeting city house river morning account please find attached results table section page "
    "summary value price customer street regards delivery account question answer network system "
    "paper music garden winter machine letter school weather doctor history travel kitchen"
).split()
FONTS = {}


def font(size):
    if size not in FONTS:
        FONTS[size] = ImageFont.load_default(size)
    return FONTS[size]


def pick(rng, items):
    return items[int(rng.integers(len(items)))]


def noise(rng, width, height, coarsest=2, octaves=6, fall=0.55, stretch=1.0):
    """Smooth noise from 0 to 1: random grids of rising fineness, each weaker than the last."""
    total = np.zeros((height, width), np.float32)
    weight, cells = 1.0, float(coarsest)
    for _ in range(octaves):
        columns = max(2, round(cells))
        rows = max(2, round(cells * stretch * height / width))
        grid = rng.random((rows, columns), np.float32)
        total += weight * np.asarray(Image.fromarray(grid).resize((width, height), Image.BICUBIC))
        weight, cells = weight * fall, cells * 2
        if cells > width:
            break
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def picture(values):
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def grain(rng, image, sigma):
    values = np.asarray(image, np.float32)
    return picture(values + np.float32(sigma) * rng.standard_normal(values.shape, np.float32))


def ramp(rng, width, height):
    """Light that falls across the picture in one direction."""
    angle = rng.random() * 2 * math.pi
    x = np.linspace(0, math.cos(angle), width, dtype=np.float32)
    y = np.linspace(0, math.sin(angle), height, dtype=np.float32)
    along = x[None, :] + y[:, None]
    along = (along - along.min()) / (along.max() - along.min())
    low, high = sorted(rng.uniform(20, 240, 2))
    return low + (high - low) * along


def sentence(rng, most):
    return " ".join(pick(rng, WORDS) for _ in range(int(rng.integers(1, most + 1))))


def sky(rng):
    width, height = pick(rng, SIZES)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    top, bottom = rng.uniform(60, 180), rng.uniform(140, 240)
    clouds = noise(rng, width, height, pick(rng, [2, 3, 4]), 7, rng.uniform(0.45, 0.65),
                   rng.uniform(1, 4))
    cover = np.clip((clouds - rng.uniform(0.3, 0.6)) * rng.uniform(1.5, 4), 0, 1)
    values = top + (bottom - top) * y
    values = values * (1 - cover) + (rng.uniform(200, 250) - 60 * clouds) * cover
    return grain(rng, picture(values), 1.5)


def landscape(rng):
    width, height = pick(rng, SIZES)
    image = sky(rng).resize((width, height))
    draw = ImageDraw.Draw(image)
    horizon = rng.uniform(0.3, 0.7)
    layers = int(rng.integers(2, 5))
    for layer in range(layers):
        base = height * (horizon + (1 - horizon) * layer / layers)
        ridge = noise(rng, width, 4, pick(rng, [2, 3, 5]), 7, rng.uniform(0.4, 0.6))[0]
        ridge = base - (ridge - 0.3) * height * rng.uniform(0.1, 0.45)
        shade = int(rng.uniform(120, 200) * (1 - layer / layers) + rng.uniform(10, 50))
        line = [(x, float(ridge[x])) for x in range(width)]
        draw.polygon([(0, height), *line, (width, height)], fill=shade)
    for _ in range(int(rng.integers(0, 12))):
        x, y = rng.uniform(0, width), height * rng.uniform(horizon, 1)
        tall = height * rng.uniform(0.05, 0.4)
        draw.rectangle([x, y - tall, x + tall * 0.06 + 1, y], fill=int(rng.uniform(10, 60)))
        for _ in range(6):
            r = tall * rng.uniform(0.08, 0.25)
            cx, cy = x + rng.normal(0, tall * 0.15), y - tall + rng.normal(0, tall * 0.12)
            draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=int(rng.uniform(20, 110)))
    values = np.asarray(image, np.float32)
    return grain(rng, picture(values + 40 * (noise(rng, width, height, 16, 5, 0.7) - 0.5)), 3)


def objects(rng):
    """Things on a table: shaded shapes that cover each other."""
    width, height = pick(rng, SIZES)
    image = picture(ramp(rng, width, height) + 30 * noise(rng, width, height, 4))
    for _ in range(int(rng.integers(3, 25))):
        mask = Image.new("L", (width, height), 0)
        draw = ImageDraw.Draw(mask)
        cx, cy = rng.uniform(0, width), rng.uniform(0, height)
        w, h = rng.uniform(0.03, 0.3, 2) * width
        shape = int(rng.integers(3))
        if shape == 0:
            draw.ellipse([cx - w, cy - h, cx + w, cy + h], fill=255)
        elif shape == 1:
            draw.rounded_rectangle([cx - w, cy - h, cx + w, cy + h], min(w, h) / 4, fill=255)
        else:
            corners = int(rng.integers(3, 8))
            turns = np.sort(rng.uniform(0, 2 * math.pi, corners))
            draw.polygon([(cx + w * math.cos(t), cy + h * math.sin(t)) for t in turns], fill=255)
        image.paste(picture(ramp(rng, width, height)), mask=mask)
    return grain(rng, image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2))), 2)


def portrait(rng):
    """Head and shoulders before a background: unlike persons, like composition."""
    width, height = pick(rng, SIZES)
    image = picture(ramp(rng, width, height) * 0.6 + 90 * noise(rng, width, height, 3, 4))
    draw = ImageDraw.Draw(image)
    cx, cy = width * rng.uniform(0.35, 0.65), height * rng.uniform(0.35, 0.5)
    r = min(width, height) * rng.uniform(0.12, 0.25)
    skin, hair, cloth = int(rng.uniform(70, 220)), int(rng.uniform(10, 200)), int(rng.uniform(10, 245))
    wide = r * rng.uniform(1.5, 2.6)
    draw.ellipse([cx - wide, cy + r * 1.2, cx + wide, cy + r * 6], fill=cloth)
    draw.rectangle([cx - r * 0.35, cy + r * 0.8, cx + r * 0.35, cy + r * 1.7], fill=skin - 15)
    long = rng.uniform(1.0, 2.4)
    draw.ellipse([cx - r * 1.15, cy - r * 1.5, cx + r * 1.15, cy + r * long], fill=hair)
    draw.ellipse([cx - r * 0.85, cy - r * 1.1, cx + r * 0.85, cy + r * 1.2], fill=skin)
    gaze = rng.normal(0, 0.08) * r
    for side in (-1, 1):
        ex, ey = cx + side * r * rng.uniform(0.3, 0.4) + gaze, cy - r * rng.uniform(0.05, 0.2)
        draw.ellipse([ex - r * 0.15, ey - r * 0.08, ex + r * 0.15, ey + r * 0.08], fill=240)
        draw.ellipse([ex - r * 0.07, ey - r * 0.07, ex + r * 0.07, ey + r * 0.07], fill=20)
        draw.line([ex - r * 0.2, ey - r * 0.25, ex + r * 0.2, ey - r * 0.25], fill=hair, width=3)
    my = cy + r * rng.uniform(0.55, 0.75)
    draw.ellipse([cx - r * 0.3, my - r * 0.06, cx + r * 0.3, my + r * rng.uniform(0.06, 0.2)],
                 fill=int(skin * 0.6))
    values = np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2))), np.float32)
    values = values * (0.6 + 0.4 * ramp(rng, width, height) / 240)
    return grain(rng, picture(values + 20 * (noise(rng, width, height, 12, 4) - 0.5)), 3)


def night(rng):
    width, height = pick(rng, SIZES)
    image = picture(10 + 40 * noise(rng, width, height, 2))
    draw = ImageDraw.Draw(image)
    x = 0.0
    while x < width:
        w, top = rng.uniform(20, 110), height * rng.uniform(0.15, 0.8)
        draw.rectangle([x, top, x + w, height], fill=int(rng.uniform(5, 60)))
        step, share = rng.uniform(8, 18), rng.uniform(0.1, 0.7)
        for wy in np.arange(top + 5, height, step):
            for wx in np.arange(x + 4, x + w - 6, step):
                if rng.random() < share:
                    lit = int(rng.uniform(90, 255))
                    draw.rectangle([wx, wy, wx + step * 0.5, wy + step * 0.6], fill=lit)
        x += w * rng.uniform(0.7, 1.3)
    for _ in range(int(rng.integers(0, 8))):
        cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(4, 50)
        draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=int(rng.uniform(150, 255)))
    return grain(rng, image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 2.5))), 5)


def texture(rng):
    """Boards, tiles, cloth, stone."""
    width, height = pick(rng, SIZES)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    kind = int(rng.integers(4))
    bend = noise(rng, width, height, 2, 4) * rng.uniform(0, 60)
    angle, period = rng.random() * math.pi, rng.uniform(12, 160)
    along = x * math.cos(angle) + y * math.sin(angle) + bend
    across = -x * math.sin(angle) + y * math.cos(angle) + bend
    if kind == 0:
        values = 128 + 70 * np.sin(along * 2 * math.pi / period)
    elif kind == 1:
        values = 90 + 110 * ((along % period > 3) & (across % (period * rng.uniform(0.5, 2)) > 3))
    elif kind == 2:
        values = 128 + 50 * np.sin(along * 6.28 / period) + 50 * np.sin(across * 6.28 / period)
    else:
        values = 255 * noise(rng, width, height, pick(rng, [3, 6, 12]), 7, rng.uniform(0.6, 0.95))
    values = values + rng.uniform(20, 90) * (noise(rng, width, height, 3, 7, 0.7) - 0.5)
    return grain(rng, picture(values * rng.uniform(0.6, 1.0)), 3)


def paragraph(rng, draw, box, size, ink):
    x, y, right, bottom = box
    used = font(size)
    while y + size < bottom:
        full = right if rng.random() < 0.8 else x + (right - x) * rng.uniform(0.2, 0.9)
        at = x
        while True:
            word = pick(rng, WORDS)
            long = used.getlength(word + " ")
            if at + long > full:
                break
            draw.text((at, y), word, fill=ink, font=used)
            at += long
        y += size * 1.4
        if rng.random() < 0.08:
            y += size


def document(rng):
    width, height = pick(rng, PAGES)
    paper = int(rng.uniform(225, 256))
    image = Image.new("L", (width, height), paper)
    draw = ImageDraw.Draw(image)
    ink, margin = int(rng.uniform(0, 60)), int(width * rng.uniform(0.06, 0.14))
    y = margin
    if rng.random() < 0.7:
        draw.text((margin, y), sentence(rng, 4).title(), fill=ink, font=font(int(rng.integers(16, 30))))
        y += 45
    while y < height - margin - 40:
        tall = int(rng.uniform(60, height * 0.5))
        end = min(y + tall, height - margin)
        kind = rng.random()
        if kind < 0.6:
            columns = pick(rng, [1, 1, 1, 2, 3])
            wide = (width - 2 * margin) / columns
            size = int(rng.integers(8, 13))
            for column in range(columns):
                left = margin + column * wide
                paragraph(rng, draw, (left, y, left + wide - 10, end), size, ink)
        elif kind < 0.8:
            rows, columns = int(rng.integers(2, 12)), int(rng.integers(2, 7))
            for row in range(rows + 1):
                at = y + (end - y) * row / rows
                draw.line([margin, at, width - margin, at], fill=ink)
            for column in range(columns + 1):
                at = margin + (width - 2 * margin) * column / columns
                draw.line([at, y, at, end], fill=ink)
            for row in range(rows):
                for column in range(columns):
                    at = (margin + 3 + (width - 2 * margin) * column / columns,
                          y + 2 + (end - y) * row / rows)
                    draw.text(at, str(int(rng.integers(10000))), fill=ink, font=font(9))
        elif kind < 0.93:
            inside = pick(rng, [objects, landscape, chart])(rng)
            wide = int((width - 2 * margin) * rng.uniform(0.4, 1))
            image.paste(inside.resize((wide, max(8, end - y))), (margin, y))
        y = end + int(rng.uniform(8, 40))
    return image


def chart(rng):
    width, height = pick(rng, SIZES)
    dark = rng.random() < 0.15
    image = Image.new("L", (width, height), int(rng.uniform(15, 50) if dark else rng.uniform(235, 256)))
    draw = ImageDraw.Draw(image)
    ink = 220 if dark else 30
    left, top = width * rng.uniform(0.08, 0.15), height * rng.uniform(0.08, 0.18)
    right, bottom = width * rng.uniform(0.8, 0.96), height * rng.uniform(0.8, 0.92)
    draw.text((left, top * 0.3), sentence(rng, 5).title(), fill=ink, font=font(int(rng.integers(12, 24))))
    kind = int(rng.integers(4))
    if kind == 0:
        values = rng.uniform(0.1, 1, int(rng.integers(2, 9)))
        ends = np.cumsum(values) / values.sum() * 360
        r = min(right - left, bottom - top) / 2
        cx, cy = (left + right) / 2, (top + bottom) / 2
        turn = rng.uniform(0, 360)
        for start, end in zip([0, *ends[:-1]], ends):
            draw.pieslice([cx - r, cy - r, cx + r, cy + r], start + turn, end + turn,
                          fill=int(rng.uniform(40, 220)), outline=ink)
        return image
    for step in range(int(rng.integers(3, 9))):
        at = bottom - (bottom - top) * step / 8
        draw.line([left, at, right, at], fill=(ink + 128) // 2)
        draw.text((left * 0.3, at - 6), str(step * 10), fill=ink, font=font(10))
    draw.line([left, top, left, bottom], fill=ink, width=2)
    draw.line([left, bottom, right, bottom], fill=ink, width=2)
    if kind == 1:
        count = int(rng.integers(3, 30))
        for bar, value in enumerate(rng.uniform(0.05, 1, count)):
            x = left + (right - left) * bar / count
            wide = (right - left) / count * rng.uniform(0.6, 0.9)
            draw.rectangle([x + 2, bottom - (bottom - top) * value, x + wide, bottom],
                           fill=int(rng.uniform(60, 200)))
    elif kind == 2:
        for _ in range(int(rng.integers(1, 6))):
            steps = np.cumsum(rng.normal(0, 1, int(rng.integers(5, 120))))
            steps = (steps - steps.min()) / max(float(np.ptp(steps)), 1e-6)
            line = [(left + (right - left) * i / (len(steps) - 1), bottom - (bottom - top) * v)
                    for i, v in enumerate(steps)]
            draw.line(line, fill=int(rng.uniform(20, 200)), width=int(rng.integers(1, 5)))
    else:
        for _ in range(int(rng.integers(20, 300))):
            x, y = rng.normal((left + right) / 2, width / 7), rng.normal((top + bottom) / 2, height / 7)
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=int(rng.uniform(20, 200)))
    return image


def screenshot(rng):
    width, height = pick(rng, SCREENS)
    image = pick(rng, [sky, landscape, texture])(rng).resize((width, height))
    if rng.random() < 0.4 or width < height:
        image = Image.new("L", (width, height), int(pick(rng, [250, 240, 30, 20])))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 4))):
        w, h = width * rng.uniform(0.3, 1), height * rng.uniform(0.3, 1)
        x, y = rng.uniform(0, width - w + 1), rng.uniform(0, height - h + 1)
        dark = rng.random() < 0.25
        back, ink = (30, 220) if dark else (int(rng.uniform(235, 256)), 30)
        draw.rectangle([x, y, x + w, y + h], fill=back, outline=120)
        draw.rectangle([x, y, x + w, y + 20], fill=int(rng.uniform(60, 210)))
        draw.text((x + 6, y + 3), sentence(rng, 4), fill=ink, font=font(11))
        kind = int(rng.integers(4))
        if kind == 0:
            paragraph(rng, draw, (x + 8, y + 28, x + w - 8, y + h - 4), int(rng.integers(9, 13)), ink)
        elif kind == 1:
            step = rng.uniform(36, 90)
            for iy in np.arange(y + 30, y + h - step * 0.8, step):
                for ix in np.arange(x + 10, x + w - step * 0.8, step):
                    draw.rounded_rectangle([ix, iy, ix + step * 0.6, iy + step * 0.55], 5,
                                           fill=int(rng.uniform(40, 230)))
                    draw.text((ix, iy + step * 0.58), pick(rng, WORDS), fill=ink, font=font(9))
        elif kind == 2:
            at = y + 30
            while at < y + h - 30:
                own, wide = rng.random() < 0.5, w * rng.uniform(0.2, 0.6)
                tall = rng.uniform(18, 50)
                bx = x + w - wide - 8 if own else x + 8
                draw.rounded_rectangle([bx, at, bx + wide, min(at + tall, y + h - 4)], 8,
                                       fill=int(rng.uniform(140, 225)))
                draw.text((bx + 6, at + 4), sentence(rng, 4), fill=20, font=font(10))
                at += tall + 8
        else:
            inside = pick(rng, [landscape, objects, portrait, chart])(rng)
            size = (max(8, int(w) - 4), max(8, int(h) - 26))
            image.paste(inside.resize(size), (int(x) + 2, int(y) + 22))
    return image


def plan_map(rng):
    width, height = pick(rng, SIZES)
    land = noise(rng, width, height, pick(rng, [2, 3, 4]), 6)
    image = picture(np.where(land > rng.uniform(0.3, 0.6), rng.uniform(215, 245), rng.uniform(120, 190)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(5, 50))):
        points = [tuple(rng.uniform(0, 1, 2) * (width, height))]
        way = rng.uniform(0, 6.28)
        for _ in range(int(rng.integers(2, 25))):
            way += rng.normal(0, 0.4)
            points.append((points[-1][0] + 40 * math.cos(way), points[-1][1] + 40 * math.sin(way)))
        draw.line(points, fill=int(rng.uniform(50, 255)), width=int(rng.integers(1, 7)))
    for _ in range(int(rng.integers(0, 20))):
        at = tuple(rng.uniform(0, 1, 2) * (width, height))
        draw.text(at, pick(rng, WORDS).title(), fill=20, font=font(int(rng.integers(9, 20))))
    return image


KINDS = {
    "sky": (sky, 900),
    "landscape": (landscape, 1000),
    "objects": (objects, 1000),
    "portrait": (portrait, 1000),
    "night": (night, 900),
    "texture": (texture, 900),
    "document": (document, 1100),
    "chart": (chart, 1100),
    "screenshot": (screenshot, 1100),
    "map": (plan_map, 900),
}


def crops(corpora):
    """Crops that do not overlap, row by row; a rest smaller than a crop is left."""
    for name in PHOTOS:
        photo = Image.open(pathlib.Path(corpora, name)).convert("L")
        for y in range(0, photo.height - CROP + 1, CROP):
            for x in range(0, photo.width - CROP + 1, CROP):
                stem = pathlib.PurePath(name).stem
                yield f"crop/{stem}-{x}-{y}", photo.crop((x, y, x + CROP, y + CROP))


def drawn(job):
    kind, number = job
    order = list(KINDS).index(kind)
    image = KINDS[kind][0](np.random.default_rng([SEED, order, number]))
    return f"{kind}/{number}", image.size, image.tobytes()


def main():
    out = sys.stdout.buffer

    def write(name, size, data):
        out.write(f"P5\n# {name}\n{size[0]} {size[1]}\n255\n".encode() + data)

    for name, image in crops(sys.argv[1]):
        write(name, image.size, image.tobytes())
    jobs = [(kind, number) for kind, (_, count) in KINDS.items() for number in range(count)]
    with multiprocessing.Pool(2) as pool:
        for name, size, data in pool.imap(drawn, jobs, chunksize=20):
            write(name, size, data)


if __name__ == "__main__":
    main()
