"""Faults of real portraits that nobody looked at while the default ranker was built: a third, independent set.

Both halves of ``real_faults`` have been looked at by now. A form is ``(photo, severity in [0, 1], rng) -> photo`` here
too, and severity 0 leaves the photo alone, but each fault is reached by another route than there and in the training
(``pqa_lab.simulation.faults``, ``pqa_lab.weights.default_forms``). Ranges were set by eye and by the full reference,
never by a ranker's scores; whoever tunes a ranker on these needs a fourth set.
"""

from collections.abc import Iterator
from functools import reduce

import numpy as np
import pillow_heif
from PIL import Image
from real_faults import LEVELS, Form, filed, harmed, to_uint8, unit
from scipy.fft import dctn, idctn, irfft2, rfft2
from scipy.ndimage import convolve1d, map_coordinates
from scipy.signal import oaconvolve

from pqa_lab.samples import PORTRAITS

pillow_heif.register_heif_opener()
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
CONES = np.array([[0.314, 0.6395, 0.0465], [0.1554, 0.7579, 0.0867], [0.0178, 0.1094, 0.8728]])  # linear RGB -> LMS


def linear(p: np.ndarray) -> np.ndarray:
    return (p / 255) ** 2.2


def encoded(light: np.ndarray) -> np.ndarray:
    return to_uint8(255 * np.clip(light, 0, 1) ** (1 / 2.2))


def distance(p: np.ndarray, y: float = 0.5, x: float = 0.5) -> np.ndarray:
    """From a point given in parts of the frame, (H, W, 1); 1 is half a diagonal."""
    rows, columns = np.ogrid[: p.shape[0], : p.shape[1]]
    return np.hypot(rows - y * p.shape[0], columns - x * p.shape[1])[..., None] / (np.hypot(*p.shape[:2]) / 2)


