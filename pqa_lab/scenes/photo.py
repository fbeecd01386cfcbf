"""The one door for photos: whatever a person hands in, out comes an RGB array or a sentence that says why not.

Decisions (each is tested on generated files, see ``tests/hostile.py``):

- Formats are an allow-list: JPEG (with the MPO and Ultra HDR files of phones), PNG, WebP, TIFF, HEIC/HEIF.
- At most 60 megapixels are decoded. A larger baseline JPEG passes when ``max_side`` lets the decoder itself scale down;
  a progressive one does not, because its coefficients are held at full size whatever the output size.
- Only pixels leave: no EXIF (so no GPS position), no ICC profile, no file name. Colour profiles are not applied, as in
  all public code of the survey's methods.
- A message never carries a path or the text of a library's exception, which may contain one.
"""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from pqa_lab.errors import InputError

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".bmp")
MAX_MEGAPIXELS = 60
MIN_SIDE = 64  # a smaller *file* shows nothing to judge; arrays and PIL images may be smaller

_GREY = (128, 128, 128, 255)
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_warnings_lock = threading.Lock()

Source = str | os.PathLike | bytes | BinaryIO | Image.Image | np.ndarray


class BadPhoto(InputError):
    """A photo that cannot be used; the text is fit for a person and names no file."""


def load_photo(source: Source, max_side: int | None = None) -> np.ndarray:
    """Read a photo, upright, as 8-bit RGB. Lesson 15.

    Parameters
    ----------
    source : path, bytes, binary file object, PIL image or array
        Arrays are (H, W) or (H, W, 1, 3 or 4): uint8, bool, uint16 (full scale 65535) or float (full scale 1).
    max_side : int, optional
        Longest side of the result in pixels; a smaller photo is left as it is. A large JPEG is then decoded at 1/2, 1/4
        or 1/8 of its size by the decoder itself, which is several times faster than decoding it all.

    Returns
    -------
    np.ndarray, shape (H, W, 3), uint8
        RGB, turned as its EXIF orientation says, transparency laid over mid grey, 16-bit values divided by 257.
        An array that is already of this kind (and not too large) is returned as it is, not copied.

    Raises
    ------
    BadPhoto
        Not a photo, damaged, too small (a side under 64 px, files only) or too large. Thread-safe.

    Examples
    --------
    >>> load_photo(np.zeros((480, 640), np.uint8), max_side=320).shape  # grey becomes RGB
    (240, 320, 3)
    """
    if max_side is not None and max_side < 1:
        raise InputError("max_side must be at least 1 pixel.")
    try:
        if isinstance(source, np.ndarray):
            image = _from_array(source)
            if isinstance(image, np.ndarray) and (max_side is None or max(image.shape[:2]) <= max_side):
                return image
            image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        elif isinstance(source, Image.Image):
            _check_size(*source.size, smallest=1)
            image = _upright_rgb(source)
        else:
            image = _decode(source, max_side)
        return np.array(_shrink(image, max_side))  # (H, W, 3)
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except UnidentifiedImageError:
        raise BadPhoto("This is not a photo file: give a JPEG, PNG, WebP, TIFF or HEIC file.") from None
    except FileNotFoundError:
        raise BadPhoto("The photo is not there (any more): check its name or hand it in again.") from None
    except PermissionError:
        raise BadPhoto("The photo may not be read: change the permissions of the file.") from None
    except MemoryError:
        raise BadPhoto("There is not enough memory to open the photo: hand in a smaller copy.") from None
    except Exception:  # decoders raise nearly everything: OSError, SyntaxError, struct.error, KeyError, ...
        raise BadPhoto("The photo is damaged or cut short: export it again from where it came.") from None


def _decode(source: str | os.PathLike | bytes | BinaryIO, max_side: int | None) -> Image.Image:
    with _quiet():
        image = Image.open(_as_file(source), formats=_formats())  # reads the header only
    with image:
        width, height = image.size
        drafted = None
        if max_side is not None and image.format in ("JPEG", "MPO") and not _huge_progressive(image):
            # The size must have the photo's aspect: for a square one, draft() finds no scale that fits a 4:3 photo.
            drafted = image.draft(None, _fitted(image.size, max_side))
        _check_size(*image.size, smallest=1)
        if min(width, height) < MIN_SIDE:
            raise BadPhoto(
                f"{width} × {height} pixels are too few to judge: both sides must have at least {MIN_SIDE} pixels."
            )
        image.load()
        if drafted is not None:  # its last rows and columns stand for less than a whole pixel: leave that out
            size = _fitted((width, height), max_side)
            image = image.resize(size, Image.Resampling.BICUBIC, box=drafted[1], reducing_gap=3.0)
        return _upright_rgb(image)


