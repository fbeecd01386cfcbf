"""Why a photo stands where it stands: measured parts, and one sentence that compares it with its group.

The sentence is not the model's inner reason (a network has none to give); it is what a photographer would measure on
the face: exposure in stops, noise in grey levels, width of edges, colour, haze, clipping.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve, gaussian_filter, laplace, uniform_filter
from skimage.color import rgb2lab
from skimage.transform import resize

from pqa_lab.views import detect_face

SIDE = 256  # the face is measured at one size, so that photos of different resolutions compare
SRGB_TOE = 0.04045


@dataclass(frozen=True)
class Measures:
    """Parts of one photo: ``values`` by name, and the face's box or None."""

    values: dict[str, float]
    face: tuple[int, int, int, int] | None


def linear_luminance(photo: np.ndarray) -> np.ndarray:
    """Relative luminance (H, W) in [0, 1] of an sRGB photo (H, W, 3) in [0, 1] (IEC 61966-2-1, BT.709 weights)."""
    linear = np.where(photo <= SRGB_TOE, photo / 12.92, ((photo + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def measure(image: np.ndarray) -> Measures:
    """Measure the face of a photo (its middle, where no face is found).

    Parameters
    ----------
    image : ndarray, shape (H, W, 3), uint8

    Returns
    -------
    Measures
        ``exposure`` mean luminance in stops (0 = white); ``noise`` SD in grey levels of flat patches; ``edge``
        sharpness of the strongest edges (fine over coarse gradient: about 0.3 blurred, 1.2 over-sharpened);
        ``texture`` log2 energy of fine detail above the noise; ``clipped`` and ``crushed`` shares of pixels;
        ``warmth``, ``green`` mean CIELAB b* and a* of the face; ``veil`` luminance of the darkest percent of the photo;
        ``face_share`` face width over photo width (0: none found).
    """
    face = detect_face(image)
    height, width = image.shape[:2]
    if face is None:
        box = (width // 4, height // 5, width - width // 4, height - height // 5)
    else:
        box = tuple(int(v) for v in face)
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    crop = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    region = resize(crop, (SIDE, SIDE), order=1, anti_aliasing=True)  # (256, 256, 3) in [0, 1]
    grey = linear_luminance(region)
    tone = region @ np.array([0.2126, 0.7152, 0.0722])  # display-referred: noise and edges are seen on the screen
    lab = rgb2lab(region)
    whole = image[:: max(1, height // 512), :: max(1, width // 512)]
    native = crop[: min(len(crop), 1024), : min(crop.shape[1], 1024)].astype(np.float32) @ np.float32(
        [0.2126, 0.7152, 0.0722]
    )
    noise = flat_noise(native)
    values = {
        "exposure": float(np.log2(grey.mean() + 1e-4)),
        "noise": noise,
        "edge": edge_sharpness(tone),
        "texture": float(np.log2(max(np.var(tone - gaussian_filter(tone, 1.5)) - (noise / 255) ** 2 / 4, 1e-8)) / 2),
        "clipped": float((whole.max(axis=2) >= 254).mean()),
        "crushed": float((whole.max(axis=2) <= 4).mean()),
        "warmth": float(lab[..., 2].mean()),
        "green": float(-lab[..., 1].mean()),
        "veil": float(np.percentile(linear_luminance(whole / 255.0), 1)),
        "face_share": 0.0 if face is None else (x1 - x0) / width,
    }
    return Measures(values, None if face is None else (x0, y0, x1, y1))


def flat_noise(grey: np.ndarray) -> float:
    """Noise SD in grey levels: the Laplacian-of-Laplacian estimate on the flattest tenth of 8 x 8 patches.

    Immerkaer, "Fast noise variance estimation", CVIU 1996: the difference of two Laplacians cancels edges; its SD is
    6 sigma for white noise.
    """
    if min(grey.shape) < 16:
        return 0.0
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    response = convolve(grey, kernel, mode="reflect")
    power = uniform_filter(response**2, 8)[4::8, 4::8]
    activity = uniform_filter(np.abs(laplace(gaussian_filter(grey, 2.0))), 8)[4::8, 4::8]
    flat = activity <= np.quantile(activity, 0.1)
    return float(np.sqrt(np.median(power[flat])) / 6)


def edge_sharpness(tone: np.ndarray) -> float:
    """Fine over coarse gradient on the strongest twentieth of edges: a step edge keeps it, blur lowers it."""

    def gradient(sigma: float) -> np.ndarray:
        dy, dx = np.gradient(gaussian_filter(tone, sigma))
        return np.hypot(dx, dy)

    fine, coarse = gradient(0.7), gradient(2.0)
    strong = coarse >= np.quantile(coarse, 0.95)
    return float(np.median(fine[strong]) / max(np.median(coarse[strong]), 1e-6))


# aspect: smallest difference a viewer notices, wording when above and when below the group's median
ASPECTS: dict[str, tuple[float, str, str]] = {
    "exposure": (0.4, "the face is {:.1f} stops brighter", "the face is {:.1f} stops darker"),
    "noise": (1.2, "noisier (by {:.1f} grey levels)", "cleaner"),
    "edge": (0.12, "crisper edges", "softer edges"),
    "texture": (0.45, "more fine texture", "fine texture is smeared"),
    "clipped": (0.03, "{:.0%} more clipped highlights", "fewer clipped highlights"),
    "crushed": (0.05, "{:.0%} more crushed shadows", "more open shadows"),
    "warmth": (5.0, "warmer skin", "cooler skin"),
    "green": (4.0, "greener skin", "redder skin"),
    "veil": (0.012, "a veil of haze over the shadows", "deeper blacks"),
}


def explain(measures: Sequence[Measures]) -> list[str]:
    """One sentence a photo, against the median of its group: its two most noticeable differences."""
    middle = {name: float(np.median([m.values[name] for m in measures])) for name in ASPECTS}
    sentences = []
    for m in measures:
        found = []
        for name, (noticeable, above, below) in ASPECTS.items():
            difference = m.values[name] - middle[name]
            strength = abs(difference) / noticeable
            if strength >= 1:
                found.append((strength, (above if difference > 0 else below).format(abs(difference))))
        found.sort(key=lambda item: -item[0])
        sentences.append("; ".join(text for _, text in found[:2]) or "close to the middle of this group in every part")
    return sentences
