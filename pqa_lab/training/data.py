"""From rows and a method's view to batches that do not depend on the number of workers or processes.

Every random number of a view comes from a generator keyed by (seed, epoch, step, occurrence, row): whoever prepares
an image, and whatever was prepared before it, the crop is the same. That is what makes an exact resume possible.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import datasets
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pqa_lab.errors import InputError
from pqa_lab.methods.base import Batch, View
from pqa_lab.scenes.photo import load_photo
from pqa_lab.scenes.sampler import SceneBatchSampler

CACHE_LIMIT = 512 * 2**20  # bytes of decoded photos kept in memory when ``cache`` is left open

Key = tuple[int, ...]  # (row, words that seed its generator ...)


class Views(Dataset):
    """Rows seen through a view: decoded when asked for, optionally kept decoded.

    Parameters
    ----------
    rows : datasets.Dataset
    view : View
    scenes : sequence of str
        Names whose position is the scene index; any other scene is -1.
    cache : bool, optional
        Keep decoded photos (uint8) in memory. None: when all of them fit in ``CACHE_LIMIT``, judged by the first.
    """

    def __init__(self, rows: datasets.Dataset, view: View, scenes: Sequence[str] = (), cache: bool | None = None):
        if "image" not in rows.column_names:
            raise InputError("The rows have no column 'image': load them with pqa_lab.scenes.")
        self.rows = rows.select_columns("image").cast_column("image", datasets.Image(decode=False))
        self.view = view
        index = {name: i for i, name in enumerate(scenes)}
        self.scene_name = column(rows, "scene")
        self.scene = [index.get(name, -1) for name in self.scene_name]
        self.jod = numbers(rows, "jod")
        self.jod_std = numbers(rows, "jod_std")
        self.has_std = bool(np.isfinite(self.jod_std).all())
        self.cache: dict[int, np.ndarray] | None = None
        if cache is None:
            cache = len(rows) > 0 and self.photo(0).nbytes * len(rows) <= CACHE_LIMIT
        self.cache = {} if cache else None
        self.seen: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def photo(self, row: int) -> np.ndarray:
        """Decoded photo of a row, (H, W, 3) uint8."""
        if self.cache is not None and row in self.cache:
            return self.cache[row]
        stored = self.rows[row]["image"]
        if stored is None:
            raise InputError(f"Row {row} has no photo: only its scores are known.")
        try:
            photo = load_photo(stored["bytes"] if stored["bytes"] is not None else stored["path"])
        except InputError as error:
            raise InputError(f"Row {row}: {error}") from None
        if self.cache is not None:
            self.cache[row] = photo
        return photo

    def look(self, row: int, seed: Sequence[int]) -> dict[str, Tensor]:
        """Views of a row; a view that draws nothing (``view.fixed``) is computed once."""
        if not getattr(self.view, "fixed", False):
            return self.view(self.photo(row), np.random.default_rng(seed))
        if row not in self.seen:
            self.seen[row] = self.view(self.photo(row), np.random.default_rng(0))
        return self.seen[row]

    def __getitem__(self, key: Key) -> Batch:
        row, *seed = key
        sample = {
            "views": self.look(row, seed),
            "scene": torch.tensor(self.scene[row]),
            "jod": torch.tensor(self.jod[row], dtype=torch.float32),
        }
        if self.has_std:
            sample["jod_std"] = torch.tensor(self.jod_std[row], dtype=torch.float32)
        return sample


class KeyedBatches:
    """Batches of keys, epoch after epoch without end, from any step on: a batch sampler for ``DataLoader``."""

    def __init__(self, sampler: SceneBatchSampler, seed: int, first_step: int = 0):
        self.sampler, self.seed, self.first_step = sampler, seed, first_step

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, skip = divmod(self.first_step, len(self.sampler))
        while True:
            self.sampler.set_epoch(epoch)
            for step, batch in enumerate(self.sampler):
                if step < skip:  # passed over without decoding a photo
                    continue
                seen: Counter[int] = Counter()
                keys = []
                for row in batch:
                    # A small scene is padded with repeats: the occurrence gives each of them its own crop.
                    keys.append((row, self.seed, epoch, step, seen[row], row))
                    seen[row] += 1
                yield keys
            epoch, skip = epoch + 1, 0


def training_loader(
    rows: datasets.Dataset,
    view: View,
    sampler: SceneBatchSampler,
    seed: int = 0,
    first_step: int = 0,
    num_workers: int = 0,
    cache: bool | None = None,
) -> DataLoader:
    """Endless loader of training batches; iterate it once for the whole run.

    A batch is ``{"views": {name: (B, V, ...)}, "scene": (B,), "jod": (B,)}`` and ``"jod_std"`` where all rows have
    it, grouped by scene as the sampler gave it.

    Raises
    ------
    InputError
        Rows without an image, a scene or a JOD.
    """
    check_labels(rows)
    if cache is None and num_workers:
        cache = False  # every worker would fill its own
    return DataLoader(
        Views(rows, view, scene_names(rows), cache),
        batch_sampler=KeyedBatches(sampler, seed, first_step),
        num_workers=num_workers,
        # Its own generator: the loader would otherwise draw from torch's global one, which an exact resume restores.
        generator=torch.Generator(),
    )


def split_batch(batch: Batch, pieces: int) -> list[Batch]:
    """Cut a batch of whole scenes into ``pieces`` of equally many scenes."""
    size = len(batch["jod"]) // pieces

    def cut(value, i: int):
        if isinstance(value, dict):
            return {name: cut(part, i) for name, part in value.items()}
        return value[i * size : (i + 1) * size]

    return [cut(batch, i) for i in range(pieces)] if pieces > 1 else [batch]


def check_labels(rows: datasets.Dataset) -> None:
    """Refuse rows that cannot be trained on.

    Raises
    ------
    InputError
        No rows, or rows without a scene or a JOD.
    """
    if len(rows) == 0:
        raise InputError("There is nothing to train on: the rows are empty.")
    for name, missing in (
        ("scene", sum(scene is None for scene in column(rows, "scene"))),
        ("JOD", int((~np.isfinite(numbers(rows, "jod"))).sum())),
    ):
        if missing:
            raise InputError(f"{missing} of {len(rows)} training rows have no {name}: drop them or fit them first.")


def scene_names(rows: datasets.Dataset) -> list[str]:
    """Sorted names of the scenes; the position of a name is its scene index in the batches and in the checkpoint."""
    return sorted(set(column(rows, "scene")))


def split_validation(
    rows: datasets.Dataset, by: str = "scene", fraction: float = 0.2, seed: int = 0
) -> tuple[datasets.Dataset, datasets.Dataset]:
    """Split training rows into a part to learn from and a part to choose the checkpoint by. Lesson 12.

    Several teams of the challenge chose their checkpoint, and stopped training, by the score on the *test* scenes
    (RQ-Net, PQE and the PIQ23 baselines do in their public code), which makes the figure that they report optimistic.
    Give this function the training rows only, so that the test rows are looked at once, at the end.

    Parameters
    ----------
    rows : datasets.Dataset
        Training rows.
    by : str
        Column whose values are never on both sides: ``"scene"`` (the question is then how the method does on a new
        scene), ``"device"``, ``"subject"``; or ``"image"`` for a random part of the images of all scenes.
    fraction : float
        Part of the values (for ``"image"``: of the rows) that goes to validation, in (0, 1); at least one.
    seed : int

    Returns
    -------
    train, validation : datasets.Dataset

    Raises
    ------
    InputError
        A missing column, fewer than two values, or a fraction outside (0, 1).
    """
    if not 0 < fraction < 1:
        raise InputError(f"The validation fraction must lie between 0 and 1, not {fraction}.")
    values = list(range(len(rows))) if by == "image" else column(rows, by)
    if any(value is None for value in values):
        raise InputError(f"Not every row has a {by}: split by another column, for example by='image'.")
    names = sorted(set(values))
    if len(names) < 2:
        raise InputError(f"A validation split needs at least two values of {by!r}; the rows have {len(names)}.")
    count = min(len(names) - 1, max(1, round(fraction * len(names))))
    chosen = set(np.random.default_rng(seed).permutation(len(names))[:count].tolist())
    held_out = {names[i] for i in chosen}
    inside = np.array([value in held_out for value in values])
    return rows.select(np.flatnonzero(~inside)), rows.select(np.flatnonzero(inside))


def column(rows: datasets.Dataset, name: str) -> list:
    """A column as a list; None for each row where the rows lack it."""
    return rows.with_format(None)[name][:] if name in rows.column_names else [None] * len(rows)


def numbers(rows: datasets.Dataset, name: str) -> np.ndarray:
    """A numeric column as float64, (n,); NaN where it is missing."""
    return np.array([np.nan if value is None else value for value in column(rows, name)], dtype=np.float64)
