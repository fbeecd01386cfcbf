"""Textures from numbers: lattice noise, cloth, and dead leaves (which have the statistics of natural pictures)."""

from __future__ import annotations

import numpy as np

from pqa_lab.simulation.pixels import blur

_SIDE = 256
_CELLS = np.random.default_rng(20240411).standard_normal(_SIDE * _SIDE).astype(np.float32)


def noise(u: np.ndarray, v: np.ndarray, seed: int = 0) -> np.ndarray:
    """Smooth random field of unit grid, mean 0, SD about 0.6, at the points (u, v); any shape, periodic over 256."""
    u, v = (np.asarray(w, np.float32) for w in (u, v))
    i, j = np.floor(u), np.floor(v)
    a, b = u - i, v - j
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    # A power of two as the period makes "modulo" one bitwise and.
    i, j = ((w.astype(np.int32) + step * seed % _SIDE) & (_SIDE - 1) for w, step in ((i, 37), (j, 101)))
    low, right = i * _SIDE, (j + 1) & (_SIDE - 1)
    high = (low + _SIDE) & (_SIDE * _SIDE - 1)
    top, bottom = _CELLS.take(low + j), _CELLS.take(high + j)
    top += b * (_CELLS.take(low + right) - top)
    bottom += b * (_CELLS.take(high + right) - bottom)
    return top + a * (bottom - top)


def fractal(u: np.ndarray, v: np.ndarray, octaves: int = 4, seed: int = 0, gain: float = 0.55) -> np.ndarray:
    """Sum of ``octaves`` of :func:`noise`, each twice as fine and ``gain`` times as strong."""
    return sum(gain**k * noise(u * 2**k, v * 2**k, seed + k) for k in range(octaves))


def cloth(kind: str, u: np.ndarray, v: np.ndarray, colours, scale: float = 1.0) -> np.ndarray:
    """Linear reflectance (..., 3) of a fabric at (u, v), in units of half a head (about 11 cm).

    ``scale`` enlarges the pattern: 1 gives threads of 3 to 8 mm, the finest that a 256-pixel portrait can show.
    """
    first, second = (np.array(c, np.float32) for c in colours)
    u, v = u / scale, v / scale
    fuzz = 1 + 0.12 * noise(u * 40, v * 40, 5)
    if kind == "knit":
        # Rows of V-shaped stitches.
        stitch = np.abs((u * 14) % 1 - 0.5) * 2
        row = np.sin(2 * np.pi * (v * 14 + 0.5 * stitch))
        shade, mix = 0.72 + 0.28 * row * (0.4 + 0.6 * stitch), 0.0
    elif kind == "weave":
        # Warp over weft in two shades: tweed.
        warp, weft = np.sin(2 * np.pi * u * 20), np.sin(2 * np.pi * v * 20)
        shade, mix = 0.85 + 0.15 * warp * weft, 0.5 + 0.5 * np.sign(warp * weft) * 0.7 + 0.3 * noise(u * 20, v * 20, 9)
    elif kind == "stripes":
        shade, mix = 0.95, np.clip(0.5 + 3 * np.sin(2 * np.pi * v * 4.5), 0, 1)
    elif kind == "plaid":
        bars = np.clip(0.5 + 3 * np.sin(2 * np.pi * u * 2.5), 0, 1) + np.clip(
            0.5 + 3 * np.sin(2 * np.pi * v * 2.5), 0, 1
        )
        shade, mix = 0.92 + 0.08 * np.sin(2 * np.pi * (u + v) * 22), bars / 2
    elif kind == "dots":
        x, y = (u * 4) % 1 - 0.5, (v * 4) % 1 - 0.5
        shade, mix = 0.95, np.clip((0.28 - np.hypot(x, y)) * 14, 0, 1)
    else:
        shade, mix = 0.95 + 0.05 * np.sin(2 * np.pi * (u - v) * 26), 0.0
    colour = first + np.clip(np.asarray(mix, np.float32), 0, 1)[..., None] * (second - first)
    return (colour * (shade * fuzz)[..., None]).astype(np.float32)


