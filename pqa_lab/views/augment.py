"""Training augmentation: photo in, photo out, chance from an explicit generator.

Only what leaves quality alone: flips, places, scales and angles. Nothing changes brightness, colour or sharpness,
because those are what is judged.
"""

import math

import numpy as np
from PIL import Image

from pqa_lab.errors import InputError
from pqa_lab.scenes.photo import Source, load_photo
from pqa_lab.views.resize import at_least, resize


def random_flip(image: Source, rng: np.random.Generator, p: float = 0.5) -> np.ndarray:
    """Mirror left and right with probability ``p``. The result may be a view of the input."""
    photo = load_photo(image)
    return photo[:, ::-1] if rng.random() < p else photo


def random_crop(image: Source, size: int, rng: np.random.Generator) -> np.ndarray:
    """A uniformly random square of ``size`` pixels, (size, size, 3); a smaller photo is enlarged first."""
    photo = at_least(image, size)
    top = int(rng.integers(0, photo.shape[0] - size + 1))
    left = int(rng.integers(0, photo.shape[1] - size + 1))
    return photo[top : top + size, left : left + size]


def random_resized_crop(
    image: Source,
    size: int,
    rng: np.random.Generator,
    scale: tuple[float, float] = (0.5, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> np.ndarray:
    """A random rectangle of a share ``scale`` of the area and an aspect in ``ratio``, resized to (size, size, 3).

    Inception-style, as torchvision's ``RandomResizedCrop``; ten draws, then the largest centred rectangle whose aspect
    is allowed. ``scale`` starts at one half, not at torchvision's 0.08: a twelfth of a portrait may hold no face.
    """
    photo = load_photo(image)
    height, width = photo.shape[:2]
    for _ in range(10):
        area = height * width * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
            break
    else:
        w = max(1, min(width, round(height * ratio[1])))
        h = max(1, min(height, round(width / ratio[0])))
        top, left = (height - h) // 2, (width - w) // 2
    return resize(photo[top : top + h, left : left + w], size, size)


def random_rotation(image: Source, rng: np.random.Generator, degrees: float = 10.0) -> np.ndarray:
    """Turn by a uniform angle in [-degrees, degrees] and keep the largest upright rectangle inside.

    No corner is filled in: black triangles would be a cue that no camera makes. The result is smaller than the photo.
    """
    if not 0 <= degrees < 90:
        raise InputError("A random rotation needs an angle from 0 to below 90 degrees.")
    photo = load_photo(image)
    height, width = photo.shape[:2]
    angle = rng.uniform(-degrees, degrees)
    h, w = inner_rectangle(height, width, math.radians(abs(angle)))
    if min(h, w) < 1:
        return photo
    turned = np.asarray(Image.fromarray(photo).rotate(angle, Image.Resampling.BILINEAR))  # (H, W, 3), same centre
    top, left = (height - h) // 2, (width - w) // 2
    return turned[top : top + h, left : left + w]


def inner_rectangle(height: int, width: int, angle: float) -> tuple[int, int]:
    """Height and width of the largest upright rectangle of the photo's aspect in the photo turned by ``angle`` radians.

    A corner (w, h)/2 of the rectangle, turned back, must lie in the photo: w cos + h sin <= W and w sin + h cos <= H.
    """
    sine, cosine = math.sin(angle), math.cos(angle)
    # (h, w) = t (H, W)  =>  t = min(W / (W cos + H sin), H / (W sin + H cos))
    t = min(width / (width * cosine + height * sine), height / (width * sine + height * cosine))
    return math.floor(height * t), math.floor(width * t)
