"""Fragments: local detail at full sharpness in the input size of a small network.

The photo is cut into a grid of 7 x 7 cells, one mini-patch of 32 x 32 pixels is taken from each cell without any
resizing, and the mini-patches are spliced into one 224 x 224 mosaic: what blur, noise and compression look like
survives, at 2 % of the pixels, and each mini-patch still stands where it was in the composition.

Sources: FAST-VQA (ECCV 2022) and RQ-Net (survey, section 3.1).
*Stated*: 7 x 7 = 49 squares of 32 x 32. *From public code*: RQ-Net first resizes the short side to 672 and draws one
row offset per grid row and one column offset per grid column (7 + 7 numbers); FAST-VQA draws an offset per cell (49
pairs) and enlarges photos smaller than the mosaic; RQ-Net's nine test-time layouts put every mini-patch at the same
corner, edge or centre of its cell. *Ours*: the last possible offset may be drawn too (FAST-VQA's draw leaves it out).
"""

import numpy as np
from torch import Tensor

from pqa_lab.errors import InputError
from pqa_lab.scenes.photo import Source
from pqa_lab.views.resize import at_least, resize_short, to_tensor

# Where in its cell a mini-patch lies, as fractions (down, right) of the room that the cell leaves it.
LAYOUTS: dict[str, tuple[tuple[float, float], ...]] = {
    "centre": ((0.5, 0.5),),
    "five": ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)),
    "nine": tuple((down, right) for down in (0, 0.5, 1) for right in (0, 0.5, 1)),
}
SHORT_SIDE = {"rqnet": 672, "fastvqa": None}


def fragments(
    image: Source,
    grid: int = 7,
    patch: int = 32,
    mode: str = "rqnet",
    rng: np.random.Generator | None = None,
    layout: str | tuple[tuple[float, float], ...] = "centre",
    count: int = 1,
    short_side: int | None | str = "mode",
    norm: str | None = None,
) -> Tensor:
    """Splice one mini-patch of each cell of a grid into a mosaic. Lessons 04, 07.

    Parameters
    ----------
    image : photo (anything that ``load_photo`` takes)
    grid, patch : int
        Cells a side, and pixels a side of a mini-patch; the mosaic has ``grid * patch`` pixels a side.
    mode : {"rqnet", "fastvqa"}
        How random offsets are drawn: per grid row and column, or per cell.
    rng : numpy Generator, optional
        Draws the offsets of ``count`` mosaics (training). None: the fixed ``layout`` (testing).
    layout : {"centre", "five", "nine"} or pairs of fractions in [0, 1]
        Without ``rng``: one mosaic for each (down, right), the same in all cells.
    short_side : int, optional
        Resize to this short side first; by default 672 for "rqnet" and not at all for "fastvqa" (and for None).
        A photo whose short side is still smaller than the mosaic is enlarged to it.
    norm : {"imagenet", "clip", "half"}, optional

    Returns
    -------
    Tensor, shape (V, 3, grid * patch, grid * patch), float32
        V is ``count`` with ``rng``, else the number of layouts.

    Examples
    --------
    >>> fragments(np.zeros((960, 1280, 3), np.uint8), layout="nine").shape
    torch.Size([9, 3, 224, 224])
    """
    if mode not in SHORT_SIDE:
        raise InputError(f"There is no fragment mode {mode!r}: choose one of {', '.join(SHORT_SIDE)}.")
    if grid < 1 or patch < 1:
        raise InputError("Fragments need a grid and a patch of at least 1.")
    side = SHORT_SIDE[mode] if short_side == "mode" else short_side
    photo = at_least(image if side is None else resize_short(image, side), grid * patch)
    if rng is not None:
        offsets = [random_offsets(photo.shape, grid, patch, mode, rng) for _ in range(count)]
    else:
        if isinstance(layout, str) and layout not in LAYOUTS:
            raise InputError(f"There is no fragment layout {layout!r}: choose one of {', '.join(LAYOUTS)}.")
        places = LAYOUTS[layout] if isinstance(layout, str) else layout
        offsets = [fixed_offsets(photo.shape, grid, patch, down, right) for down, right in places]
    return to_tensor([splice(photo, grid, patch, rows, columns) for rows, columns in offsets], norm)


def slack(shape: tuple[int, ...], grid: int, patch: int) -> tuple[int, int]:
    """How far a mini-patch can move down and right inside its cell, in pixels."""
    return shape[0] // grid - patch, shape[1] // grid - patch


def random_offsets(
    shape: tuple[int, ...], grid: int, patch: int, mode: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (down, right) inside each cell, two integer arrays (grid, grid)."""
    down, right = slack(shape, grid, patch)
    if mode == "fastvqa":
        return rng.integers(0, down + 1, (grid, grid)), rng.integers(0, right + 1, (grid, grid))
    rows = np.repeat(rng.integers(0, down + 1, (grid, 1)), grid, axis=1)  # one number a grid row
    columns = np.repeat(rng.integers(0, right + 1, (1, grid)), grid, axis=0)  # one number a grid column
    return rows, columns


def fixed_offsets(
    shape: tuple[int, ...], grid: int, patch: int, down: float, right: float
) -> tuple[np.ndarray, np.ndarray]:
    """The same offset in every cell, at fractions ``down``, ``right`` of the slack."""
    room = slack(shape, grid, patch)
    return np.full((grid, grid), round(down * room[0])), np.full((grid, grid), round(right * room[1]))


def splice(photo: np.ndarray, grid: int, patch: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The mosaic (grid * patch, grid * patch, 3) of mini-patches at the given offsets (grid, grid) in their cells."""
    cell_height, cell_width = photo.shape[0] // grid, photo.shape[1] // grid
    cell, pixel = np.arange(grid), np.arange(patch)
    y = (cell[:, None] * cell_height + rows)[:, None, :, None] + pixel[None, :, None, None]  # (g, p, g, 1)
    x = (cell[None, :] * cell_width + columns)[:, None, :, None] + pixel[None, None, None, :]  # (g, 1, g, p)
    return photo[y, x].reshape(grid * patch, grid * patch, 3)  # (g, p, g, p, 3) -> (S, S, 3)
