"""What befalls the training pictures of the default ranker, beside ``pqa_lab.simulation.FAULTS``.

The same faults as other cameras and other programs commit them, so that the form of a fault is not learned by heart,
and `styled`: good photos differ in tone, colour and sharpness, so that none of these is a fault by itself.
A form is ``(photo, severity in (0, 1], rng) -> photo``.
"""

import io

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import convolve, gaussian_filter, shift, uniform_filter1d
from skimage.color import lab2rgb, rgb2lab
from skimage.restoration import denoise_tv_chambolle


def tint(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """A cast of any hue, added in CIELAB."""
    lab, hue = rgb2lab(photo), rng.uniform(0, 2 * np.pi)
    return to_uint8(lab2rgb(lab + severity * np.array([0, 26 * np.cos(hue), 26 * np.sin(hue)])) * 255)


def gains(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """A cast as gains on encoded channels."""
    return to_uint8(photo * (1 + severity * rng.uniform(-0.3, 0.3, 3)))


def murky(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Too dark by the tone curve or on encoded values, not by the exposure."""
    dark = (
        255 * (photo / 255) ** (1 + rng.uniform(1, 2) * severity)
        if rng.random() < 0.6
        else photo * (1 - 0.75 * severity)
    )
    return to_uint8(dark)


def washed(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Too bright, likewise."""
    if rng.random() < 0.5:
        return to_uint8(photo * (1 + rng.uniform(0.6, 1.2) * severity))
    return to_uint8(255 * (1 - (1 - photo / 255) ** (1 + rng.uniform(1, 2) * severity)))


def webp(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "WEBP", quality=round(92 * (1 - severity) ** 1.5))
    return np.asarray(Image.open(file).convert("RGB"))


def dragged(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Motion along rows or columns, on encoded values."""
    length = max(1, round(1 + severity * 14 * np.sqrt(photo.shape[0] * photo.shape[1]) / 512))
    return to_uint8(uniform_filter1d(photo.astype(np.float32), length, axis=int(rng.integers(2))))


def flattened(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Total-variation denoising: texture becomes flat patches."""
    return to_uint8(255 * denoise_tv_chambolle(photo / 255, weight=0.2 * severity, channel_axis=-1, max_num_iter=40))


def grainy(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Noise on encoded values, white or a little soft, in luminance or in colour."""
    noise = rng.standard_normal((*photo.shape[:2], 3 if rng.random() < 0.6 else 1))
    soft = rng.uniform(0, 0.8)
    noise = gaussian_filter(noise, (soft, soft, 0))
    return to_uint8(photo + severity * rng.uniform(18, 34) * noise / noise.std())


def foggy(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """A veil on encoded values."""
    return to_uint8(photo + 0.65 * severity * (rng.uniform(150, 250) - photo))


def soft(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    sigma = 3 * severity * np.sqrt(photo.shape[0] * photo.shape[1]) / 512
    return to_uint8(gaussian_filter(photo.astype(np.float32), (sigma, sigma, 0)))


def to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def unit(photo: np.ndarray) -> float:
    """Blurs grow with the photo; 1 for 512 x 512."""
    return float(np.sqrt(photo.shape[0] * photo.shape[1]) / 512)


def uneven(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """A veil that grows towards a side or a corner, as of a lamp outside the frame or of fog over the ground."""
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]] / max(photo.shape)
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.2)
    far = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    share = 0.8 * severity / (1 + np.exp(-6 * far / reach))[..., None]
    return to_uint8(photo + share * (rng.uniform(170, 255) * rng.uniform(0.85, 1, 3) - photo))


def zoomed(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Enlarged from fewer pixels."""
    size = [max(8, round(n / (1 + rng.uniform(2, 3.5) * severity))) for n in photo.shape[1::-1]]
    down, up = rng.choice(["LANCZOS", "BOX", "BICUBIC", "BILINEAR"], 2)
    small = Image.fromarray(photo).resize(size, Image.Resampling[down])
    return np.asarray(small.resize(photo.shape[1::-1], Image.Resampling[up]))


def patchy(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Rank filters: the darkest, the middle or the commonest value of a window; sizes in between blend neighbours."""
    kernel = [ImageFilter.ModeFilter, ImageFilter.MedianFilter][rng.integers(2)]
    steps = rng.uniform(1.5, 4) * severity * unit(photo)
    less, more = (
        np.asarray(Image.fromarray(photo).filter(kernel(2 * n + 1))) if n else photo
        for n in (int(steps), int(steps) + 1)
    )
    return to_uint8(less + (steps - int(steps)) * (more.astype(np.float32) - less))


def shaken(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """An arc of any direction and bend, drawn by an unsteady hand."""
    t, angle, bend = np.linspace(-1, 1, 81), rng.uniform(0, np.pi), rng.uniform(-1.5, 1.5)
    reach = rng.uniform(4, 8) * severity * unit(photo)
    along, across = reach * t, reach * bend * (t**2 - 1 / 3)
    kernel = np.zeros((2 * int(2 * reach) + 5,) * 2, np.float32)
    middle = len(kernel) // 2
    y = np.round(along * np.sin(angle) + across * np.cos(angle)).astype(int) + middle
    x = np.round(along * np.cos(angle) - across * np.sin(angle)).astype(int) + middle
    np.add.at(kernel, (y, x), 1)
    kernel = gaussian_filter(kernel, 0.4)
    values = [convolve(photo[..., c].astype(np.float32), kernel / kernel.sum()) for c in range(3)]
    return to_uint8(np.stack(values, -1))


def haloed(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Unsharp masking of any radius."""
    radius = rng.uniform(0.8, 4) * unit(photo)
    below = gaussian_filter(photo.astype(np.float32), (radius, radius, 0))
    return to_uint8(photo + rng.uniform(2.5, 5) * severity * (photo - below))


def graded(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Another tint in the shadows than in the highlights."""
    luma = (photo @ np.array([0.299, 0.587, 0.114]) / 255)[..., None]
    dark, light = (rng.normal(0, 1, 3) for _ in range(2))
    tints = [34 * c / np.linalg.norm(c) for c in (dark - 0.7 * dark.mean(), light - 0.7 * light.mean())]
    return to_uint8(photo + severity * (tints[0] * (1 - luma) + tints[1] * luma))


def lowered(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Levels moved down, or up."""
    step = rng.uniform(60, 110) * severity
    return to_uint8(photo - step) if rng.random() < 0.5 else to_uint8(photo + step)


def passed_on(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Scaled, compressed and scaled back, as messengers do."""
    small = [max(16, round(n * (1 - rng.uniform(0, 0.5) * severity))) for n in photo.shape[1::-1]]
    file = io.BytesIO()
    Image.fromarray(photo).resize(small, Image.Resampling.BICUBIC).save(
        file, "JPEG", quality=round(92 * (9 / 92) ** severity)
    )
    return np.asarray(Image.open(file).convert("RGB").resize(photo.shape[1::-1], Image.Resampling.BICUBIC))


def bled(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Colour smeared over edges that lightness keeps, as denoising and subsampling do."""
    sigma = rng.uniform(4, 10) * severity * unit(photo)
    ycc = np.asarray(Image.fromarray(photo).convert("YCbCr")).astype(np.float32)
    ycc[..., 1:] = gaussian_filter(ycc[..., 1:], (sigma, sigma, 0))
    planes = [Image.fromarray(plane) for plane in np.moveaxis(to_uint8(ycc), 2, 0)]
    return np.asarray(Image.merge("YCbCr", planes).convert("RGB"))


def doubled(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """A second, shifted image: frames that were merged although the hand had moved."""
    angle, share = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.5)
    reach = rng.uniform(3, 12) * unit(photo)
    share, reach = (share * severity, reach) if rng.random() < 0.5 else (share, reach * severity)
    moved = shift(photo.astype(np.float32), (reach * np.sin(angle), reach * np.cos(angle), 0), order=1, mode="nearest")
    return to_uint8((1 - share) * photo + share * moved)


def banded(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Noise that rows or columns share, over noise of each pixel."""
    shape = [photo.shape[0], photo.shape[1], 1]
    shape[rng.integers(2)] = 1
    lines, grain = rng.standard_normal(shape), rng.standard_normal(photo.shape)
    return to_uint8(photo + severity * (rng.uniform(5, 14) * lines + rng.uniform(5, 20) * grain))


def night(photo: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """A phone in the dark: few photons, lifted, smoothed where it is flat, compressed."""
    light = (photo / 255) ** 2.2
    counts = 8 + 400 * (1 - severity) ** 4
    noisy = rng.poisson(light * counts) / counts + rng.normal(0, 0.02 * severity, photo.shape)
    values = np.clip(noisy * 2 ** (-rng.uniform(0.2, 1.6) * severity), 0, 1).astype(np.float32) ** (1 / 2.2)
    for _ in range(1 + int(rng.integers(2))):  # a guided filter: each window a line of its own lightness
        luma, reach = values @ np.float32([0.299, 0.587, 0.114]), 2 * int(1 + 2 * severity * unit(photo)) + 1
        mean = uniform_filter1d(uniform_filter1d(luma, reach, 0), reach, 1)
        power = uniform_filter1d(uniform_filter1d(luma * luma, reach, 0), reach, 1) - mean * mean
        keep = (power / (power + (0.03 + 0.09 * severity) ** 2))[..., None]
        values = keep * values + (1 - keep) * uniform_filter1d(uniform_filter1d(values, reach, 0), reach, 1)
    share = min(1.0, 5 * severity)  # the first step is small, too
    file = io.BytesIO()
    mixed = to_uint8(photo + share * (255 * values - photo))
    Image.fromarray(mixed).save(file, "JPEG", quality=round(95 - rng.uniform(5, 45) * severity))
    return np.asarray(Image.open(file).convert("RGB"))


def styled(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another good photo of the same: exposure, contrast, colour and sharpness within taste."""
    linear = (photo / 255) ** 2.2 * 2 ** rng.normal(0, 0.3) * np.exp(rng.normal(0, 0.05, 3))
    values = np.clip(linear, 0, None) ** (1 / 2.2)
    values = values / np.maximum(1, np.quantile(values, 0.995))  # a good photo keeps its highlights
    values = values + rng.uniform(-0.35, 0.45) * values * (1 - values) * (2 * values - 1)  # an S, or its inverse
    values = values * (1 - max(0, black := rng.normal(0, 0.03))) + black
    luma = values @ np.array([0.299, 0.587, 0.114])
    values = luma[..., None] + rng.uniform(0.7, 1.25) * (values - luma[..., None])
    sharpness = rng.random()
    if sharpness < 0.35:  # enlarged, or a soft lens
        sigma = rng.uniform(0.3, 0.9)
        values = gaussian_filter(values, (sigma, sigma, 0))
    elif sharpness < 0.6:
        values = values + rng.uniform(0.2, 0.9) * (values - gaussian_filter(values, (0.8, 0.8, 0)))
    if rng.random() < 0.4:
        grain = gaussian_filter(rng.standard_normal((*photo.shape[:2], 1)), (*(rng.uniform(0, 1.2, 1).repeat(2)), 0))
        values = values + rng.uniform(0, 4) / 255 * grain / grain.std()
    return to_uint8(255 * values)


FORMS = [tint, gains, murky, washed, webp, dragged, flattened, grainy, foggy, soft]
FORMS += [uneven, zoomed, patchy, shaken, haloed, graded, lowered, passed_on]
FORMS += [bled, doubled, banded, night]
