"""What lies behind the subject, in linear light: foliage, streets, brick, rooms, city nights."""

from __future__ import annotations

import numpy as np

from pqa_lab.simulation.pixels import blur, enlarge
from pqa_lab.simulation.textures import bokeh, dead_leaves, fractal, noise

# Linear palettes.
GREENS = np.array([[0.05, 0.11, 0.025], [0.09, 0.17, 0.04], [0.03, 0.06, 0.02], [0.16, 0.22, 0.07], [0.2, 0.2, 0.08]])
AUTUMN = np.array([[0.3, 0.1, 0.03], [0.35, 0.2, 0.04], [0.12, 0.05, 0.02], [0.1, 0.12, 0.03], [0.45, 0.3, 0.08]])
STREET = np.array([[0.3, 0.28, 0.26], [0.12, 0.12, 0.13], [0.45, 0.4, 0.33], [0.25, 0.09, 0.06], [0.08, 0.13, 0.22]])
PAINTS = np.array([[0.62, 0.58, 0.5], [0.45, 0.5, 0.52], [0.5, 0.42, 0.3], [0.3, 0.36, 0.3], [0.55, 0.35, 0.28]])
KINDS = {
    "outdoor": ("foliage", "autumn", "street", "brick", "skyline", "park"),
    "indoor": ("room", "shelf", "brick", "window", "posters"),
    "lowlight": ("room", "shelf", "lamps", "posters"),
    "night": ("lamps", "windows", "lamps", "street"),
}


