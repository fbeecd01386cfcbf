"""Faults of real portraits, a fourth set: the default ranker was trained again after the scores on the other three.

A form is ``(photo, severity in [0, 1], rng) -> photo`` as in ``fresh_faults``: an ordinary fault of phones by a formula
that neither those sets nor the training use. Ranges were set by eye and by the full reference, not by scores.
"""

import colorsys
from collections.abc import Iterator
from functools import partial
from itertools import product

import fresh_faults
import numpy as np
from fresh_faults import LUMA, encoded, linear, spread, together
from PIL import Image, features
from real_faults import Form, filed, to_uint8, unit
from scipy.ndimage import gaussian_filter, shift, zoom
from scipy.special import betainc

TUBE = np.array([[-0.48, 0.14, 0.02], [0.16, 0.1, 0.24], [-0.02, 0.02, -0.6]])  # its change of linear RGB


def blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter(values.astype(np.float32), (sigma, sigma, 0))


def drawn(path: np.ndarray, weights: np.ndarray | float = 1.0) -> np.ndarray:
    """A kernel that is a path in the complex plane; each point is shared among its four neighbours."""
    sites = np.arange(-int(np.abs(path).max()) - 2, int(np.abs(path).max()) + 3)[:, None]
    down, right = (np.clip(1 - np.abs(part - sites), 0, 1) for part in (path.imag, path.real))
    return (weights * down) @ right.T


def filmic(p: np.ndarray, stops: float) -> np.ndarray:
    """Another exposure of a film: Hable's curve is undone, the light changed, the curve applied again."""
    light = np.r_[0, np.geomspace(1e-4, 200, 2000)]
    curve = ((light * (0.15 * light + 0.05) + 0.004) / (light * (0.15 * light + 0.5) + 0.06) - 0.0667) / 0.7251
    return to_uint8(255 * np.interp(np.interp(p / 255, curve, light) * 2**stops, light, curve))


def hexagon(p, s, rng):
    """Out of focus behind an aperture of six blades."""
    radius, turned = 0.3 + 4.7 * s**1.2 * unit(p), rng.uniform(0, np.pi)
    y, x = np.mgrid[-int(radius) - 2 : int(radius) + 3, -int(radius) - 2 : int(radius) + 3]
    across = [np.abs(x * np.cos(turned + a) + y * np.sin(turned + a)) for a in np.pi * np.arange(3) / 3]
    return encoded(spread(linear(p), np.clip(radius + 0.5 - np.max(across, 0), 0, 1)))


def blotches(p, s, rng):
    """Laplacian noise in YCbCr, most of it in the colours, enlarged with the picture."""
    small = rng.laplace(0, 1, [int(n / 1.7) + 2 for n in p.shape[:2]] + [3]) * [7, 15, 17]
    noise = zoom(small, (1.7, 1.7, 1), order=3)[: p.shape[0], : p.shape[1]]
    return to_uint8(p + s * noise @ np.array([[1, 1, 1], [0, -0.344, 1.772], [1.402, -0.714, 0]]))


def generations(p, s, rng):
    """Four times scaled and compressed."""
    values = p
    for n, part in enumerate((0.07, 0.19, 0.11, 0.23)):
        small = Image.fromarray(values).resize([max(16, round(side * (1 - part * s))) for side in p.shape[1::-1]])
        values = filed(np.asarray(small), "JPEG", quality=round(95 - (69 + 5 * n) * s**0.9), subsampling=0)
    return np.asarray(Image.fromarray(values).resize(p.shape[1::-1]))


def overlaid(p, s, rng):
    """A coloured layer in the mode that painting programs call overlay."""
    layer, values = np.array(colorsys.hsv_to_rgb(rng.random(), 0.75, 0.75)), p / 255
    mixed = np.where(values < 0.5, 2 * values * layer, 1 - 2 * (1 - values) * (1 - layer))
    return to_uint8(p + 0.75 * s * (255 * mixed - p))


def kuwahara(p, s, rng):
    """The quietest of the four quarters of a window, softly chosen."""
    reach, luma = 3.4 * s * unit(p), (p @ LUMA)[..., None]
    rough = blurred(luma**2, 0.55 * reach) - blurred(luma, 0.55 * reach) ** 2
    seen = np.concatenate([blurred(p, 0.55 * reach), np.ones_like(luma)], -1) / (4 + np.maximum(rough, 0)) ** 3
    total = sum(shift(seen, (*by, 0), order=1, mode="nearest") for by in product((-reach, reach), repeat=2))
    return to_uint8(p + s**0.7 * (total[..., :3] / total[..., 3:] - p))


