"""Training and test sides for data that come without an official split."""

import numpy as np
from datasets import Dataset, Value

from pqa_lab.errors import InputError


def split_scenes(rows: Dataset, test: float = 0.3, seed: int = 0, by: str = "scene") -> Dataset:
    """Fill the column ``split``: whole scenes (or devices, subjects) go to one side, as in PIQ23's scene split.

    Parameters
    ----------
    rows : datasets.Dataset
    test : float
        Share of the images that the test side holds, in (0, 1); met as closely as whole groups allow.
    seed : int
        Fixes which groups.
    by : "scene", "device" or "subject"
        What must not be on both sides.

    Returns
    -------
    datasets.Dataset

    Raises
    ------
    InputError
        A share outside (0, 1), a row without group, or a single group.
    """
    if not 0 < test < 1:
        raise InputError(f"The test side cannot hold a share of {test}: use a number between 0 and 1.")
    if by not in ("scene", "device", "subject"):
        raise InputError(f"Rows cannot be split by '{by}': use scene, device or subject.")
    groups = rows[by][:]
    if None in groups:
        raise InputError(f"{groups.count(None)} rows have no {by}: split by another column.")
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < 2:
        raise InputError(f"There is one {by} only: a split needs at least two.")
    order = np.random.default_rng(seed).permutation(len(names))
    # The prefix whose size comes nearest to the share; neither side may be empty.
    share = sizes[order].cumsum()[:-1] / sizes.sum()
    chosen = set(names[order[: np.abs(share - test).argmin() + 1]])
    sides = ["test" if group in chosen else "train" for group in groups]
    return rows.remove_columns("split").add_column("split", sides, feature=Value("string"))
