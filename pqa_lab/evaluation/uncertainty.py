"""How sure a table is: the bootstrap over scenes.

The scene is the unit that is drawn at random: images of a scene share its people, light and panel, so they are never
resampled one by one. All columns share the draws of a resample, which is what makes their differences paired.
"""

from __future__ import annotations

import numpy as np

from pqa_lab.errors import InputError

_CHUNK = 2_000_000  # values of a resample held at a time


def over_scenes(values: np.ndarray, statistic: str) -> np.ndarray:
    """Median or mean along the last axis, NaN (undefined scenes) left out; (..., S) -> (...)."""
    if statistic == "mean":
        undefined = np.isnan(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(undefined, 0.0, values).sum(axis=-1) / (~undefined).sum(axis=-1)
    if not np.isnan(values).any():
        return np.median(values, axis=-1)
    ordered = np.sort(values, axis=-1)  # NaN last
    defined = (~np.isnan(values)).sum(axis=-1)
    middle = [np.maximum(defined - 1, 0) // 2, np.minimum(defined // 2, values.shape[-1] - 1)]
    low, high = (np.take_along_axis(ordered, k[..., None], axis=-1)[..., 0] for k in middle)
    return np.where(defined > 0, (low + high) / 2, np.nan)


def replicates(values: np.ndarray, statistic: str = "median", resamples: int = 10_000, seed: int = 0) -> np.ndarray:
    """The statistic over scenes in every bootstrap resample of the scenes. Lesson 03.

    Parameters
    ----------
    values : array, shape (S, M)
        One row a scene, one column a method or metric; NaN (undefined) is left out of its column's statistic.
    statistic : {"median", "mean"}
    resamples, seed : int

    Returns
    -------
    array, shape (resamples, M)
        Row r of all columns comes from the same draw of scenes.
    """
    check_statistic(statistic)
    values = np.asarray(values, dtype=np.float64)
    rng, n_scenes = np.random.default_rng(seed), len(values)
    defined, filled = ~np.isnan(values), np.nan_to_num(values)
    step, out = max(1, _CHUNK // n_scenes), np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        draws = rng.integers(n_scenes, size=(rows, n_scenes)) + n_scenes * np.arange(rows)[:, None]  # (R, S)
        # How often each scene was drawn is all that a statistic needs, and it is the same for every column.
        times = np.bincount(draws.ravel(), minlength=rows * n_scenes).reshape(rows, n_scenes).astype(np.int32)  # (R, S)
        if statistic == "mean":
            with np.errstate(invalid="ignore"):
                out[start : start + rows] = (times @ filled) / (times @ defined)  # (R, M)
        else:
            for column in range(values.shape[1]):
                out[start : start + rows, column] = _weighted_median(values[:, column], times)
    return out


def _weighted_median(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Median of the values (S,), each taken ``times`` (R, S); NaN left out -> (R,)."""
    order = np.argsort(values)[: int((~np.isnan(values)).sum())]  # NaN is last
    reached = times[:, order].cumsum(axis=1, dtype=times.dtype)  # (R, D), how many draws are at most this value
    if not len(order):
        return np.full(len(times), np.nan)
    count, ordered = reached[:, -1:], values[order]
    middle = [ordered[(reached > k).argmax(axis=1)] for k in ((count - 1) // 2, count // 2)]
    return np.where(count[:, 0] > 0, (middle[0] + middle[1]) / 2, np.nan)


def interval(
    values: np.ndarray, statistic: str = "median", resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> np.ndarray:
    """Percentile bootstrap interval over scenes, (S, M) -> (2, M): low and high; NaN where no scene is defined.

    Lesson 03.

    Parameters
    ----------
    values : array, shape (S, M)
        A row a scene, a column a metric; NaN where undefined.
    statistic : {"median", "mean"}
        Over scenes.
    resamples, level, seed
        Of the bootstrap.

    Returns
    -------
    ndarray, shape (2, M)
    """
    values = np.asarray(values, dtype=np.float64)
    bounds = np.full((2, values.shape[1]), np.nan)
    known = ~np.isnan(values).all(axis=0)
    if resamples and known.any():
        replicate = replicates(values[:, known], statistic, resamples, seed)  # (R, M)
        bounds[:, known] = np.nanquantile(replicate, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return bounds


def check_statistic(statistic: str) -> None:
    if statistic not in ("median", "mean"):
        raise InputError(f'The statistic over scenes is "median" or "mean", not {statistic!r}.')