def local_means(p, s, rng):
    """Means of neighbours of like colour, again with neighbours farther and farther away."""
    values = p.astype(np.float32)
    for step in (max(1, round(n * unit(p))) for n in (1, 2, 3, 4, 2, 1)):
        total, weights = values, 1
        for y, x in product((-step, 0, step), repeat=2):
            near = shift(values, (y, x, 0), order=0, mode="nearest")
            weight = np.exp(-((near - values) ** 2).sum(-1, keepdims=True) / (2 * (75 * s) ** 2))
            total, weights = total + weight * near, weights + weight
        values = total / weights
    return to_uint8(values)


def ellipse(p, s, rng):
    t, turned = np.linspace(0, 2 * np.pi, 150), np.exp(1j * rng.uniform(0, np.pi))
    return encoded(spread(linear(p), drawn(turned * s**1.2 * unit(p) * (7.5 * np.cos(t) + 2.5j * np.sin(t)))))


def trail(p, s, rng):
    """A flash and then some light: a sharp start that decays along the motion."""
    t, turned = np.linspace(-0.31, 0.69, 150), np.exp(2j * np.pi * rng.random())
    return to_uint8(spread(p, drawn(22 * s**1.2 * unit(p) * turned * t, np.exp(-2.2 * t))))


def smudge(p, s, rng):
    """A fingerprint on the lens: a blurred copy and stray light, here more, there less."""
    field = zoom(rng.standard_normal((5, 5)), [n / 5 for n in p.shape[:2]], order=3)[..., None]
    share = s**1.3 * (0.45 + 0.3 / (1 + np.exp(-2 * field)))
    return encoded(linear(p) * (1 - share) + share * (0.75 * blurred(linear(p), 17 * unit(p)) + 0.2))


def ratios(p, s, rng):
    """Structure and clarity: what is lighter than its surroundings is multiplied, at three sizes."""
    luma = (p @ LUMA)[..., None] + 12
    gains = [k * np.log(luma / blurred(luma, sigma * unit(p))) for k, sigma in ((3.2, 1), (1.1, 3), (0.9, 12))]
    return to_uint8(p * np.exp(s * np.clip(sum(gains), -2, 2)))


SINGLES: dict[str, Form] = {
    "blur (hexagon)": hexagon,
    "blur (fringes)": lambda p, s, rng: encoded(  # a cheap lens that focuses one colour only, and not quite
        np.stack([gaussian_filter(linear(p)[..., c], (4.5, 2, 3)[c] * s * unit(p)) for c in range(3)], -1)
    ),
    "noise (Student)": lambda p, s, rng: to_uint8(p + 14 * s * (1.4 - p / 255) * rng.standard_t(3, p.shape)),
    "noise (blotches)": blotches,
    "under (filmic)": lambda p, s, rng: filmic(p, -2.3 * s),
    "under (crushed)": lambda p, s, rng: to_uint8(p * betainc(2, 2, np.clip(p / (330 * s), 0, 1))),  # by a smoothstep
    "over (filmic)": lambda p, s, rng: filmic(p, 2.0 * s),
    "over (pink)": lambda p, s, rng: encoded(np.minimum(linear(p) * 4 ** (0.85 * s), 1 - s * np.r_[0, 0.25, 0.1])),
    "JPEG (again)": generations,
    "cast (overlay)": overlaid,
    "cast (fluorescent)": lambda p, s, rng: encoded(  # and it flickers a little while rows are exposed
        linear(p) + s * (1 + 0.15 * np.sin(np.arange(len(p)) / (38 * unit(p))))[:, None, None] * (linear(p) @ TUBE)
    ),
    "smear (Kuwahara)": kuwahara,
    "smear (means)": local_means,
    "motion (ellipse)": ellipse,
    "motion (trail)": trail,
    "haze (smudge)": smudge,
    "sharpening (ratios)": ratios,
}
if features.check("avif"):
    SINGLES["AVIF"] = lambda p, s, rng: filed(p, "AVIF", quality=round(75 - 74 * s**0.6), speed=9)


mixed = partial(together, forms=SINGLES)
MIXTURES: dict[str, Form] = {
    "a bar": together(
        {"under (filmic)": 0.4, "noise (blotches)": 0.5, "smear (means)": 0.5, "JPEG (again)": 0.4}, SINGLES
    ),
    "a pocket": mixed({"haze (smudge)": 0.5, "blur (fringes)": 0.6, "cast (overlay)": 0.5}),
    "a beach": mixed({"motion (trail)": 0.5, "over (pink)": 0.5, "sharpening (ratios)": 0.5}),
    "an office": mixed({"blur (hexagon)": 0.5, "cast (fluorescent)": 0.6, "noise (Student)": 0.5}),
    "a rescue": mixed({"motion (ellipse)": 0.4, "under (crushed)": 0.6, "smear (Kuwahara)": 0.6}),
}


def groups() -> Iterator[tuple[str, str, np.ndarray, list[np.ndarray], np.ndarray]]:
    """As `fresh_faults.groups`, of these forms."""
    return fresh_faults.groups(SINGLES, MIXTURES, seed=4)
