"""Crops of a photo, at test time (several fixed ones, averaged) and in training (one random one).

Which method looks at which: PQE five crops of 384, BDVQA five, ten or 18 random crops of 384, RQ-Net nine crops of 224
out of the 244 x 244 photo, SAR 30 dense patches of 224, LIQE 15 patches of a stride-32 unfolding.
A photo smaller than the crop is enlarged until the crop fits, so every photo gives views of the right shape.
"""

import math

import numpy as np
from torch import Tensor

from pqa_lab.errors import InputError
from pqa_lab.scenes.photo import Source
from pqa_lab.views.resize import at_least, to_tensor

COUNTS = {"centre": 1, "five": 5, "nine": 9, "ten": 10, "random": 18, "dense": 30, "unfold": 15}
Corner = tuple[int, int]  # top, left


def crops(
    image: Source,
    size: int,
    kind: str = "five",
    count: int | None = None,
    rng: np.random.Generator | None = None,
    norm: str | None = None,
) -> Tensor:
    """Square crops of ``size`` pixels. Lessons 04, 07, 08.

    Parameters
    ----------
    image : photo (anything that ``load_photo`` takes)
    size : int
    kind : str
        - ``"centre"``: one; ``"five"``: the corners (top left, top right, bottom left, bottom right) and the centre;
          ``"ten"``: these and their mirror images (both in torchvision's order);
        - ``"nine"``: a 3 x 3 grid of corners, edge middles and centre, row by row;
        - ``"random"``: ``count`` (18) uniformly random ones;
        - ``"dense"``: ``count`` (30) on the even grid that fits the photo's shape best, e.g. 5 x 6;
        - ``"unfold"``: ``count`` (15) taken at even steps from all crops at stride 32 (LIQE).
    count : int, optional
        For the last three kinds.
    rng : numpy Generator, optional
        For ``"random"``; None draws the same crops every time.
    norm : {"imagenet", "clip", "half"}, optional

    Returns
    -------
    Tensor, shape (V, 3, size, size), float32

    Examples
    --------
    >>> crops(np.zeros((480, 640, 3), np.uint8), 384, "five").shape
    torch.Size([5, 3, 384, 384])
    """
    if kind not in COUNTS:
        raise InputError(f"There are no {kind!r} crops: choose one of {', '.join(COUNTS)}.")
    if size < 1 or (count is not None and count < 1):
        raise InputError("Crops need a size and a count of at least 1.")
    photo = at_least(image, size)
    corners = places(photo.shape[0], photo.shape[1], size, kind, count or COUNTS[kind], rng)
    views = [photo[top : top + size, left : left + size] for top, left in corners]
    if kind == "ten":
        mirrored = photo[:, ::-1]
        views += [mirrored[top : top + size, left : left + size] for top, left in corners]
    return to_tensor(views, norm)


def places(
    height: int, width: int, size: int, kind: str, count: int, rng: np.random.Generator | None = None
) -> list[Corner]:
    """Top left corners of the crops of ``kind`` (``"ten"``: of its first five)."""
    down, right = height - size, width - size
    centre = (round(down / 2), round(right / 2))
    if kind == "centre":
        return [centre]
    if kind in ("five", "ten"):
        return [(0, 0), (0, right), (down, 0), (down, right), centre]
    if kind == "nine":
        return [(top, left) for top in (0, centre[0], down) for left in (0, centre[1], right)]
    if kind == "random":
        rng = rng or np.random.default_rng(0)
        return [(int(rng.integers(0, down + 1)), int(rng.integers(0, right + 1))) for _ in range(count)]
    if kind == "unfold":
        every = [(top, left) for top in range(0, down + 1, 32) for left in range(0, right + 1, 32)]
        step = max(1, len(every) // count)
        return [every[i * step % len(every)] for i in range(count)]
    rows, columns = _grid(count, width / height)
    return [(int(t), int(x)) for t in _even(down, rows) for x in _even(right, columns)]


def _grid(count: int, aspect: float) -> tuple[int, int]:
    """The split of ``count`` into rows x columns whose shape is nearest to the photo's."""
    splits = [(rows, count // rows) for rows in range(1, count + 1) if count % rows == 0]
    return min(splits, key=lambda split: abs(math.log(split[1] / split[0] / aspect)))


def _even(room: int, count: int) -> np.ndarray:
    return np.linspace(0, room, count).round() if count > 1 else np.array([room // 2])
