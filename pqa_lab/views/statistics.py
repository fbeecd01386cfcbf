"""The statistics view: a photo as a short vector of natural-scene statistics, exposure, colour and face measurements.

Undistorted photographs share strong regularities; camera faults break them, each in its own way. Locally normalised
luminance (MSCN) is the classic one (Ruderman, "The statistics of natural images", 1994; Mittal, Moorthy and Bovik,
"No-reference image quality assessment in the spatial domain", IEEE TIP 2012); the spread of energy over scales tells
blur from noise; block edges tell compression; the chromaticity of skin and of near-grey pixels tells a colour cast.

Fine structure is measured on the photo at the size of a window on the screen, so that it means the same whatever the
camera's resolution (a ranker trained on 256 to 512 pixels ordered groups of 1,400 pixels with a mean SRCC of 0.78 by
native pixels, and of 0.91 so); the blocks of compression on native pixels around the face, since scaling hides them;
exposure and colour on a thumbnail.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

from pqa_lab.scenes.photo import load_photo
from pqa_lab.views.faces import detect_face

SIDE = 640  # pixels: longest side of the copy on which fine structure is measured
CROP = 768  # pixels: side of the native crop on which blocks are looked for
THUMB = 192
SMALLEST = 48  # pixels: a thumbnail below this is enlarged
NARROWEST = 24  # pixels: of the copy's short side, so that a quarter of it still holds the windows
LUMA = np.float32([0.299, 0.587, 0.114])
# Gaussian of SD 7/6 pixels, cut at three: the window of the MSCN statistics.
WINDOW = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2).astype(np.float32)
WINDOW /= WINDOW.sum()
BOX = np.full(3, 1 / 3, np.float32)
EPS = 1e-4  # a hundredth of a grey level, so that logarithms of flat patches stay finite


def statistics(photo: np.ndarray, face: tuple | None | str = "find") -> np.ndarray:
    """Describe a photo by its statistics. Lessons 13, 14.

    Parameters
    ----------
    photo : ndarray, shape (H, W, 3), uint8
    face : box (x0, y0, x1, y1) or None, optional
        Where the face is, if that is known already; None: there is none.

    Returns
    -------
    ndarray, shape (F,), float32
        In the order of ``statistic_names()``; always finite.
    """
    box = detect_face(photo) if isinstance(face, str) else face
    if min(photo.shape[:2]) < SMALLEST:  # the windows of the coarsest scale need room
        times = -(-SMALLEST // min(photo.shape[:2]))
        photo = photo.repeat(times, 0).repeat(times, 1)
        box = None if box is None else tuple(times * v for v in box)
    values = np.fromiter((value for _, value in measure(photo, box)), np.float32)
    return np.nan_to_num(values, nan=0.0, posinf=20.0, neginf=-20.0)


def statistic_names() -> list[str]:
    """Names of the F statistics. Lesson 14."""
    return [name for name, _ in measure(np.full((64, 64, 3), 128, np.uint8), None)]


def measure(photo: np.ndarray, face: tuple | None) -> Iterator[tuple[str, float]]:
    """Names and values, one after the other."""
    small = load_photo(photo, max_side=SIDE)
    down, right = (-(-NARROWEST // side) for side in small.shape[:2])  # 1 but for strips of 27 : 1 and more
    yield from fine_structure(small.repeat(down, 0).repeat(right, 1).astype(np.float32) / 255)
    yield from blockiness(native_crop(photo, face).astype(np.float32) @ LUMA / 255)
    yield from exposure_and_colour(photo, face)


def native_crop(photo: np.ndarray, face: tuple | None) -> np.ndarray:
    """At most CROP x CROP native pixels around the face (the middle, without one), on the 8-pixel grid of JPEG."""
    height, width = photo.shape[:2]
    centre = ((face[0] + face[2]) / 2, (face[1] + face[3]) / 2) if face is not None else (width / 2, height * 0.45)
    starts = [
        int(np.clip(c - CROP / 2, 0, max(0, size - CROP))) // 8 * 8
        for c, size in zip(centre, (width, height), strict=True)
    ]
    return photo[starts[1] : starts[1] + CROP, starts[0] : starts[0] + CROP]


def halve(image: np.ndarray) -> np.ndarray:
    """Every second pixel after a 2 x 2 mean: (H, W, ...) -> (H // 2, W // 2, ...)."""
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    image = image[:height, :width]
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4


def fine_structure(photo: np.ndarray) -> Iterator[tuple[str, float]]:
    """Multi-scale statistics of a photo (H, W, 3) in [0, 1]."""
    luma = photo @ LUMA
    channels = np.stack([luma, photo[..., 2] - luma, photo[..., 0] - luma])  # Y, B - Y, R - Y
    energies = []
    for scale in (1, 2, 4):
        y = channels[0]
        yield from normalised_luminance(y, f"s{scale}")
        for channel, name in zip(channels[1:], ("blue", "red"), strict=True):
            fine = channel - smooth(channel, BOX)
            local = np.sqrt(np.maximum(uniform_filter(fine * fine, 7), 0))[3::4, 3::4]
            for percent, value in zip((20, 80), np.percentile(local, (20, 80)), strict=True):
                yield f"s{scale} {name} activity p{percent}", np.log2(value + EPS)
        dy, dx = central(y, 0), central(y, 1)
        # Motion blurs one direction: the structure tensor's small eigenvalue falls behind the large one.
        a, b, c = float((dx * dx).mean()), float((dx * dy).mean()), float((dy * dy).mean())
        root = np.hypot((a - c) / 2, b)
        large, small = (a + c) / 2 + root, max((a + c) / 2 - root, 1e-9)
        energies.append((np.log2(large + 1e-8), np.log2(small + 1e-8)))
        yield f"s{scale} anisotropy", np.log2(large + 1e-8) - np.log2(small + 1e-8)
        steep = np.hypot(dx[2:-2:2, 2:-2:2], dy[2:-2:2, 2:-2:2])
        for percent, value in zip((50, 90, 99), np.percentile(steep, (50, 90, 99), method="lower"), strict=True):
            yield f"s{scale} gradient p{percent}", np.log2(value + EPS)
        channels = np.stack([halve(channel) for channel in channels])
    for finer, coarser, name in ((0, 1, "1/2"), (1, 2, "2/4")):
        yield f"energy {name} major", energies[finer][0] - energies[coarser][0]
        yield f"energy {name} minor", energies[finer][1] - energies[coarser][1]


def central(y: np.ndarray, axis: int) -> np.ndarray:
    """Differences of the next and the previous pixel of (H, W); borders are mirrored."""
    padded = np.pad(y, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="symmetric")
    return padded[2:] - padded[:-2] if axis == 0 else padded[:, 2:] - padded[:, :-2]


def smooth(y: np.ndarray, window: np.ndarray) -> np.ndarray:
    """(H, W) under a symmetric separable window; borders are mirrored. In float32 no library call is faster."""
    reach = len(window) // 2
    for axis in (0, 1):
        padded = np.pad(y, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], mode="symmetric")
        size = y.shape[axis]
        shifted = [padded[i : i + size] if axis == 0 else padded[:, i : i + size] for i in range(len(window))]
        y = window[reach] * shifted[reach]
        for i in range(reach):
            y += window[i] * (shifted[i] + shifted[-1 - i])
    return y


