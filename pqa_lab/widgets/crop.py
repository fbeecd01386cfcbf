"""What the network sees of a photo: a global resize, fragments, crops, the face; and which regions they come from."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from pqa_lab.errors import InputError
from pqa_lab.views import (
    at_least,
    crops,
    detect_face,
    fragments,
    mask_face,
    pqe_face,
    resize,
    resize_global,
    resize_short,
    sar_face,
)  # fmt: skip
from pqa_lab.views.crops import COUNTS, places
from pqa_lab.views.fragments import SHORT_SIDE, fixed_offsets, random_offsets
from pqa_lab.viz import Shown, show
from pqa_lab.widgets.explorer import Explorer
from pqa_lab.widgets.pictures import Region, opened, outlined, pictures_figure, row_html, sheet

CROPS = {
    "one crop, centre": "centre",
    "five crops (PQE, BDVQA)": "five",
    "nine crops (RQ-Net)": "nine",
    "ten crops (five and their mirrors)": "ten",
    "18 random crops (BDVQA)": "random",
    "30 dense crops (SAR)": "dense",
}
FRAGMENTS = {"fragments (RQ-Net)": "rqnet", "fragments (FAST-VQA)": "fastvqa"}
FACES = ("face and 20 px (PQE)", "face square (SAR)", "face, the rest black (PIQ23-Face)")
RESIZE = "resize of the whole photo"
KINDS = (RESIZE, *FRAGMENTS, *CROPS, *FACES)
GRID, PATCH = 7, 32


@dataclass
class CropView:
    """One photo and one way to look at it. Lesson 04.

    Parameters
    ----------
    photo : anything that `load_photo` takes, optional
        By default a portrait that comes with the package.
    kind : str
        One of `KINDS`.
    size : int
        Side of a view in pixels; fragments always have 224.
    random : bool
        Draw the places of fragments anew, as in training, instead of the fixed ones of testing.
    seed : int
        Which draw.
    """

    photo: Any = None
    kind: str = "fragments (RQ-Net)"
    size: int = 224
    random: bool = False
    seed: int = 0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InputError(f"There is no view {self.kind!r}; choose one of {', '.join(KINDS)}.")
        self.photo = opened(self.photo)
        self._face: tuple | None = None

    @property
    def face(self) -> Region | None:
        """The main face's box, searched once."""
        if self._face is None:
            self._face = (detect_face(self.photo),)
        return self._face[0]

    def views(self) -> list[np.ndarray]:
        """What the network gets, (S, S, 3) uint8 each (before normalisation)."""
        if self.kind == RESIZE:
            return _pictures(resize_global(self.photo, self.size))
        if self.kind in CROPS:
            return _pictures(crops(self.photo, self.size, CROPS[self.kind], rng=self._rng()))
        if self.kind in FRAGMENTS:
            rng = self._rng() if self.random else None
            return _pictures(fragments(self.photo, GRID, PATCH, FRAGMENTS[self.kind], rng=rng))
        make = (pqe_face, sar_face, mask_face)[FACES.index(self.kind)]
        return [resize(make(self.photo, self.face), self.size, self.size)]

    def regions(self) -> list[Region]:
        """Where in the photo the views come from, in its pixels."""
        height, width = self.photo.shape[:2]
        if self.kind in CROPS:
            kind = CROPS[self.kind]
            large = at_least(self.photo, self.size).shape
            corners = places(large[0], large[1], self.size, kind, COUNTS[kind], self._rng())
            boxes = [(left, top, left + self.size, top + self.size) for top, left in corners]
            return _scaled(boxes, width / large[1], height / large[0])
        if self.kind in FRAGMENTS:
            return self._patches()
        if self.kind == RESIZE or self.face is None:
            return [(0, 0, width, height)]
        x0, y0, x1, y1 = self.face
        if self.kind == FACES[0]:
            return [(max(0, x0 - 20), max(0, y0 - 20), min(width, x1 + 20), min(height, y1 + 20))]
        if self.kind == FACES[2]:
            return [self.face]
        side = sar_face(self.photo, self.face).shape[0]
        left = min(max((x0 + x1 - side) // 2, 0), width - side)
        top = min(max((y0 + y1 - side) // 2, 0), height - side)
        return [(left, top, left + side, top + side)]

    def _patches(self) -> list[Region]:
        mode = FRAGMENTS[self.kind]
        short = SHORT_SIDE[mode]
        large = at_least(self.photo if short is None else resize_short(self.photo, short), GRID * PATCH).shape
        if self.random:
            rows, columns = random_offsets(large, GRID, PATCH, mode, self._rng())
        else:
            rows, columns = fixed_offsets(large, GRID, PATCH, 0.5, 0.5)
        cell, boxes = (large[0] // GRID, large[1] // GRID), []
        for i, j in np.ndindex(GRID, GRID):
            top, left = i * cell[0] + rows[i, j], j * cell[1] + columns[i, j]
            boxes.append((left, top, left + PATCH, top + PATCH))
        return _scaled(boxes, self.photo.shape[1] / large[1], self.photo.shape[0] / large[0])

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def draw_again(self) -> None:
        """Other random places."""
        self.seed += 1

    def coverage(self) -> float:
        """Share of the photo that some view shows."""
        seen = np.zeros(self.photo.shape[:2], bool)
        for x0, y0, x1, y1 in self.regions():
            seen[round(y0) : round(y1), round(x0) : round(x1)] = True
        return float(seen.mean())

    def zoom(self) -> float:
        """Pixels of a view for one pixel of the photo, along the shorter side: below 1, fine detail is gone."""
        x0, y0, x1, y1 = self.regions()[0]
        side = PATCH if self.kind in FRAGMENTS else self.size
        return side / min(x1 - x0, y1 - y0)

    def words(self) -> str:
        shown = self.views()
        zoom = self.zoom()
        sharp = "detail as sharp as in the photo" if zoom > 0.97 else f"detail shrunk to {100 * zoom:.0f} %"
        if zoom > 1.03:
            sharp = f"enlarged {zoom:.1f} times, which adds no detail"
        missing = " No face was found, so the whole photo serves." if self.kind in FACES and self.face is None else ""
        size = f"{shown[0].shape[1]} x {shown[0].shape[0]} pixels"
        return (
            f"{self.kind}: {len(shown)} view{'s' * (len(shown) > 1)} of {size} from a photo of {self.photo.shape[1]} x "
            f"{self.photo.shape[0]}; {100 * self.coverage():.0f} % of its area is seen, {sharp}.{missing}"
        )

    def pictures(self) -> dict[str, np.ndarray]:
        """The photo with the regions outlined, and the views."""
        shown = self.views()
        return {
            "the photo, regions outlined": outlined(self.photo, self.regions()),
            "what the network sees" + (f" ({len(shown)} views)" if len(shown) > 1 else ""): sheet(shown),
        }

    def faces(self) -> dict[str, str]:
        return {"pictures": row_html(self.pictures(), self.words())}

    def static(self, kinds: tuple[str, ...] = (RESIZE, "fragments (RQ-Net)", "five crops (PQE, BDVQA)")) -> Shown:
        """Some ways to look, the photo with its regions above what the network sees."""
        looks = [replace(self, kind=kind) for kind in kinds]
        above = {look.kind: look.pictures()["the photo, regions outlined"] for look in looks}
        below = {f"{look.kind}: seen": sheet(look.views()) for look in looks}
        words = [look.words() for look in looks]
        table = pd.DataFrame(
            {"view": list(kinds), "area seen": [f"{100 * look.coverage():.0f} %" for look in looks],
             "pixels a photo's pixel": [f"{look.zoom():.2f}" for look in looks]}
        )  # fmt: skip
        return show(pictures_figure(above | below, " ".join(words), columns=len(kinds)), table=table)


def _pictures(views: Tensor) -> list[np.ndarray]:
    return list((255 * views).round().byte().permute(0, 2, 3, 1).numpy())  # (V, 3, S, S) -> V of (S, S, 3)


def _scaled(boxes: list[tuple[int, int, int, int]], x: float, y: float) -> list[Region]:
    return [(x0 * x, y0 * y, x1 * x, y1 * y) for x0, y0, x1, y1 in boxes]


def crop_viewer(photo: Any = None, kind: str = "fragments (RQ-Net)", size: int = 224) -> Explorer:
    """Choose how a network looks at a photo; see the views beside the photo with their regions outlined. Lesson 04.

    Parameters are those of `CropView`; ``crop_viewer().static()`` is the twin for viewers without a kernel.
    """
    import ipywidgets

    session = CropView(photo, kind, size)
    controls = {
        "kind": ipywidgets.Dropdown(options=KINDS, value=kind, description="view"),
        "size": ipywidgets.IntSlider(size, min=64, max=448, step=32, description="side, pixels"),
        "random": ipywidgets.Checkbox(False, description="fragments as in training", indent=False),
        "draw_again": ipywidgets.Button(description="Draw again"),
    }
    return Explorer(session, "What the network sees", controls)
