r"""Ensembles: several models judge the same photos, their scores are averaged.

Scores are z-normalised within each scene first. A loss that only ranks (RQ-Net's, PQE's) leaves every model, and every
scene of a model, its own zero and unit: averaged raw, the member with the widest spread outvotes the others. After
z-normalisation each member has one vote a scene, and no order within a scene that all members share can change; what is
given up is how far apart the member thought the photos of this scene to be compared with other scenes'. Models that
answer in the labels' unit (BDVQA, by its MSE) can be averaged raw.

*Stated* (survey 3.1): RQ-Net averages four models. *From public code* (ZachL1/SIND@65fbe22): it averages raw scores,
here ``normalise=False``. *Inferred*: the z-normalisation.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import nn

from pqa_lab.errors import InputError
from pqa_lab.methods.tta import predict_views
from pqa_lab.scenes.photo import Source, load_photo


def z_scores(scores: np.ndarray, scenes: Sequence | None = None) -> np.ndarray:
    r"""Scores with mean 0 and standard deviation 1 in each scene. Lesson 12.

    .. math:: z_i = \frac{s_i - \bar s_{c(i)}}{\sigma_{c(i)}}

    Parameters
    ----------
    scores : array, shape (n,)
    scenes : sequence of length n, optional
        None: all photos are of one scene.

    Returns
    -------
    ndarray, shape (n,)
        0 throughout a scene of equal scores (a photo alone, for example): they say nothing about the order.

    Examples
    --------
    >>> z_scores([1.0, 3.0, 10.0, 30.0], ["park", "park", "bar", "bar"]).tolist()
    [-1.0, 1.0, -1.0, 1.0]
    """
    scores = np.asarray(scores, dtype=float)
    groups = pd.factorize(pd.Series(scenes), use_na_sentinel=False)[0] if scenes is not None else np.zeros(len(scores))
    z = np.zeros(len(scores))
    for group in np.unique(groups):
        inside = groups == group
        deviation = scores[inside] - scores[inside].mean()
        sigma = np.sqrt(np.mean(deviation**2))
        # A spread within rounding of the scores is no spread.
        if sigma > 1e-9 * np.abs(scores[inside]).max():
            z[inside] = deviation / sigma
    return z


def average_frames(frames: Sequence[pd.DataFrame], normalise: bool = True) -> pd.DataFrame:
    """One frame of mean scores out of the members' frames on the same rows. Lesson 12.

    Parameters
    ----------
    frames : sequence of DataFrame
        From ``predict``: columns ``scene``, ``score`` and whatever else; with a column ``image`` (the row's number)
        their order does not matter, without it row i is the same photo in each.
    normalise : bool
        z-normalise the members' scores within each scene first; False averages them raw.

    Returns
    -------
    DataFrame
        The first frame (without the ``part.`` columns, which are its member's alone) with the mean ``score``.

    Raises
    ------
    InputError
        No frames, a column missing, a score that is not a number, or frames of different photos.
    """
    if not len(frames):
        raise InputError("There is nothing to average: give the frame of at least one model.")
    for frame in frames:
        for column in ("scene", "score"):
            if column not in frame:
                raise InputError(f"A frame has no column {column!r}: take the frames that predict returns.")
        if not np.isfinite(frame["score"].to_numpy(float)).all():
            raise InputError("A frame holds scores that are not numbers: leave that model out or train it again.")
    first = frames[0]
    aligned = [_like(frame, first) for frame in frames]
    scores = [frame["score"].to_numpy(float) for frame in aligned]
    if normalise:
        scores = [z_scores(score, first["scene"]) for score in scores]
    parts = [name for name in first.columns if str(name).startswith("part.")]
    return first.drop(columns=parts).assign(score=np.mean(scores, axis=0))


def score_photos(
    models: Sequence[nn.Module], photos: Sequence[Source], normalise: bool = True, seed: int = 0
) -> np.ndarray:
    """Score the photos of one scene by several models, each with its own test-time augmentation.

    Parameters
    ----------
    models : sequence of methods
    photos : sequence of n photos (anything that ``load_photo`` takes)
    normalise : bool
        z-normalise each member's scores over these photos first; False averages them raw.
    seed : int
        Of random crops; every photo is looked at with the same random numbers.

    Returns
    -------
    ndarray, shape (n,)
        Higher is better, comparable among these photos only.

    Raises
    ------
    InputError
        No models or no photos; ``BadPhoto`` for one that cannot be read.
    """
    if not len(models) or not len(photos):
        raise InputError("There is nothing to score: give at least one model and one photo.")
    loaded = [load_photo(photo) for photo in photos]
    scores = [_scores(model, loaded, seed) for model in models]
    return np.mean([z_scores(score) for score in scores] if normalise else scores, axis=0)


def _scores(model: nn.Module, photos: list[np.ndarray], seed: int) -> np.ndarray:
    device, modes = next(model.parameters()).device, [(module, module.training) for module in model.modules()]
    # One photo after the other fits any memory, but a model that compares photos has to see them together.
    groups = [photos] if getattr(model, "compares", False) else [[photo] for photo in photos]
    model.eval()
    try:
        with torch.inference_mode():
            return np.concatenate([_predict(model, group, seed, device) for group in groups])
    finally:
        for module, training in modes:
            module.training = training


def _predict(model: nn.Module, photos: list[np.ndarray], seed: int, device: torch.device) -> np.ndarray:
    seen = [model.views(train=False)(photo, np.random.default_rng([seed])) for photo in photos]
    views = {name: torch.stack([view[name] for view in seen]).to(device) for name in seen[0]}  # each (n, V, ...)
    return predict_views(model, views).score.cpu().numpy()  # (n,)


def _like(frame: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``frame`` in the order of ``first``."""
    if "image" in frame and "image" in first:
        if frame["image"].duplicated().any() or set(frame["image"]) != set(first["image"]):
            raise InputError("The frames do not score the same photos: predict the same rows with every model.")
        frame = frame.set_index("image", drop=False).loc[first["image"]]
    same = len(frame) == len(first) and all(
        frame[name].reset_index(drop=True).equals(first[name].reset_index(drop=True))
        for name in ("scene", "jod")
        if name in frame and name in first
    )
    if not same:
        raise InputError("The frames do not score the same photos: predict the same rows with every model.")
    return frame
