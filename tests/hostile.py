"""Photos as people and attackers hand them in, written to a folder: odd but fine ones, and ones to refuse.

    cases = write_hostile(folder)      # {file name: phrase of the refusal, or None if it must load}
    cases = write_hostile(folder, only={"exif_6.jpg", "bomb.png"})

Every file that must load shows ``TARGET``: four coloured quarters, upright.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

HEIGHT, WIDTH = 96, 144
COLOURS = np.array([[[200, 40, 40], [40, 160, 60]], [[40, 60, 200], [220, 210, 60]]], np.uint8)  # (2, 2, 3)
TARGET = COLOURS.repeat(HEIGHT // 2, 0).repeat(WIDTH // 2, 1)  # (96, 144, 3)
GREY_TARGET = np.asarray(Image.fromarray(TARGET).convert("L"))

NOT_A_PHOTO = "not a photo"
DAMAGED = "damaged"
TOO_LARGE = "megapixels"
TOO_SMALL = "too few"
# What a file stored with orientation k must be turned by to stand upright, so what undoes it here.
_STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def encode(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(np.ascontiguousarray(image))
    buffer = io.BytesIO()
    if kind == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def oriented(kind: str, orientation: int, gps: bool = False, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if gps:
        exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    return encode(_STORED.get(orientation, _STORED[1])(TARGET), kind, exif=exif.tobytes(), **options)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG by hand, for what Pillow does not write (16-bit RGB, sizes that lie)."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows, 1))
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def tiff(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def jpeg_that_claims(width: int, height: int, **options) -> bytes:
    data = bytearray(encode(TARGET, "JPEG", **options))
    start = max(
        data.find(b"\xff\xc0"), data.find(b"\xff\xc2")
    )  # the frame header: marker, length, depth, height, width
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("photo.jpg", encode(TARGET, "JPEG"))
    return buffer.getvalue()


def with_alpha(kind: str, **options) -> bytes:
    """The target, hidden in its middle: mid grey must show there."""
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[40:56, 60:84] = 0
    return encode(np.dstack([TARGET, alpha]), kind, **options)


def frames(kind: str, **options) -> bytes:
    return encode(TARGET, kind, save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT))], **options)


def broken_exif() -> bytes:
    data = encode(TARGET, "JPEG")
    body = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12" * 40
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def palette(**options) -> bytes:
    return encode(Image.fromarray(TARGET).quantize(16), "PNG", **options)


JPEG = encode(TARGET, "JPEG", quality=95)
RGB16 = TARGET.astype(np.uint16) * 257
ROWS16 = b"".join(b"\0" + row.tobytes() for row in RGB16.astype(">u2"))

FINE: dict[str, Callable[[], bytes]] = {
    **{f"exif_{k}.jpg": (lambda k=k: oriented("JPEG", k, quality=95)) for k in range(1, 9)},
    "exif_9_unknown.jpg": lambda: oriented("JPEG", 9, quality=95),
    "exif_6.png": lambda: oriented("PNG", 6),
    "exif_6.webp": lambda: oriented("WEBP", 6, quality=95),
    "exif_6.tif": lambda: oriented("TIFF", 6),
    "exif_6.heic": lambda: oriented("HEIF", 6, quality=95),
    "exif_gps.jpg": lambda: oriented("JPEG", 8, gps=True, quality=95),
    "exif_broken.jpg": broken_exif,
    "icc_nonsense.jpg": lambda: encode(TARGET, "JPEG", quality=95, icc_profile=b"not a profile"),
    "cmyk.jpg": lambda: encode(Image.fromarray(TARGET).convert("CMYK"), "JPEG", quality=95),
    "cmyk.tif": lambda: encode(Image.fromarray(TARGET).convert("CMYK"), "TIFF"),
    "jpeg_inside.tif": lambda: encode(TARGET, "TIFF", compression="jpeg", quality=95),
    "progressive.jpg": lambda: encode(TARGET, "JPEG", quality=95, progressive=True),
    "trailing_rubbish.jpg": lambda: JPEG + b"\0rubbish" * 99,
    "really_a_jpeg.png": lambda: JPEG,
    "<img src=x onerror=alert(1)>.jpg": lambda: JPEG,
    "名前 é ' $(x).jpeg": lambda: JPEG,
    "mpo.jpg": lambda: frames("MPO", quality=95),
    "rgb16.png": lambda: png(WIDTH, HEIGHT, 16, 2, ROWS16),
    "rgb16.tif": lambda: tiff(RGB16, photometric="rgb"),
    "rgba.png": lambda: with_alpha("PNG"),
    "rgba.webp": lambda: with_alpha("WEBP", lossless=True),
    "rgba.tif": lambda: with_alpha("TIFF"),
    "transparent_colour.png": lambda: encode(TARGET, "PNG", transparency=(1, 2, 3)),
    "palette.png": palette,
    "palette_transparent.png": lambda: palette(transparency=b"\xff" * 16),
    "animated.webp": lambda: frames("WEBP", lossless=True),
    "animated.png": lambda: frames("PNG"),
    "pages.tif": lambda: frames("TIFF"),
    "lzw.TIFF": lambda: encode(TARGET, "TIFF", compression="tiff_lzw"),
    "plain.heic": lambda: encode(TARGET, "HEIF", quality=95),
    "bitmap.bmp": lambda: encode(TARGET, "BMP"),
}
GREY: dict[str, Callable[[], bytes]] = {
    "grey.jpg": lambda: encode(GREY_TARGET, "JPEG", quality=95),
    "grey16.png": lambda: encode(GREY_TARGET.astype(np.uint16) * 257, "PNG"),
    "grey16.tif": lambda: tiff(GREY_TARGET.astype(np.uint16) * 257),
    "grey16_bigendian.tif": lambda: tiff(GREY_TARGET.astype(np.uint16) * 257, byteorder=">"),
    "grey_float.tif": lambda: tiff(GREY_TARGET.astype(np.float32) / 255),
    "grey_int32.tif": lambda: tiff(GREY_TARGET.astype(np.int32)),
    "grey_alpha.png": lambda: encode(Image.fromarray(GREY_TARGET).convert("LA"), "PNG"),
}
BILEVEL: dict[str, Callable[[], bytes]] = {
    "bilevel.png": lambda: encode(Image.fromarray(GREY_TARGET > 100), "PNG"),
    "bilevel_fax.tif": lambda: encode(Image.fromarray(GREY_TARGET > 100), "TIFF", compression="group4"),
}
REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty.jpg": (NOT_A_PHOTO, lambda: b""),
    "text.jpg": (NOT_A_PHOTO, lambda: b"a letter to my aunt\n" * 50),
    "page.html.jpg": (NOT_A_PHOTO, lambda: b"<html><script>alert(1)</script></html>"),
    "drawing.svg.png": (
        NOT_A_PHOTO,
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///x'/></svg>",
    ),
    "archive.jpg": (NOT_A_PHOTO, archive),
    "still.gif": (NOT_A_PHOTO, lambda: encode(TARGET, "GIF")),
    "gif.jpg": (NOT_A_PHOTO, lambda: frames("GIF")),
    "postscript.jpg": (NOT_A_PHOTO, lambda: encode(TARGET, "EPS")),
    "document.jpg": (NOT_A_PHOTO, lambda: encode(TARGET, "PDF")),
    "layers.jpg": (NOT_A_PHOTO, lambda: b"8BPS\0\1" + bytes(200)),
    "icon.png": (NOT_A_PHOTO, lambda: encode(TARGET, "ICO")),
    "portable.jpg": (NOT_A_PHOTO, lambda: encode(TARGET, "PPM")),
    "film.heic": (NOT_A_PHOTO, lambda: struct.pack(">I", 24) + b"ftypmp42" + bytes(400)),
    "magic_only.jpg": (NOT_A_PHOTO, lambda: b"\xff\xd8\xff\xe0" + bytes(40)),
    "riff_only.webp": (NOT_A_PHOTO, lambda: b"RIFF\x10\0\0\0WEBP" + bytes(8)),
    "noise.jpg": (NOT_A_PHOTO, lambda: np.random.default_rng(0).bytes(5000)),
    "cut.jpg": (DAMAGED, lambda: JPEG[: len(JPEG) * 2 // 3]),
    "cut.png": (DAMAGED, lambda: (data := png(WIDTH, HEIGHT, 16, 2, ROWS16))[: len(data) * 2 // 3]),
    "cut.tif": ("", lambda: (data := tiff(RGB16, photometric="rgb"))[: len(data) // 2]),
    "cut.webp": ("", lambda: (data := encode(TARGET, "WEBP"))[: len(data) // 2]),
    "cut.heic": ("", lambda: (data := encode(TARGET, "HEIF"))[: len(data) // 2]),
    "checksum.png": (DAMAGED, lambda: png(WIDTH, HEIGHT, 8, 2, b"\0" * 100)),
    "text_bomb.png": (
        "",
        lambda: png(64, 64, 8, 0, b"\0" * 4160, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 26), 1))),
    ),
    "bomb.png": (TOO_LARGE, lambda: png(12000, 12000, 8, 0, bytes(12000 * 12001))),
    "bomb_30000.png": (TOO_LARGE, lambda: png(30000, 30000, 1, 0, bytes(30000 * 3751))),
    "claims_4_gigapixels.png": (TOO_LARGE, lambda: png(65535, 65535, 8, 2, b"")),
    "claims_4_gigapixels.jpg": (TOO_LARGE, lambda: jpeg_that_claims(65500, 65500)),
    "claims_70_megapixels_progressive.jpg": (TOO_LARGE, lambda: jpeg_that_claims(10000, 7000, progressive=True)),
    "claims_100_megapixels.tif": (
        TOO_LARGE,
        lambda: tiff(np.zeros((10000, 10000), np.uint8), compression="zlib", compressionargs={"level": 1}),
    ),
    "one_pixel.png": (TOO_SMALL, lambda: encode(Image.new("RGB", (1, 1)), "PNG")),
    "thread.png": (TOO_SMALL, lambda: encode(Image.new("RGB", (1, 60000)), "PNG")),
    "tiny.jpg": (TOO_SMALL, lambda: encode(Image.new("RGB", (63, 200)), "JPEG")),
}


def write_hostile(folder: Path, only: set[str] | None = None) -> dict[str, str | None]:
    """Write the files (by name, or all) and say of each what the refusal must contain; None: it must load."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    makers = {name: (None, make) for name, make in {**FINE, **GREY, **BILEVEL}.items()} | REFUSED
    chosen = {name: makers[name] for name in makers if only is None or name in only}
    for name, (_, make) in chosen.items():
        (folder / name).write_bytes(make())
    return {name: phrase for name, (phrase, _) in chosen.items()}
