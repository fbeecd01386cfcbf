"""What a person looks at to check an answer: faces at one scale, and maps of sharpness, noise, exposure, colour.

The maps have fixed scales, so that those of two photos compare.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter, uniform_filter
from skimage.color import lab2rgb, rgb2lab

from pqa_lab.reasons import IMMERKAER, MIDDLE, TONE, linear_luminance
from pqa_lab.views import usual_box

Box = tuple[int, int, int, int]
MARGIN = 0.45  # of the face's width, around it: hair and chin belong to the look of a face
MAP_SIDE = 480
MID_GREY = 0.18
OVER, UNDER = (213, 94, 0), (86, 180, 233)  # burnt and drowned pixels (Okabe-Ito vermilion and sky blue)


@dataclass(frozen=True)
class PartMap:
    """One map: its picture (h, w, 3) uint8, and how to read it."""

    name: str
    image: np.ndarray
    legend: str


def face_crops(images: Sequence[np.ndarray], faces: Sequence[Box | None], side: int = 224) -> list[np.ndarray]:
    """The faces of a group, (side, side, 3) each, all of the same width in their crop.

    Where no face was found, the place where the others have theirs is shown (or the middle, if no photo has one).
    """
    usual = usual_box(images, faces)
    usual = MIDDLE if usual is None else usual
    crops = []
    for image, face in zip(images, faces, strict=True):
        height, width = image.shape[:2]
        x0, y0, x1, y1 = face if face is not None else _absolute(usual, width, height)
        half = (0.5 + MARGIN) * max(x1 - x0, 1)
        middle = (x0 + x1) / 2, (y0 + y1) / 2
        box = tuple(round(v) for v in (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half))
        # Pillow fills what lies outside the photo with black, so every crop keeps its scale.
        crops.append(np.asarray(Image.fromarray(image).crop(box).resize((side, side), Image.Resampling.LANCZOS)))
    return crops


def _absolute(box: np.ndarray, width: int, height: int) -> Box:
    return tuple(int(round(v)) for v in box * [width, height, width, height])


def part_maps(image: np.ndarray) -> list[PartMap]:
    """Maps of sharpness, noise, exposure and colour of a photo (H, W, 3) uint8."""
    tone = image.astype(np.float32) @ TONE  # (H, W) grey levels
    return [_sharpness(tone), _noise(tone), _exposure(image), _colour(image)]


def _sharpness(tone: np.ndarray) -> PartMap:
    fine = (tone - gaussian_filter(tone, 1.5)) ** 2
    energy = np.sqrt(gaussian_filter(fine, max(2.0, max(tone.shape) / 200)))  # grey levels of fine detail
    picture = _paint(np.log2(np.maximum(_small(energy), 0.25)), -2, 5, "cividis")
    return PartMap(
        "Sharpness", picture, "Bright: fine detail (32 grey levels and more). Dark: none (a quarter of a level)."
    )


def _noise(tone: np.ndarray) -> PartMap:
    # The same estimate as in `reasons`, everywhere instead of in the flattest patches: at edges it reads too high.
    power = uniform_filter(convolve(tone, IMMERKAER, mode="reflect") ** 2, 9)
    level = np.sqrt(gaussian_filter(power, max(2.0, max(tone.shape) / 200))) / 6
    picture = _paint(np.sqrt(_small(level)), 0, 4, "magma")
    return PartMap(
        "Noise", picture, "Black: clean. White: noise of 16 grey levels. Edges light up too: compare skin and walls."
    )


def _exposure(image: np.ndarray) -> PartMap:
    stops = np.log2(linear_luminance(_small(image.astype(np.float32) / 255)) / MID_GREY + 2**-6)
    picture = _paint(stops, -4, 4, "gray")
    top = np.asarray(_small(image.max(axis=2).astype(np.float32)))
    picture[top >= 253] = OVER
    picture[top <= 4] = UNDER
    return PartMap("Exposure", picture, "Grey: stops around mid grey. Orange: burnt highlights. Blue: drowned shadows.")


def _colour(image: np.ndarray) -> PartMap:
    lab = rgb2lab(_small(image.astype(np.float32) / 255).clip(0, 1))
    lab[..., 0] = 65
    picture = np.round(255 * lab2rgb(lab)).astype(np.uint8)
    return PartMap("Colour", picture, "Hue and saturation at one lightness: a cast tints what should be grey.")


def _small(values: np.ndarray) -> np.ndarray:
    """Shrunk by averaging whole blocks, so that no value is invented."""
    block = max(1, -(-max(values.shape[:2]) // MAP_SIDE))
    height, width = (n // block * block for n in values.shape[:2])
    shape = (height // block, block, width // block, block, *values.shape[2:])
    return values[:height, :width].reshape(shape).mean(axis=(1, 3))


def _paint(values: np.ndarray, low: float, high: float, palette: str) -> np.ndarray:
    share = np.clip((values - low) / (high - low), 0, 1)
    return np.round(255 * matplotlib.colormaps[palette](share)[..., :3]).astype(np.uint8)