def _grid(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns in units of the picture's height, from the top left."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32) / height
    return y, x


def _leaves(shape, rng, palette, leaf=0.45):
    side = min(shape)
    return dead_leaves(shape, rng, palette, 1400, (side / 110, side / 7), leaf, 0.35)


def _street(shape, rng):
    side = min(shape)
    return dead_leaves(shape, rng, STREET * rng.uniform(0.7, 1.3, (len(STREET), 1)), 900, (side / 90, side / 4), 1, 0.3)


def _brick(shape, rng):
    y, x = _grid(shape)
    rows = rng.uniform(11, 17)
    v, u = y * rows, x * rows / 2.6
    row = np.floor(v)
    u = u + 0.5 * (row % 2)
    gap_v, gap_u = np.abs(v - row - 0.5), np.abs(u - np.floor(u) - 0.5)
    mortar = np.maximum(np.clip((gap_v - 0.42) / 0.05, 0, 1), np.clip((gap_u - 0.465) / 0.02, 0, 1))
    own = noise(row * 1.7 + 0.3, np.floor(u) * 2.3 + 0.7, int(rng.integers(99)))
    grain = 0.18 * fractal(x * 60, y * 60, 3, 3) + 0.1 * fractal(x * 7, y * 7, 2, 4)
    red = np.array([0.32, 0.13, 0.08]) if rng.random() < 0.6 else np.array([0.42, 0.36, 0.28])
    wall = red * np.exp(0.35 * own + grain)[..., None]
    return wall + mortar[..., None] * (np.array([0.42, 0.4, 0.37]) * (1 + grain)[..., None] - wall)


def _wall(shape, rng):
    y, x = _grid(shape)
    tint = PAINTS[rng.integers(len(PAINTS))]
    plaster = 1 + 0.05 * fractal(x * 40, y * 40, 3, 7) + 0.1 * fractal(x * 2, y * 2, 2, int(rng.integers(99)))
    fall = np.exp(-((x - rng.uniform(0, 1)) ** 2) * rng.uniform(0.2, 1.2))
    return tint * (plaster * (0.5 + 0.6 * fall))[..., None]


def _panel(picture, rng, top, left, tall, wide, content):
    """Set a picture, a window or a poster with a frame into a wall."""
    height, width = picture.shape[:2]
    first, last = max(int(top * height), 0), min(int((top + tall) * height), height)
    west, east = max(int(left * height), 0), min(int((left + wide) * height), width)
    rim = max(1, height // 90)
    if min(last - first, east - west) < 2 * rim + 4:
        return
    picture[first:last, west:east] = rng.uniform(0.03, 0.5)
    inside = picture[first + rim : last - rim, west + rim : east - rim]
    inside[:] = content(inside.shape[:2])


def _print(shape, rng):
    """A poster: dead leaves in a palette of its own."""
    palette = rng.uniform(0.02, 0.6) + rng.uniform(-0.3, 0.3, (5, 3))
    return dead_leaves(shape, rng, np.clip(palette, 0.02, 0.8), 110, (2.5, max(4, min(shape) / 3)), rng.uniform(0.3, 1))


def _posters(shape, rng):
    picture = _wall(shape, rng)
    for _ in range(int(rng.integers(3, 7))):
        size = (rng.uniform(0.15, 0.4), rng.uniform(0.12, 0.4))
        _panel(picture, rng, rng.uniform(0, 0.6), rng.uniform(-0.1, 0.9), *size, lambda s: _print(s, rng))
    return picture


def _room(shape, rng):
    picture = _wall(shape, rng)
    y, _ = _grid(shape)
    ledge = rng.uniform(0.65, 0.85)
    picture = np.where((y > ledge)[..., None], picture * rng.uniform(0.3, 0.7, 3), picture)
    for _ in range(2):
        size = (rng.uniform(0.15, 0.35), rng.uniform(0.15, 0.3))
        _panel(picture, rng, rng.uniform(0.05, 0.3), rng.uniform(0, 0.8), *size, lambda s: _print(s, rng))
    return picture


def _window(shape, rng):
    picture = _wall(shape, rng)
    outside = lambda s: 3.0 * _leaves(s, rng, GREENS * 1.5) + 0.3  # noqa: E731
    left = rng.choice([-0.1, 0.6])
    for k in range(2):
        _panel(picture, rng, -0.05 + 0.42 * k, left, 0.4, 0.5, outside)
    return picture


def _shelf(shape, rng):
    height, width = shape
    picture = np.full((height, width, 3), 0.05, np.float32) * rng.uniform(0.5, 1.5, 3)
    y, x = _grid(shape)
    shelves = rng.integers(4, 7)
    board = height / shelves
    for k in range(shelves):
        place = 0.0
        while place < width:
            thick = rng.uniform(0.012, 0.04) * height
            tall = board * rng.uniform(0.62, 0.9)
            t, b = int((k + 0.94) * board - tall), int((k + 0.94) * board)
            colour = rng.uniform(0.02, 0.55) * (0.3 + 0.7 * rng.random(3))
            left, right = int(place), max(int(place) + 1, int(place + thick * 0.94))
            across = np.linspace(-1, 1, max(right - left, 1))[: max(0, min(right, width) - left)]
            picture[max(t, 0) : b, left:right] = colour * (1 - 0.5 * across**2)[None, :, None]
            label = t + int(rng.uniform(0.1, 0.7) * (b - t))
            picture[max(label, 0) : label + max(1, height // 80), left:right] = rng.uniform(0.3, 0.7)
            place += thick
        wood = 0.25 + 0.06 * fractal(x * 4, y * 90, 2, k)
        strip = slice(int((k + 0.94) * board), int((k + 1) * board))
        picture[strip] = np.array([1.0, 0.62, 0.36]) * wood[strip, :, None]
    return picture


def _skyline(shape, rng):
    height, width = shape
    y, x = _grid(shape)
    cloud = np.clip(fractal(x * 3, y * 6, 5, int(rng.integers(99))) * 0.5 + 0.3, 0, 1)[..., None]
    sky = np.array([0.22, 0.38, 0.7]) * (0.6 + 0.9 * y[..., None])
    picture = 1.3 * (sky + cloud * (1.1 - sky))
    for _ in range(14):
        left, wide, top = rng.uniform(-0.1, 1) * width, rng.uniform(0.05, 0.22) * width, rng.uniform(0.35, 0.7) * height
        area = (slice(int(top), None), slice(max(int(left), 0), max(int(left + wide), 0)))
        panes = 0.75 + 0.5 * (np.sin(x[area] * 110) > 0) * (np.sin(y[area] * 90) > 0)
        picture[area] = rng.uniform(0.08, 0.4) * (0.8 + 0.4 * rng.random(3)) * panes[..., None]
    return picture


def _park(shape, rng):
    y, x = _grid(shape)
    far = _leaves(shape, rng, GREENS, 0.6)
    horizon = rng.uniform(0.5, 0.7)
    grass = np.array([0.10, 0.17, 0.04]) * np.exp(0.6 * fractal(x * 50, y * 160, 4, 5))[..., None]
    picture = np.where((y > horizon)[..., None], grass, far)
    return np.where((y < horizon - 0.35 + 0.08 * fractal(x * 5, y, 3, 8))[..., None], [0.75, 0.9, 1.15], picture)


def _windows(shape, rng):
    height, width = shape
    y, x = _grid(shape)
    picture = np.full((*shape, 3), 0.012) * np.array([0.7, 0.85, 1.3]) * (1.5 + fractal(x * 2, y * 2, 3, 3)[..., None])
    u, v = x * rng.uniform(8, 14), y * rng.uniform(9, 15)
    pane = (np.abs(u % 1 - 0.5) < 0.3) & (np.abs(v % 1 - 0.5) < 0.32)
    power = np.exp(1.6 * noise(np.floor(u) * 1.37 + 0.5, np.floor(v) * 1.91 + 0.5, int(rng.integers(99)))) - 0.8
    warm = 0.5 + 0.5 * np.clip(noise(np.floor(u) * 2.1, np.floor(v) * 1.3, 5), -1, 1)
    colour = np.stack([np.ones_like(u), 0.75 - 0.15 * warm, 0.65 - 0.45 * warm], -1)
    return picture + (np.clip(power, 0, 3) * pane)[..., None] * colour * 0.8


def _lamps(shape, rng):
    y, x = _grid(shape)
    dark = 0.02 * _street(shape, rng) + 0.012 * np.exp(fractal(x * 2, y * 2, 3, 2))[..., None]
    side = min(shape)
    lamps = bokeh(shape, rng, int(rng.integers(18, 45)), side * rng.uniform(0.015, 0.05))
    return blur(dark.astype(np.float32), side / 120) + 1.2 * lamps + 0.25 * blur(lamps, side / 20)


_PAINTERS = {
    "foliage": lambda shape, rng: _leaves(shape, rng, GREENS),
    "autumn": lambda shape, rng: _leaves(shape, rng, AUTUMN),
    "street": _street,
    "brick": _brick,
    "skyline": _skyline,
    "park": _park,
    "room": _room,
    "shelf": _shelf,
    "window": _window,
    "posters": _posters,
    "lamps": _lamps,
    "windows": _windows,
}


def draw_background(kind: str, size: int, seed: int, defocus: float = 1.0) -> np.ndarray:
    """Linear light (size, size, 3) of one kind of background; a white sheet in the key lamp is 1, lamps are brighter.

    ``defocus`` is the blur of the background in pixels of a 256-pixel picture. Drawn at no more than 512 pixels and
    enlarged beyond that: it is out of focus anyway.
    """
    rng = np.random.default_rng([seed, 40])
    inner = min(size, 512)
    picture = np.maximum(_PAINTERS[kind]((inner, inner), rng), 0.002).astype(np.float32)
    return enlarge(blur(picture, defocus * inner / 256), (size, size))