def normalised_luminance(y: np.ndarray, name: str) -> Iterator[tuple[str, float]]:
    """Statistics of the mean-subtracted contrast-normalised luminance of y (H, W)."""
    mean = smooth(y, WINDOW)
    spread = np.sqrt(np.maximum(smooth(y * y, WINDOW) - mean * mean, 0))
    z = (y - mean) / (spread + np.float32(1 / 255))  # (H, W)
    square = z * z
    power = float(square.mean())
    yield f"{name} mscn power", np.log2(power + EPS)
    yield f"{name} mscn shape", float(np.abs(z).mean()) ** 2 / (power + 1e-9)  # 2 / pi for a Gaussian
    yield f"{name} mscn skew", float((square * z).mean()) / (power**1.5 + 1e-6)
    yield f"{name} mscn tail", float(np.quantile(np.abs(z[::2, ::2]), 0.995)) / (np.sqrt(power) + 1e-6)
    for dy, dx, direction in ((0, 1, "h"), (1, 0, "v"), (1, 1, "d")):
        product = z[: z.shape[0] - dy, : z.shape[1] - dx] * z[dy:, dx:]
        yield f"{name} mscn pair {direction}", float(product.mean()) / (power + 1e-9)
    local = spread[3::4, 3::4]
    spreads = np.percentile(local, (5, 25, 50, 75, 95, 90))
    for percent, value in zip((5, 25, 50, 75, 95), spreads, strict=False):
        yield f"{name} contrast p{percent}", np.log2(value + EPS)
    # Sharpening halos: second derivative against first, where edges are.
    curve = np.abs(y - smooth(y, BOX))[3::4, 3::4]
    edge = local >= spreads[-1]
    yield f"{name} curvature on edges", np.log2((curve[edge].mean() + EPS) / (local[edge].mean() + EPS))


