"""Single camera faults for real photographs: photo in, the same photo with more of one fault out.

Each fault is applied where it happens in a camera (blur, noise and exposure in linear light; sharpening, smearing and
compression on encoded values). Severity runs from 0 (the photo, unchanged) to 1 (plainly bad); the ranges were set so
that equal severities of different faults cost about the same in the model of :mod:`pqa_lab.simulation.quality`. A seed
fixes everything random (the direction of a motion, the hue of a cast, the grain), so that photos of one group differ
in severity only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter

from pqa_lab.errors import InputError
from pqa_lab.simulation.pixels import (
    blur,
    convolve,
    decode_jpeg,
    disc_kernel,
    enlarge,
    guided_smooth,
    jpeg_bytes,
    line_kernel,
    luminance,
    to_linear,
    to_srgb,
    to_uint8,
    unit,
)

# Photo, severity in (0, 1], generator -> photo.
Fault = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def _from_linear(linear: np.ndarray) -> np.ndarray:
    return to_uint8(to_srgb(linear))


def _encoded(photo: np.ndarray) -> np.ndarray:
    return photo.astype(np.float32) / 255


def _blur(photo, severity, rng):
    return _from_linear(blur(to_linear(photo), 0.25 + 2.0 * severity * np.sqrt(unit(photo))))


def _defocus(photo, severity, rng):
    return _from_linear(convolve(to_linear(photo), disc_kernel(0.4 + 3.4 * severity * np.sqrt(unit(photo)))))


def _motion(photo, severity, rng):
    length = 1 + 11.0 * severity * np.sqrt(unit(photo))
    return _from_linear(convolve(to_linear(photo), line_kernel(length, rng.uniform(0, np.pi))))


def _noise(photo, severity, rng):
    # Shot noise of a sensor that collects few electrons, plus read noise; each channel has its own.
    electrons = 60 / severity**2
    light = to_linear(photo)
    spread = np.sqrt(light / electrons + (1.5 / electrons) ** 2)
    return _from_linear(light + spread * rng.standard_normal(photo.shape, np.float32))


def _grain(photo, severity, rng):
    # Coarse noise that survived demosaicing and scaling, strongest in colour, as in a pushed phone picture.
    def field(sigma: float, channels: int) -> np.ndarray:
        noise = blur(rng.standard_normal((*photo.shape[:2], channels), np.float32), sigma)
        return noise / noise.std()

    width = 0.8 * np.sqrt(unit(photo))
    colour, grey = field(1.6 * width, 3), field(width, 1)
    return to_uint8(_encoded(photo) + severity * (0.05 * colour + 0.05 * grey))


def _under(photo, severity, rng):
    return _from_linear(to_linear(photo) * 2 ** (-2.6 * severity))


def _over(photo, severity, rng):
    return _from_linear(to_linear(photo) * 2 ** (2.0 * severity))


def _compression(photo, severity, rng):
    # 92 -> 6; an exponential makes the steps look alike.
    return decode_jpeg(jpeg_bytes(photo, round(92 * (6 / 92) ** severity)))


def _cast(photo, severity, rng):
    # A white-balance error: gains on the linear channels whose luminance is kept. Most errors lie on the blue-amber
    # axis of daylight and lamps, some on green-magenta.
    warm, green = rng.choice([-1, 1]) * rng.uniform(0.7, 1), rng.uniform(-0.6, 0.6)
    gains = 2.0 ** (severity * np.array([0.75 * warm - 0.25 * green, 0.5 * green, -0.9 * warm - 0.25 * green]))
    light = to_linear(photo)
    cast = light * gains.astype(np.float32)
    return _from_linear(cast * (luminance(light).mean() / max(float(luminance(cast).mean()), 1e-6)))


def _smear(photo, severity, rng):
    picture = _encoded(photo)
    radius = max(1, round((1 + 2 * severity) * np.sqrt(unit(photo))))
    for _ in range(3):
        picture = guided_smooth(picture, luminance(picture), radius, 0.01 + 0.16 * severity**1.5)
    return to_uint8(_encoded(photo) + min(1.0, 3 * severity) * (picture - _encoded(photo)))


def _paint(photo, severity, rng):
    # Median filtering: the "water colour" of strong denoising. Windows have odd sides (even ones would shift the
    # picture), and sizes in between blend the two neighbours.
    steps = 3 * severity * np.sqrt(unit(photo))
    low = int(steps)
    picture = Image.fromarray(photo)
    less = picture.filter(ImageFilter.MedianFilter(2 * low + 1)) if low else picture
    more = picture.filter(ImageFilter.MedianFilter(2 * low + 3))
    return np.asarray(Image.blend(less, more, steps - low))


def _haze(photo, severity, rng):
    # A greasy lens or fog: I = t J + (1 - t) A, the veil a little brighter where the picture is bright.
    light = to_linear(photo)
    veil = 0.45 * blur(light, 40 * unit(photo)) + 0.3 * rng.uniform(0.9, 1.1, 3).astype(np.float32)
    return _from_linear(light + 0.7 * severity * (veil - light))


def _flat(photo, severity, rng):
    picture = _encoded(photo)
    mean = float(luminance(picture).mean())
    return to_uint8(mean + (1 - 0.65 * severity) * (picture - mean))


def _harsh(photo, severity, rng):
    # Too steep a tone curve: shadows block up and highlights burn out.
    picture = _encoded(photo)
    middle = float(np.clip(np.median(luminance(picture)), 0.3, 0.6))
    return to_uint8(middle + (1 + 1.8 * severity) * (picture - middle))


def _oversharpen(photo, severity, rng):
    picture = _encoded(photo)
    luma = luminance(picture)
    halo = luma - blur(luma, 1.1 * np.sqrt(unit(photo)))
    return to_uint8(picture + 5.0 * severity * halo[..., None])


def _vivid(photo, severity, rng):
    picture = _encoded(photo)
    grey = luminance(picture)[..., None]
    return to_uint8(grey + (1 + 1.9 * severity) * (picture - grey))


def _dull(photo, severity, rng):
    picture = _encoded(photo)
    grey = luminance(picture)[..., None]
    return to_uint8(grey + (1 - severity) * (picture - grey))


def _lowres(photo, severity, rng):
    # Digital zoom: fewer pixels, enlarged again.
    height, width = (max(2, round(n / (1 + 3.2 * severity))) for n in photo.shape[:2])
    light = to_linear(photo)
    small = enlarge(blur(light, 0.35 * (photo.shape[0] / height - 1) + 0.05), (height, width))
    return _from_linear(enlarge(small, photo.shape[:2]))


FAULTS: dict[str, Fault] = {
    "blur": _blur,
    "defocus": _defocus,
    "motion": _motion,
    "noise": _noise,
    "grain": _grain,
    "under": _under,
    "over": _over,
    "compression": _compression,
    "cast": _cast,
    "smear": _smear,
    "paint": _paint,
    "haze": _haze,
    "flat": _flat,
    "harsh": _harsh,
    "oversharpen": _oversharpen,
    "vivid": _vivid,
    "dull": _dull,
    "lowres": _lowres,
}
# Where a mixture applies its faults: in the order of a camera, light first and the file last.
_ORDER = ["haze", "defocus", "blur", "motion", "under", "over", "noise", "grain", "cast", "lowres", "smear", "paint"]
_ORDER += ["flat", "harsh", "vivid", "dull", "oversharpen", "compression"]


def _check(photo: np.ndarray, fault: str, severity: float) -> None:
    if not isinstance(photo, np.ndarray) or photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise InputError("A photo must be an array (H, W, 3) of uint8 RGB values.")
    if fault not in FAULTS:
        raise InputError(f"There is no fault {fault!r}; choose one of {', '.join(FAULTS)}.")
    if not 0 <= severity <= 1:
        raise InputError(f"Severity must lie between 0 and 1, not {severity}.")


def apply_fault(photo: np.ndarray, fault: str, severity: float, seed: int = 0) -> np.ndarray:
    """The photo with one camera fault. Lesson 04.

    Parameters
    ----------
    photo : ndarray (H, W, 3) uint8
    fault : str
        A key of ``FAULTS``.
    severity : float in [0, 1]
        0 gives the photo back unchanged; more is worse.
    seed : int
        Fixes what is random in the fault (grain, direction, hue).

    Returns
    -------
    ndarray (H, W, 3) uint8

    Raises
    ------
    InputError
        Not a photo, no such fault, severity out of range.
    """
    _check(photo, fault, severity)
    return photo.copy() if severity == 0 else FAULTS[fault](photo, float(severity), np.random.default_rng(seed))


def apply_faults(photo: np.ndarray, severities: dict[str, float], seed: int = 0) -> np.ndarray:
    """Several faults at once, ``severities`` = {fault: 0 to 1}, applied in the order in which a camera commits them.

    Lesson 04.
    """
    for fault, severity in severities.items():
        _check(photo, fault, severity)
    for fault in sorted(severities, key=_ORDER.index):
        photo = apply_fault(photo, fault, severities[fault], seed)
    return photo


def fault_group(photo: np.ndarray, fault: str, n: int = 7, seed: int = 0) -> list[tuple[np.ndarray, float]]:
    """A scene group of one photo along one fault: ``n`` pairs (photo, severity), mildest first, from 0 to 1.

    Severities are spaced evenly but for a jitter (drawn from the seed) that keeps their order.
    """
    if n < 2:
        raise InputError(f"A group needs at least 2 photos, not {n}.")
    rng = np.random.default_rng([seed, 1])
    steps = np.arange(n) + np.r_[0, rng.uniform(-0.25, 0.25, n - 2), 0]
    return [(apply_fault(photo, fault, float(s), seed), float(s)) for s in steps / (n - 1)]


def mixed_group(
    photo: np.ndarray, n: int = 7, seed: int = 0, faults: Sequence[str] | None = None, at_once: int = 2
) -> list[tuple[np.ndarray, float, dict[str, float]]]:
    """A scene group whose photos have different faults: ``n`` triples (photo, total severity, {fault: severity}).

    Each photo gets up to ``at_once`` faults drawn from ``faults`` (default: all). Their severities ``s_k`` are drawn so
    that the total ``sqrt(sum s_k^2)`` runs from 0 to 1 over the group. The total is a rough order of quality; for JODs
    use :func:`pqa_lab.simulation.quality.compare` with the unharmed photo as the reference.
    """
    names = list(FAULTS) if faults is None else list(faults)
    if n < 2 or not names or at_once < 1:
        raise InputError("A mixed group needs at least 2 photos, 1 fault to choose from and 1 fault at once.")
    rng = np.random.default_rng([seed, 2])
    group = []
    for total in np.linspace(0, 1, n):
        count = int(rng.integers(1, min(at_once, len(names)) + 1))
        chosen = rng.choice(names, count, replace=False)
        shares = rng.dirichlet(np.ones(count)) ** 0.5 * total
        severities = {str(name): float(share) for name, share in zip(chosen, shares, strict=True)}
        group.append((apply_faults(photo, severities, seed + len(group)), float(total), severities))
    return group