def dead_leaves(
    shape: tuple[int, int],
    rng: np.random.Generator,
    palette: np.ndarray,
    count: int = 1500,
    radii: tuple[float, float] = (2.0, 60.0),
    leaf: float = 1.0,
    texture: float = 0.2,
) -> np.ndarray:
    """Dead leaves (Matheron 1968; Lee, Mumford & Huang 2001): opaque shapes fall one over another.

    Radii have the density r^-3 between the bounds, which makes the picture scale invariant: its power spectrum falls
    like that of a photograph, about 1 / f^2.

    Parameters
    ----------
    shape : (H, W)
    rng : numpy Generator
    palette : ndarray (K, 3)
        Linear colours; each shape takes one, varied in lightness.
    count : int
        Shapes; the ground below is the palette's mean.
    radii : (smallest, largest) in pixels
    leaf : float
        Ratio of the axes: 1 gives discs, 0.4 leaves.
    texture : float
        Strength of the shading inside a shape.

    Returns
    -------
    ndarray (H, W, 3) float32, linear
    """
    height, width = shape
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = palette.mean(0)
    low, high = radii
    # Inverse of the cumulative distribution of r^-3 on [low, high]; small shapes fall last so that few are hidden.
    r = 1 / np.sqrt(1 / high**2 + rng.random(count) * (1 / low**2 - 1 / high**2))
    r = np.where(np.arange(count) < count // 3, np.sort(r)[::-1], r)
    x, y = rng.uniform(-0.05, 1.05, count) * width, rng.uniform(-0.05, 1.05, count) * height
    angle, shade = rng.uniform(0, np.pi, count), np.exp(0.35 * rng.standard_normal(count))
    colour = palette[rng.integers(len(palette), size=count)] * shade[:, None]
    slope = texture * rng.standard_normal((count, 2))
    for k in range(count):
        reach = r[k] + 1
        top, bottom = max(0, int(y[k] - reach)), min(height, int(y[k] + reach) + 2)
        left, right = max(0, int(x[k] - reach)), min(width, int(x[k] + reach) + 2)
        if top >= bottom or left >= right:
            continue
        dy, dx = np.ogrid[top - y[k] : bottom - y[k] - 0.5, left - x[k] : right - x[k] - 0.5]
        a = (dx * np.cos(angle[k]) + dy * np.sin(angle[k])) / r[k]
        b = (dy * np.cos(angle[k]) - dx * np.sin(angle[k])) / (r[k] * leaf)
        cover = np.clip((1 - np.sqrt(a * a + b * b)) * r[k] * leaf + 0.5, 0, 1)[..., None]
        lit = np.clip(1 + slope[k, 0] * a + slope[k, 1] * b, 0.2, 2)[..., None]
        patch = picture[top:bottom, left:right]
        patch += cover * (lit * colour[k] - patch)
    return picture


def bokeh(
    shape: tuple[int, int], rng: np.random.Generator, count: int, radius: float, warmth: float = 0.6
) -> np.ndarray:
    """Lamps out of focus: bright discs that add up, linear and unbounded; (H, W, 3)."""
    height, width = shape
    picture = np.zeros((height, width, 3), np.float32)
    for _ in range(count):
        r = radius * rng.uniform(0.6, 1.4)
        cy, cx = rng.uniform(0, 0.8) * height, rng.uniform(0, 1) * width
        colour = np.array([1.0, 0.62, 0.28]) if rng.random() < warmth else rng.uniform(0.2, 1.0, 3)
        power = np.exp(rng.normal(-0.6, 0.9))
        top, bottom = max(0, int(cy - r - 1)), min(height, int(cy + r + 2))
        left, right = max(0, int(cx - r - 1)), min(width, int(cx + r + 2))
        if top >= bottom or left >= right:
            continue
        dy, dx = np.ogrid[top - cy : bottom - cy - 0.5, left - cx : right - cx - 0.5]
        gap = np.hypot(dx, dy)
        # A lens gathers a little more light at the rim of the disc.
        disc = np.clip(r - gap + 0.5, 0, 1) * (0.8 + 0.35 * (gap / r) ** 4)
        picture[top:bottom, left:right] += power * disc[..., None] * colour.astype(np.float32)
    return blur(picture, 0.6)
