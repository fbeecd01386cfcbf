"""Why a photo stands where it stands: measured parts, and one sentence that compares it with its group.

The sentence is not the model's inner reason (a network has none to give); it is what a photographer would measure on
the face: exposure in stops, noise in grey levels, width of edges, colour, haze, clipping. ``tests/test_reasons.py``
holds it against faults that are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter, laplace, uniform_filter
from skimage.color import rgb2lab

from pqa_lab.views import agreed_faces, detect_face, in_threads

SIDE = 256  # the face is measured at one size, so that photos of different resolutions compare
NATIVE = 512
PATCH = 8
SRGB_TOE = 0.04045
TONE = np.array([0.2126, 0.7152, 0.0722], np.float32)
# Immerkaer, "Fast noise variance estimation", CVIU 1996: the difference of two Laplacians, SD 6 sigma for white noise.
IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
MIDDLE = np.array([0.25, 0.2, 0.75, 0.8])  # where a portrait has its face, in shares of width and height
HALO = 1.6  # edges above this are steeper than lenses make them
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Measures:
    """Parts of one photo: ``values`` by name, and the face's box or None."""

    values: dict[str, float]
    face: Box | None


def linear_luminance(photo: np.ndarray) -> np.ndarray:
    """Relative luminance (H, W) in [0, 1] of an sRGB photo (H, W, 3) in [0, 1] (IEC 61966-2-1, BT.709 weights)."""
    linear = np.where(photo <= SRGB_TOE, photo / 12.92, ((photo + 0.055) / 1.055) ** 2.4)
    return linear @ TONE


def measure_group(images: Sequence[np.ndarray], faces: Sequence[Box | None] | None = None) -> list[Measures]:
    """Measure every photo of a group on its face; where none is found, on the place where the others have theirs.

    ``faces`` are the boxes, if they are known already.
    """
    faces = in_threads(detect_face, images) if faces is None else faces
    places = [
        tuple(int(v) for v in MIDDLE * np.tile(image.shape[1::-1], 2)) if box is None else box
        for image, box in zip(images, agreed_faces(images, faces), strict=True)
    ]
    found = in_threads(measure_at, images, places)
    return [Measures(values, face) for values, face in zip(found, faces, strict=True)]


def measure(image: np.ndarray) -> Measures:
    """`measure_group` of one photo."""
    return measure_group([image])[0]


