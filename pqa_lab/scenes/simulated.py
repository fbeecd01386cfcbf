"""The embedded data set as rows: portraits drawn from numbers, with a known truth."""

from typing import Any

from datasets import Dataset

from pqa_lab.scenes.rows import select_part


def load_simulated(
    scenes: int | None = None,
    images: int | None = None,
    size: int = 256,
    seed: int = 0,
    part: str | None = None,
    **options: Any,
) -> Dataset:
    """Draw the simulated data set, or take it from the cache. Lessons 02, 06, 07, 08, 09, 10, 11, 12, 13, 14.

    Parameters
    ----------
    scenes, images : int, optional
        How many scenes, and images in each; default 12 x 24, with ``shift="challenge"`` 96 x 7.
    size : int
        Side of the square photos in pixels.
    seed : int
        Fixes everything.
    part : "train", "test" or None
        Keep one side of the column ``split``; scenes of the test side do not occur in training, unless ``shift`` says
        that devices or people are what is new.
    **options
        Of `pqa_lab.simulation.simulate`: ``attribute``, ``shift``, ``workers``, ``progress``.

    Returns
    -------
    datasets.Dataset
        Rows as of every source, with ``truth`` and how each photo was made besides.
    """
    from pqa_lab.simulation.dataset import simulate

    return select_part(simulate(scenes, images, size=size, seed=seed, **options), part)
