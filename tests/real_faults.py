"""Real portraits with faults in forms that the default ranker's training never sees, to test it on.

Two halves. ``DEVELOPMENT`` (on the astronaut) was looked at while the ranker was built; ``FINAL`` (on the admiral) was
measured once, at the end. A form is ``(photo, severity in [0, 1], rng) -> photo``; severity 0 leaves the photo alone.
Everything works on encoded values, as programs do that know nothing of light; ``pqa_lab.simulation.faults`` works on
linear light. The forms of ``FINAL`` share no formula with those of the training.
"""

import io
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import convolve, gaussian_filter, median_filter, rotate, uniform_filter1d
from skimage.color import lab2rgb, rgb2lab
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from pqa_lab.samples import PORTRAITS

Form = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
LEVELS = np.linspace(0, 1, 7)


def to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def unit(photo: np.ndarray) -> float:
    """Blurs grow with the photo, so that they look alike at every size; 1 for 512 x 512."""
    return float(np.sqrt(photo.shape[0] * photo.shape[1]) / 512)


def filed(photo: np.ndarray, kind: str, **options: object) -> np.ndarray:
    """The photo, written to a file of this kind and read back."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, kind, **options)
    return np.asarray(Image.open(file).convert("RGB"))


def filtered(photo: np.ndarray, kernel: ImageFilter.Filter) -> np.ndarray:
    return np.asarray(Image.fromarray(photo).filter(kernel))


def per_channel(photo: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return to_uint8(np.stack([convolve(photo[..., c].astype(np.float32), kernel) for c in range(3)], -1))


# --- development ------------------------------------------------------------------------------------------------------


def castlab(p, s, rng):
    lab, hue = rgb2lab(p), rng.uniform(0, 2 * np.pi)
    return to_uint8(255 * lab2rgb(lab + 24 * s * np.array([0, np.cos(hue), np.sin(hue)])))


def castgain(p, s, rng):
    gains = [(1.28, 1, 0.72), (0.75, 1, 1.3), (0.85, 1.15, 0.85), (1.15, 0.85, 1.12)][rng.integers(4)]
    return to_uint8(p * (1 + s * (np.array(gains) - 1)))


def median(p, s, rng):
    side = int(1 + 2 * round(3.2 * s * unit(p)))
    return median_filter(p, (side, side, 1))


def motion(p, s, rng):
    length = max(1, round(1 + 14 * s * unit(p)))
    return to_uint8(uniform_filter1d(p.astype(np.float32), length, axis=int(rng.integers(2))))


def veil(p, s, rng):
    return to_uint8(p + 0.65 * s * (rng.uniform(190, 240) - p))


def speckle(p, s, rng):
    grey = rng.normal(0, 1, p.shape[:2])[..., None]
    return to_uint8(p * (1 + 0.22 * s * grey) + 10 * s * rng.normal(0, 1, p.shape))


def gaussian(p, s, rng):
    return filtered(p, ImageFilter.GaussianBlur(3 * s * unit(p)))


def noise(p, s, rng):
    return to_uint8(p + rng.normal(0, 32 * s, p.shape))


def gamma_dark(p, s, rng):
    return to_uint8(255 * (p / 255) ** (1 + 1.6 * s))


def jpeg(p, s, rng):
    return filed(p, "JPEG", quality=int(95 - 88 * s**0.6), subsampling=2)


def total_variation(p, s, rng):
    return to_uint8(255 * denoise_tv_chambolle(p / 255, weight=0.22 * s, channel_axis=-1, max_num_iter=60))


DEVELOPMENT: dict[str, Form] = {
    "blur": gaussian,
    "box blur": lambda p, s, rng: filtered(p, ImageFilter.BoxBlur(4 * s * unit(p))),
    "noise": noise,
    "speckle": speckle,
    "under (gamma)": gamma_dark,
    "under (gain)": lambda p, s, rng: to_uint8(p * (1 - 0.75 * s)),
    "over (gain)": lambda p, s, rng: to_uint8(p * (1 + s)),
    "over (gamma)": lambda p, s, rng: to_uint8(255 * (1 - (1 - p / 255) ** (1 + 2 * s))),
    "JPEG": jpeg,
    "WebP": lambda p, s, rng: filed(p, "WEBP", quality=int(92 - 91 * s**0.6)),
    "cast (Lab)": castlab,
    "cast (gains)": castgain,
    "smear (TV)": total_variation,
    "smear (median)": median,
    "motion": motion,
    "haze": veil,
    "sharpening": lambda p, s, rng: to_uint8(p + 4 * s * (p - gaussian_filter(p / 1.0, (1.5 * unit(p),) * 2 + (0,)))),
}
DEVELOPMENT_MIXTURES: dict[str, Form] = {
    "blur, dark, JPEG, noise": lambda p, s, rng: noise(
        jpeg(gamma_dark(gaussian(p, 0.5 * s, rng), 0.5 * s, rng), 0.5 * s, rng), 0.5 * s, rng
    ),
    "smear, cast, haze": lambda p, s, rng: veil(castgain(total_variation(p, 0.6 * s, rng), 0.6 * s, rng), 0.5 * s, rng),
}

# --- final ------------------------------------------------------------------------------------------------------------


def disc(p, s, rng):
    radius = 0.3 + 4 * s * unit(p)
    y, x = np.ogrid[-int(radius) - 1 : int(radius) + 2, -int(radius) - 1 : int(radius) + 2]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return per_channel(p, kernel / kernel.sum())


def pixelated(p, s, rng):
    """Digital zoom: scaled down with a box, up by bilinear interpolation."""
    small = Image.fromarray(p).resize([max(2, round(n / (1 + 3.5 * s))) for n in p.shape[1::-1]], Image.Resampling.BOX)
    return np.asarray(small.resize(p.shape[1::-1], Image.Resampling.BILINEAR))


def bayer_noise(p, s, rng):
    """Photons counted under a Bayer mosaic, interpolated: noise that is correlated over pixels and coloured."""
    light = (p / 255) ** 2.2
    count = 12 + 900 * (1 - s) ** 3
    seen = rng.poisson(light * count) / count + rng.normal(0, 0.03 * s, p.shape)
    out = np.empty_like(seen)
    for channel, (sites, kernel) in enumerate([((0, 0), 1), ((0, 1), 2), ((1, 1), 1)]):
        mask = np.zeros(p.shape[:2])
        mask[sites[0] :: 2, sites[1] :: 2] = 1
        if kernel == 2:
            mask[1::2, 0::2] = 1
        weights = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
        out[..., channel] = convolve(seen[..., channel] * mask, weights) / np.maximum(convolve(mask, weights), 1e-6)
    noisy = 255 * np.clip(out, 0, 1) ** (1 / 2.2)
    return to_uint8(p + min(1, 4 * s) * (noisy - p))


def film_grain(p, s, rng):
    grain = gaussian_filter(rng.standard_normal(p.shape[:2]), 1.1 * unit(p))[..., None]
    return to_uint8(p + 30 * s * grain / grain.std())


def path_blur(p, s, rng):
    """A shaking hand: a random walk of the camera."""
    steps, size = 60, 2 * int(9 * unit(p)) + 3
    path = np.cumsum(gaussian_filter(rng.standard_normal((steps, 2)), (4, 0)), 0)
    path = 8 * s * unit(p) * (path - path.mean(0)) / np.abs(path - path.mean(0)).max()
    kernel = np.zeros((size, size))
    np.add.at(kernel, tuple((np.round(path).astype(int) + size // 2).T), 1)
    return per_channel(p, kernel / kernel.sum())


def spin(p, s, rng):
    """The camera turned during the exposure."""
    turned = [
        rotate(p.astype(np.float32), a, reshape=False, order=1, mode="nearest") for a in np.linspace(-2, 2, 9) * s
    ]
    return to_uint8(np.mean(turned, 0))


def bulb(p, s, rng):
    """White balance for the wrong lamp: gains of a warmer or a colder light, on a gamma of 1.8."""
    sign = rng.choice([-1, 1])
    gains = np.exp(s * sign * np.array([0.35, 0.02, -0.6]))
    return to_uint8(255 * np.clip((p / 255) ** 1.8 * gains, 0, 1) ** (1 / 1.8))


def split_tone(p, s, rng):
    """Tinted shadows, other highlights: a fashionable colour grade, too strong."""
    luma = (p @ np.array([0.299, 0.587, 0.114]) / 255)[..., None]
    colour = np.array([[0, 40, 20], [40, -20, 50], [-30, 10, 60]][rng.integers(3)])
    return to_uint8(p + s * 1.3 * colour * (1 - luma) + s * 0.5 * colour[::-1] * luma)


def non_local(p, s, rng):
    smooth = denoise_nl_means(p / 255, 5, 6, h=0.16 * s, fast_mode=True, channel_axis=-1)
    return to_uint8(255 * smooth)


def oil_paint(p, s, rng):
    steps = 3 * s * unit(p)
    low = int(steps)
    less, more = (filtered(p, ImageFilter.ModeFilter(2 * n + 1)) if n else p for n in (low, low + 1))
    return to_uint8(less + (steps - low) * (more.astype(float) - less))


def fog_bank(p, s, rng):
    """Fog that grows with height in the frame."""
    share = s * np.linspace(0.75, 0.4, p.shape[0])[:, None, None]
    return to_uint8(p * (1 - share) + share * np.array([205, 210, 220]))


def flare(p, s, rng):
    """A lamp beside the frame, laid over it as a screen."""
    y, x = np.mgrid[: p.shape[0], : p.shape[1]] / max(p.shape)
    glow = np.exp(-np.hypot(x - rng.integers(2), y) / 0.8)[..., None] * np.array([1, 0.93, 0.8])
    return to_uint8(255 - (255 - p) * (1 - 0.85 * s * glow))


def recompressed(p, s, rng):
    """Compressed twice on shifted grids, as pictures are that were passed on."""
    once = filed(np.roll(p, (3, 5), (0, 1)), "JPEG", quality=int(90 - 82 * s**0.6))
    return filed(np.roll(once, (-3, -5), (0, 1)), "JPEG", quality=int(92 - 80 * s**0.6))


FINAL: dict[str, Form] = {
    "blur (disc)": disc,
    "blur (zoom)": pixelated,
    "noise (Bayer)": bayer_noise,
    "noise (film)": film_grain,
    "under (levels)": lambda p, s, rng: to_uint8((p - 95.0 * s) * (1 - 0.15 * s)),
    "under (linear)": lambda p, s, rng: to_uint8(255 * ((p / 255) ** 2.2 * 2 ** (-2.8 * s)) ** (1 / 2.2)),
    "over (levels)": lambda p, s, rng: to_uint8(p + 105 * s),
    "over (linear)": lambda p, s, rng: to_uint8(255 * ((p / 255) ** 2.2 * 2 ** (2 * s)) ** (1 / 2.2)),
    "JPEG twice": recompressed,
    "JPEG 2000": lambda p, s, rng: filed(p, "JPEG2000", quality_mode="rates", quality_layers=[8 * 18**s]),
    "cast (bulb)": bulb,
    "cast (split tone)": split_tone,
    "smear (non-local)": non_local,
    "smear (oil)": oil_paint,
    "motion (shake)": path_blur,
    "motion (spin)": spin,
    "haze (bank)": fog_bank,
    "haze (flare)": flare,
    "sharpening (unsharp)": lambda p, s, rng: filtered(p, ImageFilter.UnsharpMask(2 * unit(p), int(550 * s), 0)),
}
FINAL_MIXTURES: dict[str, Form] = {
    "dark, Bayer noise, smear, JPEG": lambda p, s, rng: recompressed(
        non_local(bayer_noise(to_uint8(p * (1 - 0.4 * s)), 0.5 * s, rng), 0.5 * s, rng), 0.4 * s, rng
    ),
    "defocus, halos, film noise": lambda p, s, rng: film_grain(
        filtered(disc(p, 0.5 * s, rng), ImageFilter.UnsharpMask(3, int(200 * s), 0)), 0.5 * s, rng
    ),
    "fog, bulb, shake": lambda p, s, rng: path_blur(bulb(fog_bank(p, 0.5 * s, rng), 0.6 * s, rng), 0.5 * s, rng),
}
HALVES = {
    "development": ("astronaut", DEVELOPMENT, DEVELOPMENT_MIXTURES),
    "final": ("admiral", FINAL, FINAL_MIXTURES),
}


def harmed(form: Form, photo: np.ndarray, severity: float, seed: object) -> np.ndarray:
    return form(photo, float(severity), np.random.default_rng(seed)) if severity else photo


def pictures(portrait: str) -> list[np.ndarray]:
    """A portrait as it is, scaled down, and a mirrored part of it."""
    photo = PORTRAITS[portrait]()
    height, width = photo.shape[:2]
    small = Image.fromarray(photo).resize((int(0.72 * width), int(0.72 * height)), Image.Resampling.LANCZOS)
    part = np.ascontiguousarray(photo[: int(0.85 * height), int(0.1 * width) : int(0.95 * width)][:, ::-1])
    return [photo, np.asarray(small), part]


def groups(half: str, mixed: int = 4) -> Iterator[tuple[str, str, np.ndarray, list[np.ndarray], np.ndarray]]:
    """``(kind, name, picture, seven photos, their severities)``.

    Kinds: ``"single"``, one fault that grows; ``"mixture"``, several faults that grow together; ``"one each"`` and
    ``"two each"``, another fault (or two others) in every photo, of nominal severity that grows.
    """
    portrait, forms, mixtures = HALVES[half]
    for number, picture in enumerate(pictures(portrait)):
        for kind, some in (("single", forms), ("mixture", mixtures)):
            for index, (name, form) in enumerate(some.items()):
                seed = [number, index]
                yield kind, name, picture, [harmed(form, picture, s, seed) for s in LEVELS], LEVELS
        for kind, count, share in (("one each", 1, 1.0), ("two each", 2, 0.7)):
            for index in range(mixed):
                rng = np.random.default_rng([number, index, count])
                photos = []
                for severity in LEVELS:
                    photo = picture
                    for name in rng.choice(list(forms), count, replace=False):
                        photo = harmed(forms[name], photo, share * severity, int(rng.integers(1 << 30)))
                    photos.append(photo)
                yield kind, f"{kind} {index}", picture, photos, LEVELS
