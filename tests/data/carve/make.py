#!/usr/bin/env python3
"""Makes the pictures of this folder, with Pillow: kinds of JPEG and PNG that the tests' own encoders do not write."""
import random
from pathlib import Path
from PIL import Image, ImageFilter

here = Path(__file__).parent
random.seed(8)


def picture(width, height, mode="RGB"):
    """Blurred noise: smooth, with detail at every scale."""
    noise = Image.frombytes("L", (width, height), random.randbytes(width * height))
    layers = [noise.filter(ImageFilter.GaussianBlur(radius)) for radius in (1, 3, 8)]
    coarse = [Image.frombytes("L", (16, 12), random.randbytes(192)).resize((width, height), 3) for _ in range(3)]
    mixed = [Image.blend(layer, base, 0.6) for layer, base in zip(layers, coarse)]
    return Image.merge("RGB", mixed).convert(mode)


picture(480, 320).save(here / "progressive.jpg", quality=88, progressive=True)
picture(480, 320).save(here / "restarts.jpg", quality=85, restart_marker_blocks=7)
picture(240, 160, "L").save(here / "gray.jpg", quality=80)
picture(160, 120, "CMYK").save(here / "cmyk.jpg", quality=80)
picture(333, 211).save(here / "sampled.jpg", quality=80, subsampling="4:2:2")
picture(250, 190).save(here / "optimised.jpg", quality=70, optimize=True)
picture(20, 13).save(here / "tiny.jpg", quality=30, progressive=True)
picture(230, 170).save(here / "chunks.png")
