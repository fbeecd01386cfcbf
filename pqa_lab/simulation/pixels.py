"""The few operations on pixels that the camera, its faults and the portraits share.

Pictures are ``(H, W, 3)`` float32 RGB. *Linear* means proportional to light (1 is a white sheet of paper in the key
light, lamps are brighter); *encoded* means sRGB in [0, 1]. Lengths are in pixels of the picture given; :func:`unit`
says how many pixels make one "pixel of a 256-pixel picture", so that a fault looks the same at every size.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy import ndimage, signal

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709, linear light
_STEPS = 4096


def _decode(codes: np.ndarray) -> np.ndarray:
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _encode(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


_TO_LINEAR = _decode(np.arange(256) / 255)
_TO_SRGB = _encode(np.linspace(0, 1, _STEPS) ** 2)  # finer steps where sRGB is steep


def to_linear(photo: np.ndarray) -> np.ndarray:
    """uint8 sRGB photo -> linear light in [0, 1]."""
    return _TO_LINEAR[photo]


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light -> encoded sRGB in [0, 1], clipped (a table of 4096 steps, error below 1e-4)."""
    place = np.sqrt(np.clip(linear, 0, 1), dtype=np.float32) * (_STEPS - 1)
    low = np.minimum(place.astype(np.int32), _STEPS - 2)
    return _TO_SRGB[low] + (_TO_SRGB[low + 1] - _TO_SRGB[low]) * (place - low)


def to_uint8(encoded: np.ndarray) -> np.ndarray:
    """Encoded sRGB in [0, 1] -> uint8, rounded."""
    return (np.clip(encoded, 0, 1) * 255 + 0.5).astype(np.uint8)


def luminance(linear: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (H, W): Rec. 709 luminance of linear light (of encoded values: luma)."""
    return linear @ LUMINANCE


def unit(picture: np.ndarray) -> float:
    """How many pixels of this picture make one pixel of a 256 x 256 picture."""
    return float(np.sqrt(picture.shape[0] * picture.shape[1]) / 256)


def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur over the first two axes; wide ones run on a reduced picture, which the eye cannot tell."""
    if sigma < 0.05:
        return picture
    if sigma > 8:
        step = int(sigma // 4)
        height, width = picture.shape[:2]
        # Padding by repeating the edge keeps whole blocks, so that the mean of the picture stays in place.
        pad = [(0, -height % step), (0, -width % step)] + [(0, 0)] * (picture.ndim - 2)
        padded = np.pad(picture, pad, mode="edge")
        rows, columns = padded.shape[0] // step, padded.shape[1] // step
        small = padded.reshape(rows, step, columns, step, *picture.shape[2:]).mean((1, 3))
        return enlarge(blur(small, sigma / step), padded.shape[:2])[:height, :width]
    axes = (sigma, sigma) + (0,) * (picture.ndim - 2)
    return ndimage.gaussian_filter(picture, axes, mode="nearest", truncate=3.0)


def enlarge(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear interpolation to ``shape`` with pixel centres aligned; (h, w[, C]) -> (H, W[, C])."""
    for axis, size in enumerate(shape):
        length = picture.shape[axis]
        place = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.minimum(place.astype(int), max(length - 2, 0))
        part = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(picture.ndim)])
        high = np.minimum(low + 1, length - 1)
        picture = picture.take(low, axis) * (1 - part) + picture.take(high, axis) * part
    return picture


def shrink(picture: np.ndarray, factor: int) -> np.ndarray:
    """Mean over blocks of ``factor`` x ``factor`` pixels: what a sensor's pixel does; the rest at the edge is cut."""
    height, width = (n // factor * factor for n in picture.shape[:2])
    blocks = picture[:height, :width].reshape(height // factor, factor, width // factor, factor, *picture.shape[2:])
    return blocks.mean((1, 3), dtype=np.float32)


def disc_kernel(radius: float) -> np.ndarray:
    """The image of a point out of focus: an even disc with a soft rim, sum 1."""
    reach = int(np.ceil(radius + 0.5))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return (kernel / kernel.sum()).astype(np.float32)


def line_kernel(length: float, angle: float) -> np.ndarray:
    """The trace of a point while the camera moves ``length`` pixels along ``angle`` (radians), centred, sum 1."""
    reach = int(np.ceil(length / 2 + 0.5))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = np.abs(x * np.cos(angle) + y * np.sin(angle))
    across = np.abs(-x * np.sin(angle) + y * np.cos(angle))
    kernel = np.clip(length / 2 + 0.5 - along, 0, 1) * np.clip(1 - across, 0, 1)
    return (kernel / kernel.sum()).astype(np.float32)


def convolve(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolution of each channel with a kernel of odd sides; the border repeats the edge."""
    reach = kernel.shape[0] // 2
    padded = np.pad(picture, [(reach, reach), (reach, reach), (0, 0)], mode="edge")
    return signal.oaconvolve(padded, kernel[..., None], mode="valid", axes=(0, 1)).astype(np.float32)


def guided_smooth(picture: np.ndarray, guide: np.ndarray, radius: int, contrast: float) -> np.ndarray:
    """Guided filter (He, Sun & Tang 2010): texture weaker than ``contrast`` is smeared, strong edges stay.

    Both in the same encoded units; ``picture`` (H, W) or (H, W, C), ``guide`` (H, W).
    """
    size = 2 * radius + 1

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values, (size, size) + (0,) * (values.ndim - 2), mode="nearest")

    leader = guide if picture.ndim == 2 else guide[..., None]
    mean_guide, mean_picture = mean(leader), mean(picture)
    # a = cov(guide, picture) / (var(guide) + contrast^2),  b = mean(picture) - a mean(guide)
    variance = np.maximum(mean(leader * leader) - mean_guide**2, 0)
    a = (mean(leader * picture) - mean_guide * mean_picture) / (variance + contrast**2)
    b = mean_picture - a * mean_guide
    return mean(a) * leader + mean(b)


def jpeg_bytes(photo: np.ndarray, quality: int, subsampling: int = 2) -> bytes:
    """The photo as a JPEG file; ``subsampling`` 2 is 4:2:0 (phones), 0 is 4:4:4 (an editor's export)."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=int(quality), subsampling=subsampling)
    return file.getvalue()


def decode_jpeg(data: bytes) -> np.ndarray:
    """JPEG file -> (H, W, 3) uint8."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))