def spread(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolution with a kernel of odd sides by Fourier transforms; the border is mirrored."""
    reach = len(kernel) // 2
    padded = np.pad(values.astype(np.float32), [(reach, reach)] * 2 + [(0, 0)], mode="symmetric")
    return oaconvolve(padded, (kernel / kernel.sum())[..., None].astype(np.float32), mode="valid", axes=(0, 1))


def radii(reach: float) -> np.ndarray:
    """Distances from the middle of a kernel."""
    n = int(np.ceil(reach))
    return np.hypot(*np.mgrid[-n : n + 1, -n : n + 1])


def cone(radius: float) -> np.ndarray:
    return np.clip(1 - radii(radius + 1) / (radius + 1), 0, 1)


def warped(p: np.ndarray, down: np.ndarray | float, right: np.ndarray | float) -> np.ndarray:
    """Every pixel is fetched from so far away."""
    rows, columns = np.mgrid[: p.shape[0], : p.shape[1]]
    at = [rows + down, columns + right]
    return np.stack([map_coordinates(p[..., c] / 1.0, at, order=1, mode="nearest") for c in range(3)], -1)


def field_curvature(p, s, rng):
    """Sharp nowhere, least of all in the corners."""
    place = 4 * s * np.clip(0.3 + 0.7 * distance(p) ** 2, 0, 1)
    stack = [p] + [spread(p, cone(2.6 * n * unit(p))) for n in range(1, 5)]
    return to_uint8(sum(np.clip(1 - np.abs(place - n), 0, 1) * layer for n, layer in enumerate(stack)))


def mirror_lens(p, s, rng):
    """Points become rings."""
    radius = 3.8 * s**1.3 * unit(p)
    return encoded(spread(linear(p), np.clip(1 - np.abs(radii(radius + 1) - radius), 0, 1)))


def readout_bands(p, s, rng):
    rows, columns = rng.normal(0, 22, (p.shape[0], 1, 1)), rng.normal(0, 12, (1, p.shape[1], 1))
    return to_uint8(p + s * (rows + columns + 16 * np.sin(np.arange(p.shape[0]) / (7 * unit(p)))[:, None, None]))


def hot_pixels(p, s, rng):
    """Sites of the sensor that are stuck, each in one channel."""
    stuck = rng.random(p.shape) < 0.03 * s**1.5
    return to_uint8(p + stuck * (0.3 + 0.7 * s) * (np.where(rng.random(p.shape) < 0.75, 255, 0) - p.astype(float)))


def chroma_only(p, s, rng):
    luma, *chroma = Image.fromarray(p).convert("YCbCr").split()
    step, small = 1 + 36 * s**1.2, [max(2, round(n / (1 + 24 * s**1.2 * unit(p)))) for n in luma.size]
    for n, c in enumerate(chroma):
        coarse = to_uint8(step * np.round((np.asarray(c.resize(small, Image.Resampling.BOX)) - 128.0) / step) + 128)
        chroma[n] = Image.fromarray(coarse).resize(luma.size, Image.Resampling.NEAREST)
    return np.asarray(Image.merge("YCbCr", [luma, *chroma]).convert("RGB"))


def black_body(p, s, rng):
    """Seen by cones that are adapted to another black body than the lamp."""
    mired = 154 + s * (190 if rng.random() < 0.5 else -115)
    lamp = [1 / np.expm1(14388 * np.array([m / 0.57, m / 0.545, m / 0.445]) / 1e6) for m in (mired, 154)]
    gains = lamp[0] / lamp[1]
    return encoded(linear(p) @ CONES.T * (gains / gains[1]) @ np.linalg.inv(CONES).T)


def diffusion(p, s, rng):
    """Perona and Malik's: heat flows except over edges."""
    values = p.astype(np.float32)
    for _ in range(14):
        for axis in (0, 1):
            step = np.diff(values, axis=axis)
            step *= 0.2 * np.exp(-(((step @ LUMA) / (36 * s)) ** 2))[..., None]
            np.moveaxis(values, axis, 0)[:-1] += np.moveaxis(step, axis, 0)
            np.moveaxis(values, axis, 0)[1:] -= np.moveaxis(step, axis, 0)
    return to_uint8(values)


def dct_shrinkage(p, s, rng):
    """Small coefficients of overlapping blocks are dropped."""
    height, width = p.shape[:2]
    padded, total = np.pad(p, [(8, 8 + -height % 8), (8, 8 + -width % 8), (0, 0)], mode="edge").astype(np.float32), 0
    for y, x in ((0, 0), (4, 4), (2, 6), (6, 2)):
        moved = np.roll(padded, (y, x), (0, 1))
        waves = dctn(moved.reshape(moved.shape[0] // 8, 8, -1, 8, 3), axes=(1, 3), norm="ortho")
        waves[(np.abs(waves) < 170 * s) & (np.add.outer(np.arange(8), np.arange(8)) > 0)[:, None, :, None]] = 0
        total = total + np.roll(idctn(waves, axes=(1, 3), norm="ortho").reshape(moved.shape), (-y, -x), (0, 1))
    return to_uint8(total[8 : 8 + height, 8 : 8 + width] / 4)


def zoom_burst(p, s, rng):
    rows, columns = np.ogrid[: p.shape[0], : p.shape[1]]
    down, right = rows - rng.uniform(0.3, 0.7) * p.shape[0], columns - rng.uniform(0.3, 0.7) * p.shape[1]
    values = p
    for n in (-7.5, 1, 2, 4, 8):  # centred, then each step doubles the number of exposures
        moved = warped(values, 0.004 * s * n * down, 0.004 * s * n * right)
        values = moved if n < 0 else (values + moved) / 2
    return to_uint8(values)


def jump(p, s, rng):
    """The camera was knocked: two pictures in one."""
    angle, far = rng.uniform(0, np.pi), 13 * s**1.2 * unit(p)
    return to_uint8(0.56 * p + 0.44 * warped(p, far * np.sin(angle), far * np.cos(angle)))


def wobble(p, s, rng):
    """A rolling shutter on a trembling camera: rows swing while each is exposed."""
    times = np.arange(p.shape[0])[:, None] / (9 * unit(p)) + rng.uniform(0, 6) + np.linspace(0, 1.6, 7)[:, None, None]
    return to_uint8(np.mean([warped(p, 0, 6.5 * s * unit(p) * np.sin(t)) for t in times], 0))


def depth_haze(p, s, rng):
    """Scattering along the way to what is seen: the middle is near, the surroundings are far."""
    passed = np.exp(-(s**1.4) * (0.15 + 0.55 * np.clip(distance(p, 0.6), 0, 1)) * np.array([0.85, 1, 1.15]))
    return encoded(linear(p) * passed + np.array([0.62, 0.66, 0.72]) * (1 - passed))


def wavelet_sharpening(p, s, rng):
    """Bands of the luma are raised, large steps less."""
    luma = p @ LUMA
    gain = np.zeros_like(luma)
    for level, boost in enumerate((2.8, 2.2, 1.2, 0.5)):
        kernel = np.zeros(4 * 2**level + 1)
        kernel[:: 2**level] = np.array([1, 4, 6, 4, 1]) / 16
        lower = convolve1d(convolve1d(luma, kernel, axis=0), kernel, axis=1)
        gain, luma = gain + s**1.2 * boost * 30 * np.tanh((luma - lower) / 30), lower
    return to_uint8(p + gain[..., None])


def deconvolved(p, s, rng):
    """A blur taken away (Wiener's way) that was never there: rings."""
    radius = 0.5 + 2.4 * s * unit(p)
    disc = np.clip(radius + 0.5 - radii(radius + 1), 0, 1)
    padded = np.pad(p / 1.0, [(24, 24), (24, 24), (0, 0)], mode="symmetric")
    middle = -(len(disc) // 2)
    kernel = np.roll(np.pad(disc, [(0, n - len(disc)) for n in padded.shape[:2]]), (middle, middle), (0, 1))
    blur = rfft2(kernel / kernel.sum())[..., None].real
    sharp = irfft2(rfft2(padded, axes=(0, 1)) * 1.02 * blur / (blur**2 + 0.02), padded.shape[:2], axes=(0, 1))
    return to_uint8(p + min(1, 2 * s) * (sharp[24:-24, 24:-24] - p))


SINGLES: dict[str, Form] = {
    "blur (field curvature)": field_curvature,
    "blur (mirror lens)": mirror_lens,
    "blur (soft focus)": lambda p, s, rng: encoded(  # a sharp core with long tails
        spread(linear(p), (1 + (radii(16 * unit(p)) / (2.4 * s * unit(p))) ** 2) ** -1.6)
    ),
    "noise (readout)": readout_bands,
    "noise (hot pixels)": hot_pixels,
    "noise (few bits)": lambda p, s, rng: to_uint8((1 + 74 * s) * np.floor(p / (1 + 74 * s) + rng.random(p.shape))),
    "under (sigmoid)": lambda p, s, rng: to_uint8(255.0 * p / (p + (255.001 - p) * np.exp(1.8 * s))),
    "under (floor)": lambda p, s, rng: encoded(linear(p) - 0.2 * s**1.3),
    "under (lamp)": lambda p, s, rng: encoded(linear(p) / (1 + (1.1 * s * distance(p, 0, rng.integers(2))) ** 2) ** 2),
    "over (log)": lambda p, s, rng: to_uint8(255 * np.log1p(30 * s**2 * p / 255) / np.log1p(30 * s**2)),
    "over (curve)": lambda p, s, rng: to_uint8(np.interp(p, [0, 90, 255], [45 * s, 90 + 110 * s, 255 + 20 * s])),
    "over (flash)": lambda p, s, rng: encoded(
        linear(p) * (1 + 5 * s**1.4 / (1 + 3 * distance(p, 0.4, rng.uniform(0.4, 0.6)) ** 2))
    ),
    "HEIF": lambda p, s, rng: filed(p, "HEIF", quality=round(62 - 61 * s**0.6), enc_params={"preset": "ultrafast"}),
    "JPEG (flat table)": lambda p, s, rng: filed(p, "JPEG", qtables=[[round(1 + 110 * s**1.2)] * 64] * 2),
    "compression (chroma)": chroma_only,
    "cast (crosstalk)": lambda p, s, rng: encoded(
        linear(p) @ (np.eye(3) + 0.6 * s * np.outer([0.5, 0.3, 0.2], rng.permutation([1, 0, -0.6])))
    ),
    "cast (black body)": black_body,
    "cast (curves)": lambda p, s, rng: to_uint8(255 * (p / 255) ** np.exp(s * rng.permutation([-0.55, 0, 0.5]))),
    "smear (diffusion)": diffusion,
    "smear (DCT)": dct_shrinkage,
    "motion (zoom)": zoom_burst,
    "motion (jump)": jump,
    "motion (rolling shutter)": wobble,
    "haze (depth)": depth_haze,
    "haze (pane)": lambda p, s, rng: to_uint8(  # that mirrors something bright
        255 - (255 - p) * (1 - s * (0.2 + 0.65 * spread(p[:, ::-1], cone(9 * unit(p))) / 255))
    ),
    "sharpening (wavelets)": wavelet_sharpening,
    "sharpening (deconvolution)": deconvolved,
}


def together(shares: dict[str, float], forms: dict[str, Form] = SINGLES) -> Form:
    return lambda p, s, rng: reduce(lambda q, name: forms[name](q, shares[name] * s, rng), shares, p)


MIXTURES: dict[str, Form] = {
    "a dark room": together({"under (sigmoid)": 0.5, "noise (readout)": 0.5, "smear (DCT)": 0.4, "HEIF": 0.4}),
    "an old lens": together({"haze (depth)": 0.5, "blur (field curvature)": 0.6, "cast (black body)": 0.5}),
    "from a train": together({"haze (pane)": 0.4, "motion (rolling shutter)": 0.5, "over (curve)": 0.4}),
    "edited to death": together({"smear (diffusion)": 0.5, "cast (curves)": 0.5, "sharpening (wavelets)": 0.5}),
    "a cheap sensor": together({"under (floor)": 0.5, "noise (hot pixels)": 0.7, "compression (chroma)": 0.6}),
    "a party": together({"motion (jump)": 0.5, "over (flash)": 0.4, "noise (few bits)": 0.4, "JPEG (flat table)": 0.4}),
}


def groups(
    singles: dict[str, Form] = SINGLES, mixtures: dict[str, Form] = MIXTURES, seed: int = 3
) -> Iterator[tuple[str, str, np.ndarray, list[np.ndarray], np.ndarray]]:
    """``(kind, name, picture, seven photos, their severities)``, of both portraits.

    Kinds: ``"single"``, one fault that grows; ``"mixture"``, several that grow together; ``"one each"``, another single
    fault in every photo, of nominal severity that grows.
    """
    for number, load in enumerate(PORTRAITS.values()):
        picture = load()
        for kind, some in (("single", singles), ("mixture", mixtures)):
            for index, (name, form) in enumerate(some.items()):
                yield kind, name, picture, [harmed(form, picture, s, [seed, number, index]) for s in LEVELS], LEVELS
        for index in range(4):
            names = np.random.default_rng([seed, number, index]).permutation(list(singles))[: len(LEVELS)]
            photos = [
                harmed(singles[n], picture, s, [seed, number, index, 1]) for n, s in zip(names, LEVELS, strict=True)
            ]
            yield "one each", f"one each {index}", picture, photos, LEVELS
