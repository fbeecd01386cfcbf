"""How sure a table is: the bootstrap over scenes, and the ceiling that the labels' own noise sets.

The scene is the unit that is drawn at random: images of a scene share its people, light and panel, so they are never
resampled one by one. All columns share the draws of a resample, which is what makes their differences paired.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pqa_lab.errors import InputError
from pqa_lab.evaluation import metrics

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
    """The statistic over scenes in every bootstrap resample of the scenes.

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
    step, out = max(1, _CHUNK // n_scenes), np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, step):
        draws = rng.integers(n_scenes, size=(min(step, resamples - start), n_scenes))  # (R, S)
        for column in range(values.shape[1]):
            out[start : start + step, column] = over_scenes(values[draws, column], statistic)
    return out


def interval(
    values: np.ndarray, statistic: str = "median", resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> np.ndarray:
    """Percentile bootstrap interval over scenes, (S, M) -> (2, M): low and high; NaN where no scene is defined."""
    values = np.asarray(values, dtype=np.float64)
    bounds = np.full((2, values.shape[1]), np.nan)
    known = ~np.isnan(values).all(axis=0)
    if resamples and known.any():
        replicate = replicates(values[:, known], statistic, resamples, seed)  # (R, M)
        bounds[:, known] = np.nanquantile(replicate, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return bounds


def label_noise_ceiling(frame: pd.DataFrame, draws: int = 100, seed: int = 0) -> pd.DataFrame:
    """What a perfect scorer would reach if it were measured against labels as noisy as these.

    A scorer equal to ``jod + N(0, jod_std)`` is compared with ``jod``, scene by scene, and averaged over draws: two
    panels that agree on the truth agree with each other no better than about this.

    Parameters
    ----------
    frame : DataFrame
        One row an image: ``scene, jod, jod_std`` (standard error of the JOD, in JOD).

    Returns
    -------
    DataFrame
        One row a scene: ``scene, n, srcc, plcc, krcc, challenge, pairwise_accuracy, top1``; `summarize` takes it.
    """
    from pqa_lab.evaluation.protocol import check_frame

    if "jod_std" not in frame.columns:
        raise InputError("The ceiling needs a column jod_std (the labels' standard error); this table has none.")
    check_frame(frame.assign(score=frame["jod_std"]))
    if (frame["jod_std"] < 0).any():
        raise InputError("A jod_std is negative; a standard error is 0 or more.")
    frame = frame.sort_values("scene", kind="stable")
    table = frame.groupby("scene", sort=True, observed=True).size().rename("n").reset_index()
    sizes = table["n"].to_numpy()
    jod, std = (frame[name].to_numpy(dtype=np.float64) for name in ("jod", "jod_std"))
    score = jod + std * np.random.default_rng(seed).standard_normal((draws, len(jod)))  # (D, N)
    pairs = metrics.count_pairs(score, jod, sizes)
    srcc, plcc, krcc = metrics.srcc(pairs, sizes), metrics.plcc(score, jod, sizes), metrics.krcc(pairs)  # each (D, S)
    table["srcc"], table["plcc"], table["krcc"] = srcc.mean(axis=0), plcc.mean(axis=0), krcc.mean(axis=0)
    table["challenge"] = (srcc + plcc + krcc).mean(axis=0) / 3
    table["pairwise_accuracy"] = metrics.pairwise_accuracy(pairs).mean(axis=0)
    table["top1"] = metrics.top1(score, np.broadcast_to(jod, score.shape), sizes).mean(axis=0)
    return table


def check_statistic(statistic: str) -> None:
    if statistic not in ("median", "mean"):
        raise InputError(f'The statistic over scenes is "median" or "mean", not {statistic!r}.')