def _as_file(source: str | os.PathLike | bytes | BinaryIO) -> Path | BinaryIO:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return BytesIO(source)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.is_dir():
            raise BadPhoto("This is a folder, not a photo: give the files in it.")
        if path.exists() and not path.is_file():  # a pipe or a device could block for ever
            raise BadPhoto("This is not an ordinary file: give a JPEG, PNG, WebP, TIFF or HEIC file.")
        return path
    if hasattr(source, "read"):
        if hasattr(source, "seekable") and source.seekable() and isinstance(source.read(0), bytes):
            return source
        data = source.read()
        if isinstance(data, bytes):
            return BytesIO(data)
        raise BadPhoto("The photo was opened as text: open it in binary mode.")
    raise BadPhoto(f"A photo is a path, bytes, a binary file, a PIL image or an array, not a {type(source).__name__}.")


def _upright_rgb(image: Image.Image) -> Image.Image:
    image.load()
    orientation = _orientation(image)  # after load(): TIFF is turned by Pillow, PNG may carry EXIF behind its pixels
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_to_bytes(np.asarray(image), integer_scale=image.mode.startswith("I;16")))
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, _GREY), image.convert("RGBA"))
    if image.mode != "RGB":
        try:
            image = image.convert("RGB")
        except ValueError:
            raise BadPhoto(f"Colours stored as {image.mode} are not supported: save the photo as RGB.") from None
    return image.transpose(_TURN[orientation]) if orientation in _TURN else image


def _orientation(image: Image.Image) -> int:
    try:
        with _quiet():
            return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # the pixels are fine: broken EXIF must not cost the photo
        return 1


def _from_array(array: np.ndarray) -> np.ndarray | Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise BadPhoto(f"An array of shape {array.shape} is not a photo: it must be (H, W) or (H, W, 3 or 4).")
    _check_size(array.shape[1], array.shape[0], smallest=1)
    if array.dtype == np.uint8:
        pixels = array
    elif array.dtype == np.bool_:
        pixels = array.astype(np.uint8) * 255
    elif array.dtype == np.uint16:
        pixels = _to_bytes(array, integer_scale=True)
    elif np.issubdtype(array.dtype, np.floating):
        pixels = (np.nan_to_num(array.astype(np.float32)).clip(0, 1) * 255).round().astype(np.uint8)
    else:
        raise BadPhoto(f"An array of {array.dtype} is not a photo: use uint8, uint16, bool or float in [0, 1].")
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return np.ascontiguousarray(pixels)
    return _upright_rgb(Image.fromarray(pixels))


def _to_bytes(values: np.ndarray, integer_scale: bool) -> np.ndarray:
    """Grey levels of any depth to 0..255; without a declared depth the largest value tells the scale."""
    values = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    top = float(values.max(initial=0.0))
    if integer_scale or 255 < top <= 65535:
        values = values / 257
    elif top > 65535:
        values = values * (255 / top)
    elif 0 < top <= 1:  # a float image in [0, 1]
        values = values * 255
    return values.clip(0, 255).round().astype(np.uint8)


def _shrink(image: Image.Image, max_side: int | None) -> Image.Image:
    if max_side is None or max(image.size) <= max_side:
        return image
    return image.resize(_fitted(image.size, max_side), Image.Resampling.BICUBIC, reducing_gap=3.0)


def _fitted(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """``size`` scaled so that the longer side has ``max_side`` pixels, where it has more."""
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _check_size(width: int, height: int, smallest: int) -> None:
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise _too_large()
    if min(width, height) < smallest:
        raise BadPhoto("The photo has no pixels: hand in another one.")


def _too_large() -> BadPhoto:
    return BadPhoto(f"The photo has more than {MAX_MEGAPIXELS} megapixels: hand in a smaller copy.")


def _huge_progressive(image: Image.Image) -> bool:
    width, height = image.size
    return bool(image.info.get("progressive")) and width * height > MAX_MEGAPIXELS * 1_000_000


@cache
def _formats() -> tuple[str, ...]:
    # "MPO" is not a registered name: such files open as JPEG. GIF, EPS, PSD, FITS, ... stay closed on purpose.
    formats = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")  # BMP: part of LIVE in the Wild
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return formats
    register_heif_opener()
    return (*formats, "HEIF")


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings on the screen while headers are read; locked, since the filters belong to the whole process."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
