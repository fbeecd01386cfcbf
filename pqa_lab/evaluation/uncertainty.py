"""How sure a table is: the bootstrap over scenes, and paired tests between methods.

The scene is the unit that is drawn at random: images of a scene share its people, light and panel, so they are never
resampled one by one. All methods share the draws of a resample, which is what makes their differences paired.
"""

from __future__ import annotations

import numpy as np

STATISTICS = ("median", "mean")


def replicates(values: np.ndarray, statistic: str = "median", resamples: int = 10_000, seed: int = 0) -> np.ndarray:
    """The statistic over scenes in every resample.

    Parameters
    ----------
    values : array, shape (S, M)
        One row a scene, one column a method or metric; NaN (undefined) is left out of its column's statistic.
    statistic : {"median", "mean"}

    Returns
    -------
    array, shape (resamples, M)
    """
    values = np.asarray(values, dtype=np.float64)
    n_scenes = len(values)
    draws = np.random.default_rng(seed).integers(0, n_scenes, size=(resamples, n_scenes))  # (R, S)
    out = np.empty((resamples, values.shape[1]))
    for column in range(values.shape[1]):
        sample = values[:, column][draws]  # (R, S)
        out[:, column] = _statistic(sample, statistic)
    return out


def interval(
    values: np.ndarray, statistic: str = "median", resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> np.ndarray:
    """Percentile bootstrap interval over scenes, (2, M): low and high; NaN for a column without a defined scene."""
    if resamples == 0:
        return np.full((2, np.shape(values)[1]), np.nan)
    tail = (1 - level) / 2
    replicate = replicates(values, statistic, resamples, seed)  # (R, M)
    return np.stack([_column_quantile(replicate, q) for q in (tail, 1 - tail)])


def _column_quantile(values: np.ndarray, q: float) -> np.ndarray:
    out = np.full(values.shape[1], np.nan)
    for column in range(values.shape[1]):
        defined = values[~np.isnan(values[:, column]), column]
        if defined.size:
            out[column] = np.quantile(defined, q)
    return out


def _statistic(sample: np.ndarray, statistic: str) -> np.ndarray:
    """Along the last axis, NaN left out, (R, S) -> (R,)."""
    if not np.isnan(sample).any():
        return np.median(sample, axis=-1) if statistic == "median" else sample.mean(axis=-1)
    defined = (~np.isnan(sample)).sum(axis=-1)  # (R,)
    if statistic == "mean":
        with np.errstate(invalid="ignore"):
            return np.nansum(sample, axis=-1) / defined
    ordered = np.sort(sample, axis=-1)  # NaN last
    low, high = np.maximum(defined - 1, 0) // 2, defined // 2
    middle = [
        np.take_along_axis(ordered, np.minimum(k, sample.shape[-1] - 1)[..., None], -1)[..., 0] for k in (low, high)
    ]
    return np.where(defined > 0, (middle[0] + middle[1]) / 2, np.nan)
