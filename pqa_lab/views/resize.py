"""Sizes and numbers: resized photos, and photos as the float tensors that a network eats.

Functions that end in a photo return (H, W, 3) uint8; functions that end in a tensor return (V, 3, S, S) float32 with a
leading axis of views. Every image argument may be whatever ``load_photo`` takes.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pqa_lab.errors import InputError
from pqa_lab.scenes.photo import Source, load_photo

# Mean and standard deviation of the channels R, G, B of an image in [0, 1].
NORMS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}

# A photo longer than this many times its short side is squeezed to it when it is resized: 1 x 5,000 pixels at a short
# side of 672 would otherwise become 2 gigapixels, and 32 keeps the largest network input (1344) within 60 megapixels.
LONGEST_ASPECT = 32

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def to_tensor(photos: np.ndarray | list[np.ndarray], norm: str | None = None) -> Tensor:
    """Photos of one size as a tensor. Lesson 04.

    Parameters
    ----------
    photos : one (H, W, 3) uint8 photo, or several of the same size
    norm : {"imagenet", "clip", "half"}, optional
        Subtract this mean and divide by this standard deviation, by channel; None leaves values in [0, 1].

    Returns
    -------
    Tensor, shape (V, 3, H, W), float32

    Examples
    --------
    >>> to_tensor(np.full((2, 3, 3), 255, np.uint8))[0, 0].tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    if norm is not None and norm not in NORMS:
        raise InputError(f"There is no normalisation {norm!r}: choose one of {', '.join(NORMS)}, or None.")
    stack = np.stack(photos if isinstance(photos, (list, tuple)) else [photos])  # (V, H, W, 3)
    x = torch.from_numpy(stack).permute(0, 3, 1, 2).contiguous().float().div_(255)  # (V, 3, H, W)
    if norm is not None:
        mean, std = torch.tensor(NORMS[norm])  # (3,), (3,)
        x.sub_(mean[:, None, None]).div_(std[:, None, None])
    return x


def resize(image: Source, height: int, width: int, filter: str = "bilinear", fast: bool = True) -> np.ndarray:
    """Resize a photo to (height, width), antialiased, aspect ratio not kept. Lessons 04, 07.

    ``fast`` first averages whole pixels where the photo is more than six times too large (Pillow's ``reducing_gap``): a
    photograph is at most a grey level or so away from the exact filter, a strip of pixel noise may be 20. Without it
    the result equals torchvision's ``Resize``.
    ``filter`` is "bilinear" or "bicubic".
    """
    photo = load_photo(image)
    if min(height, width) < 1:
        raise InputError("A photo is resized to at least 1 x 1 pixel.")
    if filter not in _FILTERS:
        raise InputError(f"There is no filter {filter!r}: choose one of {', '.join(_FILTERS)}.")
    if photo.shape[:2] == (height, width):
        return photo
    gap = 3.0 if fast else None
    return np.asarray(Image.fromarray(photo).resize((width, height), _FILTERS[filter], reducing_gap=gap))


def resize_short(image: Source, side: int, filter: str = "bilinear", fast: bool = True) -> np.ndarray:
    """Resize a photo so that its short side has ``side`` pixels, aspect ratio kept (up to ``LONGEST_ASPECT``);
    ``filter`` and ``fast`` as in `resize`.

    Lesson 08.
    """
    photo = load_photo(image)
    height, width = photo.shape[:2]
    # The long side is truncated, as torchvision's Resize(int) does.
    long = min(int(side * max(height, width) / min(height, width)), side * LONGEST_ASPECT)
    return resize(photo, *((side, long) if height <= width else (long, side)), filter=filter, fast=fast)


def at_least(image: Source, side: int, filter: str = "bilinear") -> np.ndarray:
    """The photo itself, or, where a side is shorter than ``side`` pixels, enlarged by ``filter`` until it is not."""
    photo = load_photo(image)
    return photo if min(photo.shape[:2]) >= side else resize_short(photo, side, filter)


def resize_global(image: Source, size: int, norm: str | None = None, filter: str = "bilinear") -> Tensor:
    """The whole photo in one square view, aspect ratio not kept: what a "global" branch looks at. Lesson 04.

    Parameters
    ----------
    image : photo (anything that ``load_photo`` takes)
    size : int
        Pixels.
    norm, filter
        As in `to_tensor` and `resize`.

    Returns
    -------
    Tensor, shape (1, 3, size, size), float32
        In [0, 1], or normalised by ``norm`` (see ``to_tensor``).

    Examples
    --------
    >>> resize_global(np.zeros((480, 640, 3), np.uint8), 224, "imagenet").shape
    torch.Size([1, 3, 224, 224])
    """
    return to_tensor(resize(image, size, size, filter), norm)