def blockiness(y: np.ndarray) -> Iterator[tuple[str, float]]:
    """Steps at every eighth column and row against the steps elsewhere; y (H, W) starts on the JPEG grid."""
    for axis, name in ((1, "columns"), (0, "rows")):
        step = np.abs(np.diff(y, axis=axis))
        # A step across a block edge stands out against its two neighbours inside the blocks.
        profile = np.minimum(step, 0.08).mean(axis=1 - axis)
        count = len(profile) // 8 * 8
        phases = profile[:count].reshape(-1, 8).mean(axis=0) if count else np.ones(8)
        others = np.median(phases) + EPS
        yield f"block {name}", np.log2((phases[7] + EPS) / others)
        flat = float((step < 0.5 / 255).mean())
        yield f"flat {name}", flat


def exposure_and_colour(photo: np.ndarray, face: tuple | None) -> Iterator[tuple[str, float]]:
    """Histogram, clipping, saturation, white balance: of the photo and of the face."""
    thumb = np.asarray(Image.fromarray(photo).resize((THUMB, THUMB), Image.Resampling.BOX), np.float32) / 255
    box = (
        face
        if face is not None
        else (0.3 * photo.shape[1], 0.2 * photo.shape[0], 0.7 * photo.shape[1], 0.7 * photo.shape[0])
    )
    x0, y0, x1, y1 = box
    # The middle of the box is skin; its rim is hair and background.
    inner = (x0 + 0.2 * (x1 - x0), y0 + 0.25 * (y1 - y0), x1 - 0.2 * (x1 - x0), y1 - 0.15 * (y1 - y0))
    skin = (
        np.asarray(
            Image.fromarray(photo).resize((48, 48), Image.Resampling.BOX, box=clip_box(inner, photo)), np.float32
        )
        / 255
    )
    yield "face found", float(face is not None)
    for region, name in ((thumb, "photo"), (skin, "face")):
        y = (region @ LUMA).ravel()
        percents = (1, 5, 25, 50, 75, 95, 99)
        for percent, value in zip(percents, np.percentile(y, percents), strict=True):
            yield f"{name} luma p{percent}", float(value)
        linear = region**2.2
        light = float((linear @ LUMA).mean())
        yield f"{name} light", np.log2(light + 1e-3)
        yield f"{name} contrast", float(y.std())
        top, bottom = extremes(region)
        yield f"{name} saturation", float(((top - bottom) / (top + 0.02)).mean())
        yield f"{name} dark channel", float(np.percentile(bottom, 10))
        yield from balance(linear.reshape(-1, 3), name)
    native = photo[:: max(1, photo.shape[0] // 512), :: max(1, photo.shape[1] // 512)]
    top, bottom = extremes(native)
    yield "clipped", np.log2(float((top >= 253).mean()) + 1e-3)
    yield "crushed", np.log2(float((top <= 6).mean()) + 1e-3)
    yield "clipped luma", np.log2(float((bottom >= 250).mean()) + 1e-3)


def extremes(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest and smallest channel of (H, W, 3); numpy's own reduction over three values is ten times slower."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)


def balance(linear: np.ndarray, name: str) -> Iterator[tuple[str, float]]:
    """Log chromaticities (R/G, B/G) of linear pixels (N, 3): of all, of the least coloured, of the brightest."""
    logs = np.log2(linear + 2e-3)
    red, blue = logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1]
    strength = np.hypot(red, blue)
    light = linear @ LUMA
    pale = strength <= np.quantile(strength, 0.15)
    bright = (light >= np.quantile(light, 0.9)) & (linear.max(axis=1) < 0.98)
    for mask, part in ((slice(None), "all"), (pale, "pale"), (bright, "bright")):
        r, b = red[mask], blue[mask]
        yield f"{name} red {part}", float(np.median(r)) if len(r) else 0.0
        yield f"{name} blue {part}", float(np.median(b)) if len(b) else 0.0
    yield f"{name} colour spread", float(np.hypot(red.std(), blue.std()))


def clip_box(box: tuple, photo: np.ndarray) -> tuple[float, float, float, float]:
    height, width = photo.shape[:2]
    x0, y0 = min(max(box[0], 0), width - 2), min(max(box[1], 0), height - 2)
    return x0, y0, max(min(box[2], width), x0 + 1), max(min(box[3], height), y0 + 1)
