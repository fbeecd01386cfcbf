"""The embedded data set as rows: portraits drawn from numbers, with a known truth."""

from typing import Any

from datasets import Dataset

from pqa_lab.scenes.rows import select_part


def load_simulated(
    scenes: int = 12, images: int = 24, size: int = 256, seed: int = 0, part: str | None = None, **options: Any
) -> Dataset:
    """Draw the simulated data set, or take it from the cache.

    Parameters
    ----------
    scenes, images : int
        How many scenes, and images in each.
    size : int
        Longer side of a picture in pixels.
    seed : int
        Fixes everything.
    part : "train", "test" or None
        Keep one side; scenes of the test side do not occur in training.
    **options
        Of `pqa_lab.simulation.simulate`: ``attribute``, ``shift``, ``workers``, ``progress``.
    """
    from pqa_lab.simulation import simulate

    return select_part(simulate(scenes=scenes, images=images, size=size, seed=seed, **options), part)