def measure_at(image: np.ndarray, box: Box) -> dict[str, float]:
    """Measure a photo with the face in ``box``.

    Parameters
    ----------
    image : ndarray, shape (H, W, 3), uint8
    box : left, top, right, bottom in pixels

    Returns
    -------
    dict
        ``exposure`` mean luminance of the face in stops (0 = white); ``noise`` SD in grey levels of flat patches of the
        face, ``grain`` the same for coarser noise in colour; ``edge`` steepness of the strongest edges (fine / coarse
        gradient: 0.5 blurred, 2 over-sharpened); ``texture`` log2 of fine detail over brightness; ``blocks`` log2
        of the steps at the borders of JPEG blocks over those elsewhere; ``clipped`` and ``crushed`` shares of pixels;
        ``brightness`` log2 of the mean tone;
        ``contrast`` log2 of the spread of tones over that mean; ``veil`` luminance of the darkest percent;
        ``saturation`` log2 of the spread of colours over lightness; ``spread`` of colours in CIELAB;
        ``warmth`` and ``green``: mean b* and -a* of the face.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    crop = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    region = scaled(crop, SIDE, SIDE)  # (256, 256, 3) in [0, 1]
    tone = region @ TONE  # display-referred: noise and edges are seen on the screen
    face_lab = rgb2lab(region)
    step = max(1, max(height, width) // 384)
    whole = scaled(image, max(1, width // step), max(1, height // step))
    whole = gaussian_filter(whole, (1, 1, 0))  # noise is no highlight and no shadow
    lab = rgb2lab(whole)
    grey = whole @ TONE
    # Noise is measured on unscaled pixels, from the middle of a large face.
    top, left = (max(0, (n - NATIVE) // 2) for n in crop.shape[:2])
    noise, grain = flat_noise(crop[top : top + NATIVE, left : left + NATIVE].astype(np.float32))
    spread = float(np.sqrt(lab[..., 1].var() + lab[..., 2].var()))
    fine = max(np.var(tone - gaussian_filter(tone, 1.5)) - (noise / 255) ** 2 / 4, 1e-8)
    return {
        "exposure": float(np.log2(linear_luminance(region).mean() + 1e-4)),
        "noise": noise,
        "grain": grain,
        "edge": edge_sharpness(tone),
        "texture": float(np.log2(np.sqrt(fine) / (tone.mean() + 0.02))),
        "blocks": blockiness(image),
        "clipped": float((np.sort(whole, axis=2)[..., 1] >= 0.99).mean()),  # one channel alone is colour, not light
        "crushed": float((whole.max(axis=2) <= 0.02).mean()),
        "brightness": float(np.log2(grey.mean() + 0.02)),
        "contrast": float(np.log2((grey.std() + 1e-3) / (grey.mean() + 0.02))),
        "veil": float(np.percentile(linear_luminance(whole), 1)),
        "saturation": float(np.log2((spread + 0.5) / (lab[..., 0].mean() + 2))),
        "spread": spread,
        "warmth": float(face_lab[..., 2].mean()),
        "green": float(-face_lab[..., 1].mean()),
    }


def scaled(photo: np.ndarray, width: int, height: int) -> np.ndarray:
    """The photo (height, width, 3) in [0, 1]; Pillow averages over all pixels when it shrinks."""
    small = Image.fromarray(np.ascontiguousarray(photo)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32) / 255


def flat_noise(crop: np.ndarray) -> tuple[float, float]:
    """Noise in grey levels of the flattest tenth of 8 x 8 patches of (H, W, 3): fine in tone, coarser in colour."""
    if min(crop.shape[:2]) < 2 * PATCH:
        return 0.0, 0.0
    tone = crop @ TONE
    activity = _patches(np.abs(laplace(gaussian_filter(tone, 2.0))))
    flat = activity <= np.quantile(activity, 0.1)
    fine = np.sqrt(np.median(_patches(convolve(tone, IMMERKAER, mode="reflect") ** 2)[flat])) / 6
    colour = crop[..., ::2] - tone[..., None]  # (H, W, 2): red and blue against tone
    band = gaussian_filter(colour, (0.7, 0.7, 0)) - gaussian_filter(colour, (3, 3, 0))
    return float(fine), float(np.sqrt(np.median(_patches((band**2).sum(axis=2))[flat])))


def _patches(values: np.ndarray) -> np.ndarray:
    return uniform_filter(values, PATCH)[PATCH // 2 :: PATCH, PATCH // 2 :: PATCH]


def edge_sharpness(tone: np.ndarray) -> float:
    """Fine over coarse gradient on the strongest twentieth of edges: a step edge keeps it, blur lowers it."""

    def gradient(sigma: float) -> np.ndarray:
        dy, dx = np.gradient(gaussian_filter(tone, sigma))
        return np.hypot(dx, dy)

    fine, coarse = gradient(0.7), gradient(2.0)
    strong = coarse >= np.quantile(coarse, 0.95)
    return float(np.median(fine[strong]) / max(np.median(coarse[strong]), 1e-6))


def blockiness(image: np.ndarray) -> float:
    """log2 of the mean step across the borders of 8 x 8 blocks over that elsewhere; 0: no grid, or scaled."""
    tone = image.astype(np.float32) @ TONE
    ratios = []
    for values in (tone, tone.T):
        # second differences, so that a slope does not count: |t[i+1] - t[i] - (t[i+2] - t[i-1]) / 3|
        steps = np.abs(values[:, 2:-1] - values[:, 1:-2] - (values[:, 3:] - values[:, :-3]) / 3).mean(axis=0)
        at = (np.arange(len(steps)) + 2) % 8 == 0
        if at.sum() > 2:
            ratios.append((steps[at].mean() + 0.05) / (steps[~at].mean() + 0.05))
    return float(np.log2(np.mean(ratios))) if ratios else 0.0


# group of aspects of which one is named, aspect: smallest difference that a viewer notices, words for more and for less
ASPECTS: dict[str, tuple[str, float, str, str]] = {
    "exposure": ("light", 0.3, "the face is {:.1f} stops brighter", "the face is {:.1f} stops darker"),
    "clipped": ("light", 0.03, "{:.0%} more burnt highlights", "fewer burnt highlights"),
    "crushed": ("light", 0.05, "{:.0%} more drowned shadows", "more open shadows"),
    "veil": ("tone", 0.008, "a veil of haze over the shadows", "deeper blacks"),
    "contrast": ("tone", 0.22, "harsher contrast", "flatter contrast"),
    "edge": ("detail", 0.12, "crisper edges", "softer edges"),
    "texture": ("detail", 0.4, "more fine texture", "fine texture is smeared"),
    "noise": ("noise", 1.0, "noisier (by {:.1f} grey levels)", "cleaner (by {:.1f} grey levels of noise)"),
    "grain": ("noise", 1.0, "blotches of colour noise", "fewer blotches of colour noise"),
    "blocks": ("file", 0.3, "blocks of strong compression", "fewer blocks of compression"),
    "saturation": ("colour", 0.25, "more saturated colours", "paler colours"),
    "warmth": ("cast", 3.5, "warmer colours", "cooler colours"),
    "green": ("cast", 3.5, "greener colours", "pinker colours"),
}


# aspects of which less (-1) or more (1) is a merit
MERITS = {"clipped": -1, "crushed": -1, "veil": -1, "edge": 1, "texture": 1, "noise": -1, "grain": -1, "blocks": -1}
# what is said of the best photo's merits: where it has the most of all, and where most others have less
PRAISE = {
    "clipped": ("the fewest burnt highlights", "fewer burnt highlights than most"),
    "crushed": ("the most open shadows", "more open shadows than most"),
    "veil": ("the deepest blacks", "deeper blacks than most"),
    "edge": ("the crispest edges", "crisper edges than most"),
    "texture": ("the most fine texture", "more fine texture than most"),
    "noise": ("the least noise", "less noise than most"),
    "grain": ("the least colour noise", "less colour noise than most"),
    "blocks": ("the fewest compression blocks", "fewer compression blocks than most"),
}


def differences(photo: dict[str, float], reference: dict[str, float]) -> dict[str, float]:
    """How a photo differs from a reference in each measure, in the measure's unit.

    A cast moves all colours, saturation scales them: what a change of scale alone would do to the skin's colour is
    taken off, so that a pale photo is not called cooler.
    """
    d = {name: photo[name] - reference[name] for name in photo}
    scale = (photo["spread"] + 0.5) / (reference["spread"] + 0.5)
    for name in ("warmth", "green"):
        d[name] = photo[name] - scale * reference[name]
    return d


def praise(photo: dict[str, float], others: Sequence[dict[str, float]]) -> str:
    """What the best photo is best at, against the median of the others; only merits, and superlatives only if true."""
    middle = {name: float(np.median([other[name] for other in others])) for name in photo}
    d = differences(photo, middle)
    strength = {name: sign * d[name] / ASPECTS[name][1] for name, sign in MERITS.items()}  # negative: a fault
    if strength["noise"] <= -1 or strength["grain"] <= -1:
        strength["texture"] = min(strength["texture"], 0)  # that texture may be noise
    if photo["edge"] > HALO:
        strength["edge"] = min(strength["edge"], 0)
    if d["exposure"] < -ASPECTS["exposure"][1]:  # in the dark, noise, blocks and haze hide
        strength |= dict.fromkeys(("noise", "grain", "blocks", "veil"), 0.0)
    said: dict[str, str] = {}
    for name in sorted(strength, key=lambda n: -strength[n]):
        if strength[name] >= 1:
            most = all(MERITS[name] * (photo[name] - other[name]) >= 0 for other in others)
            said.setdefault(ASPECTS[name][0], PRAISE[name][0 if most else 1])
    brighter = d["exposure"] >= ASPECTS["exposure"][1] and strength["clipped"] > -1
    text = [f"the face is {d['exposure']:.1f} stops brighter than in most"] if brighter else []
    text += [words for aspect, words in said.items() if aspect != "light" or not brighter]
    if text:
        return "; ".join(text[:2])
    return (
        "the best compromise of all parts" if min(strength.values()) <= -1 else "no fault stands out against the others"
    )


def named(d: dict[str, float], edge: float) -> list[str]:
    """The one or two differences worth naming, most noticeable first; what follows from another is not named.

    Parameters
    ----------
    d : dict
        From `differences`.
    edge : float
        The photo's own.
    """
    strength = {name: abs(d[name]) / ASPECTS[name][1] for name in ASPECTS}

    def weaken(names: str, by: float) -> None:
        for name in names.split():
            strength[name] /= by

    weaken(" ".join(name for name in MERITS if d[name] * MERITS[name] > 0), 2)
    if strength["veil"] >= 1 and d["veil"] > 0 and d["contrast"] < 0:
        if d["brightness"] > 0.1:  # light is added: haze, which also softens and pales
            weaken("contrast texture edge saturation clipped crushed warmth green", 6)
            weaken("exposure", 2)
        else:  # only the shadows are lifted
            weaken("veil texture saturation crushed", 6)
    if min(strength["clipped"], strength["crushed"]) >= 1 and min(d["clipped"], d["crushed"]) > 0:
        strength["contrast"] = max(strength["contrast"], strength["clipped"], strength["crushed"])
        d = {**d, "contrast": abs(d["contrast"])}
        weaken("exposure clipped crushed warmth green saturation grain texture", 3)
    if strength["exposure"] >= 1:  # light that is missing or too much drowns, burns and flattens
        strength["exposure"] += max(strength["clipped"], strength["crushed"]) / 2
        weaken("contrast texture saturation warmth green edge grain noise", 2.5)
    if d["noise"] > 0 and strength["noise"] >= 1:
        weaken("blocks crushed grain", 3)
    if d["saturation"] > 0 and strength["saturation"] >= 1:
        weaken("warmth green grain clipped", 2)
    if d["edge"] < 0 and d["texture"] < 0 and max(strength["edge"], strength["texture"]) >= 1:
        weaken("blocks", 3)
        # What smears also cleans: that is no merit.
        weaken(" ".join(name for name in ("noise", "grain") if d[name] < 0), 6)
    leading: dict[str, str] = {}
    for name in sorted(ASPECTS, key=lambda n: -strength[n]):
        if strength[name] >= 1:
            leading.setdefault(ASPECTS[name][0], name)
    if strength["exposure"] >= 1:
        leading["light"] = "exposure"
    chosen = sorted(leading.values(), key=lambda name: -strength[name])[:2]
    return [_words(name, d, edge) for name in chosen]


def _words(name: str, d: dict[str, float], edge: float) -> str:
    if ASPECTS[name][0] == "detail" and d["edge"] > ASPECTS["edge"][1] and edge > HALO:
        return "over-sharpened, with halos along edges"
    if ASPECTS[name][0] == "detail" and d["edge"] < -1.5 * ASPECTS["edge"][1] and d["texture"] < 0:
        return "edges and fine texture are blurred"
    text = ASPECTS[name][2 if d[name] > 0 else 3].format(abs(d[name]))
    if name == "exposure" and d["exposure"] > 0 and d["clipped"] > ASPECTS["clipped"][1]:
        text += " and highlights burn out"
    return text


def explain(measures: Sequence[Measures]) -> list[str]:
    """One sentence a photo, best first: the merits of the first, every other one against the first."""
    values = [m.values for m in measures]
    if len(values) < 2:
        return ["" for _ in values]
    sentences = [praise(values[0], values[1:])]
    for photo in values[1:]:
        found = named(differences(photo, values[0]), photo["edge"])
        sentences.append("; ".join(found) or "much like the first in every measured part")
    return sentences
