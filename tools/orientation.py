#!/usr/bin/env python3
"""Writes test/fixtures/images/oriented.json: small images with each EXIF orientation, and what Pillow makes of them.

    /usr/bin/python3 tools/orientation.py > test/fixtures/images/oriented.json

An image has its file (base64), and the sides and the SHA-256 of the pixels of `exif_transpose` and `convert("RGB")`.
test/data/decode.test.ts compares our decoder with them. Needs Debian's python3-pil.
"""

import base64
import hashlib
import io
import json
import struct
import sys
import zlib

from PIL import Image, ImageOps

HEIGHT, WIDTH = 7, 11


def exif(orientation: int, order: str = "<") -> bytes:
    """A TIFF header and one directory with one entry, tag 0x112, a short."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def pattern(count: int) -> bytes:
    return bytes((71 + i * 37 + (i >> 5) * 11) & 255 for i in range(count))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def encoded(mode: str, kind: str, **options) -> bytes:
    image = Image.frombytes(mode, (WIDTH, HEIGHT), pattern(HEIGHT * WIDTH * len(mode)))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(mode: str, orientation: int, **options) -> bytes:
    return encoded(mode, "JPEG", exif=b"Exif\0\0" + exif(orientation), **options)


def png(mode: str, orientation: int, late: bool = False) -> bytes:
    file, added = encoded(mode, "PNG"), chunk(b"eXIf", exif(orientation, ">"))
    at = len(file) - 12 if late else 33  # before the last chunk, or behind the first
    return file[:at] + added + file[at:]


def deep_png(orientation: int) -> bytes:
    """16 bits a channel, RGB, which Pillow does not write."""
    row = 6 * WIDTH
    values = pattern(HEIGHT * row)
    rows = b"".join(b"\0" + values[y * row : (y + 1) * row] for y in range(HEIGHT))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"eXIf", exif(orientation, ">")), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def webp(mode: str, orientation: int) -> bytes:
    return encoded(mode, "WEBP", lossless=True, exact=True, exif=exif(orientation))


KINDS = {
    "JPEG": lambda o: jpeg("RGB", o),
    "grey JPEG": lambda o: jpeg("L", o),
    "progressive JPEG": lambda o: jpeg("RGB", o, progressive=True),
    "CMYK JPEG": lambda o: jpeg("CMYK", o),
    "progressive CMYK JPEG": lambda o: jpeg("CMYK", o, progressive=True),
    "PNG": lambda o: png("RGB", o),
    "grey PNG": lambda o: png("L", o),
    "PNG with alpha": lambda o: png("RGBA", o),
    "PNG of 16 bits": deep_png,
    "PNG with eXIf behind the pixels": lambda o: png("RGB", o, late=True),
    "WebP": lambda o: webp("RGB", o),
    "WebP with alpha": lambda o: webp("RGBA", o),
}


def entry(kind: str, orientation: int) -> dict:
    file = KINDS[kind](orientation)
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB")
    return {
        "kind": kind,
        "orientation": orientation,
        "height": image.height,
        "width": image.width,
        "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
        "file": base64.b64encode(file).decode(),
    }


if __name__ == "__main__":
    entries = [json.dumps(entry(kind, orientation)) for kind in KINDS for orientation in range(1, 9)]
    sys.stdout.write("[\n" + ",\n".join(entries) + "\n]\n")
