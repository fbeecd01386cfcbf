"""The known truth: how much worse a photo is than the ideal photo of the same scene, in JODs.

Full reference: the ideal camera's picture of the same take stands beside the photo, so every term measures what a
device did to it, never what the scene is like. The model is ours (a simulation needs *a* sensible truth); its
forms come from the field, its weights were set by eye so that a plain fault costs about four JODs:

- *details*: in three bands of lightness, the photo's band is regressed on the reference's in local windows (the gain
  and residual of VIF, Sheikh & Bovik 2006). Gain below one is lost texture (blur, smearing, low resolution), gain above
  one is a sharpening halo, the residual is noise, blocking or ringing, masked by texture;
- *exposure*: lightness of face and frame, clipped highlights and blocked shadows, global contrast;
- *colour*: shift of the mean (a cast) and of the spread (saturation) in a* b*;
- *overall*: the terms join by a norm between sum and maximum, because the worst fault dominates what people see.

A face counts four times as much as its surroundings.
"""

from __future__ import annotations

import numpy as np
from skimage.color import rgb2lab

from pqa_lab.errors import InputError
from pqa_lab.simulation.pixels import blur, unit

FACE_WEIGHT = 4.0
ATTRIBUTES = ("overall", "details", "exposure")
_BANDS = (0.0, 0.9, 1.8, 3.6)  # edges of the bands: sigma in pixels of a 256-pixel picture
_BAND_WEIGHTS = (0.4, 0.35, 0.25)
_NORM = 1.5


def _bands(lightness: np.ndarray, px: float) -> list[np.ndarray]:
    levels = [blur(lightness, sigma * px) for sigma in _BANDS]
    return [fine - coarse for fine, coarse in zip(levels, levels[1:], strict=False)]


def compare(reference: np.ndarray, photo: np.ndarray, face: np.ndarray | None = None) -> dict[str, float]:
    """JODs by which ``photo`` differs from ``reference``, 0 for the reference itself and negative for what is worse.

    Parameters
    ----------
    reference, photo : ndarray (H, W, 3) uint8
        Two pictures of the same take, pixel on pixel.
    face : ndarray (H, W) in [0, 1], optional
        Where the face is; without it all pixels count alike.

    Returns
    -------
    dict
        ``overall, details, exposure, colour`` in JOD and the terms ``lost, halo, noise`` (details), ``light, clipped,
        flat`` (exposure), ``cast, chroma`` (colour), each a cost in JOD, 0 or more.
    """
    if reference.shape != photo.shape or photo.ndim != 3 or photo.dtype != np.uint8:
        raise InputError("Compare two uint8 photos (H, W, 3) of one size.")
    px = unit(photo)
    weight = np.ones(photo.shape[:2], np.float32) if face is None else 1 + (FACE_WEIGHT - 1) * face.astype(np.float32)
    weight = weight / weight.sum()
    face_weight = weight if face is None or face.sum() < 4 else face / face.sum()

    def mean(values: np.ndarray, where: np.ndarray = weight) -> float:
        return float((values * where).sum())

    ref, got = (rgb2lab(p.astype(np.float32) / 255).astype(np.float32) for p in (reference, photo))
    ref_bands, got_bands = _bands(ref[..., 0], px), _bands(got[..., 0], px)

    # Contrast of the whole picture, which exposure answers for; details are judged relative to it.
    spread_ref, spread_got = (np.sqrt(mean((p[..., 0] - mean(p[..., 0])) ** 2)) + 1 for p in (ref, got))
    contrast = spread_got / spread_ref
    common = float(np.clip(contrast, 0.4, 2.0)) ** 0.7

    lost = halo = noise = 0.0
    for share, a, b in zip(_BAND_WEIGHTS, ref_bands, got_bands, strict=True):
        b = b / common
        cov, var_a, var_b = (blur(v, 3.0 * px) for v in (a * b, a * a, b * b))
        gain = (cov + 0.15) / (var_a + 0.15)  # 1 where there is nothing to lose
        texture = np.sqrt(np.maximum(var_a, 0)) + 0.05
        residual = np.sqrt(np.maximum(var_b - 2 * gain * cov + gain**2 * var_a, 0))
        energy = mean(texture)
        lost += share * mean(texture * np.clip(1 - gain, 0, 1)) / energy
        halo += share * mean(texture * np.clip(gain - 1.1, 0, 3)) / energy
        noise += share * mean(residual / (1 + texture / 6))
    chroma_noise = 0.0
    for channel in (1, 2):
        grain = ref[..., channel] - got[..., channel]
        grain = blur(grain, 0.7 * px) - blur(grain, 5 * px)
        chroma_noise += np.sqrt(mean(grain**2))
    costs = {
        "lost": 7.0 * max(lost - 0.015, 0),
        "halo": 3.4 * np.log2(1 + 1.2 * halo),
        "noise": 1.9 * np.log2(1 + max(noise - 0.3, 0) / 1.3) + 0.9 * np.log2(1 + max(chroma_noise - 1.2, 0) / 2.5),
    }
    # Exposure: the face's lightness first; two units of L* go unseen.
    face_shift = mean(got[..., 0] - ref[..., 0], face_weight)
    frame_shift = mean(got[..., 0] - ref[..., 0])
    top, low = photo.max(-1) >= 253, photo.max(-1) <= 10
    blown = np.clip((top & (reference.max(-1) < 247)) * 1.0, 0, 1)
    blocked = (low & (reference.max(-1) > 24)) * 1.0
    stretch = np.log2(contrast)
    costs |= {
        "light": 0.115 * max(abs(face_shift) - 2, 0) + 0.05 * max(abs(frame_shift) - 2, 0),
        "clipped": 4.0 * np.sqrt(mean(blown)) * (mean(blown) > 0.002) + 2.0 * np.sqrt(mean(blocked)),
        "flat": 2.2 * max(abs(stretch) - 0.08, 0),
    }
    shift = np.hypot(*(mean(got[..., c] - ref[..., c], face_weight) for c in (1, 2)))
    frame = np.hypot(*(mean(got[..., c] - ref[..., c]) for c in (1, 2)))
    chroma_ref, chroma_got = (np.sqrt(mean(p[..., 1] ** 2 + p[..., 2] ** 2)) + 4 for p in (ref, got))
    costs |= {
        "cast": 0.15 * max(shift - 2, 0) + 0.10 * max(frame - 2, 0),
        "chroma": 1.7 * max(abs(np.log2(chroma_got / chroma_ref)) - 0.12, 0),
    }
    costs = {name: float(cost) for name, cost in costs.items()}
    details = _join(costs["lost"], costs["halo"], costs["noise"])
    exposure = _join(costs["light"], costs["clipped"], costs["flat"])
    colour = _join(costs["cast"], costs["chroma"])
    # Exposed wrongly, details are seen less well; smeared, exposure is judged worse: people's answers correlate.
    return {
        "overall": -_join(details, exposure, 0.8 * colour),
        "details": -_join(details, 0.25 * exposure),
        "exposure": -_join(exposure, 0.2 * details, 0.45 * colour),
        "colour": -colour,
    } | costs


def _join(*costs: float) -> float:
    return float(sum(cost**_NORM for cost in costs) ** (1 / _NORM))
