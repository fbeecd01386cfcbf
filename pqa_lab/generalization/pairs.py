"""Tools of the studies of scores: pairs of a scene at equal label gap, SRCC at equal group size, linear probes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

GAP_BINS = 10


def same_scene_pairs(frame: pd.DataFrame, group: str) -> pd.DataFrame:
    """Every pair of images of a scene (and seed) with different JODs. Lesson 13.

    A group whose photos lie close together is harder to rank for any model. ``expected`` therefore says how often all
    pairs of the table with such a gap in JOD are put in the right order, so ``right - expected`` compares groups at
    equal difficulty of their labels.

    Returns
    -------
    DataFrame
        ``seed, scene, first, second`` (groups of the two), ``gap`` (JOD), ``right`` (1, 0, or 0.5 for tied scores),
        ``expected`` (mean of ``right`` in that tenth of the gaps).
    """
    frame = frame.sort_values(["seed", "scene"], kind="stable")
    block = frame.groupby(["seed", "scene"], observed=True).ngroup().to_numpy()
    first, second = [], []
    for lag in range(1, int(np.bincount(block).max())):  # every two rows of a block are some lag apart
        at = np.flatnonzero(block[lag:] == block[:-lag])
        first.append(at)
        second.append(at + lag)
    i, j = (np.concatenate(ends) if ends else np.array([], dtype=int) for ends in (first, second))
    score, jod, names = (frame[name].to_numpy() for name in ("score", "jod", group))
    gap = jod[i] - jod[j]
    pairs = frame[["seed", "scene"]].iloc[i].reset_index(drop=True)
    pairs["first"], pairs["second"], pairs["gap"] = names[i], names[j], np.abs(gap)
    pairs["right"] = (1 + np.sign((score[i] - score[j]) * gap)) / 2
    pairs = pairs[gap != 0]
    tenth = pd.qcut(pairs["gap"].rank(method="first"), min(GAP_BINS, len(pairs)), labels=False)
    return pairs.assign(expected=pairs.groupby(tenth)["right"].transform("mean"))


def srcc_at(score: np.ndarray, jod: np.ndarray, count: int, draws: int = 200, seed: int = 0) -> float:
    """Mean SRCC of random subsets of ``count`` images: what a smaller group of the same scene would give.

    The expectation of SRCC depends on the number of images, so groups are compared at the same number.
    """
    if len(score) < count or count < 2:
        return float("nan")
    if len(score) == count:
        chosen = np.arange(count)[None]
    else:
        rng = np.random.default_rng([seed, 74])
        chosen = rng.random((draws, len(score))).argsort(axis=1)[:, :count]  # (D, n)
    found = rank_correlation(np.asarray(score)[chosen], np.asarray(jod)[chosen])  # (D,)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def rank_correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """SRCC of every row, (D, n) and (D, n) -> (D,); NaN where one of them is constant."""
    x, y = (rankdata(values, axis=1) for values in (x, y))
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    spread = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    with np.errstate(invalid="ignore"):
        return np.where(spread > 0, (x * y).sum(1) / spread, np.nan)


def ridge(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Ridge regression of ``y`` (N, K) on ``x`` (N, D), its answers for ``new`` (M, D); strength by leave-one-out.

    .. math:: \\hat y_{-i} = y_i - (y_i - \\hat y_i) / (1 - H_{ii})
    """
    centre, spread = x.mean(0), x.std(0) + 1e-8
    x, new, mean = (x - centre) / spread, (new - centre) / spread, y.mean(0)
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    target, best = u.T @ (y - mean), None  # (R, K)
    for strength in len(x) * 10.0 ** np.arange(-4, 2):
        shrink = s**2 / (s**2 + strength)  # (R,)
        fitted = mean + (u * shrink) @ target  # (N, K)
        leverage = (u**2) @ shrink + 1 / len(x)  # (N,)
        error = (((y - fitted) / (1 - np.minimum(leverage, 0.999))[:, None]) ** 2).mean()
        if best is None or error < best[0]:
            best = error, (vt.T * (s / (s**2 + strength))) @ target  # (D, K)
    return mean + new @ best[1]


def probe_scene(features: np.ndarray, scene: np.ndarray, seed: int = 0, folds: int = 3) -> np.ndarray:
    """Whether a linear probe names the scene of each image, learnt on other images of all scenes, (N,) of 0 and 1."""
    names, code = np.unique(scene, return_inverse=True)
    fold = np.empty(len(code), dtype=int)
    rng = np.random.default_rng([seed, 75])
    for k in range(len(names)):  # every scene is in every fold
        index = rng.permutation(np.flatnonzero(code == k))
        fold[index] = np.arange(len(index)) % folds
    right = np.empty(len(code))
    for k in range(folds):
        test = fold == k
        answer = ridge(features[~test], np.eye(len(names))[code[~test]], features[test])  # (M, S)
        right[test] = answer.argmax(1) == code[test]
    return right


def probe_quality(
    features: np.ndarray, jod: np.ndarray, scene: np.ndarray, seed: int = 0, folds: int = 5
) -> np.ndarray:
    """Quality that a linear probe reads in scenes which it was not fitted on, (N,)."""
    names, code = np.unique(scene, return_inverse=True)
    part = np.random.default_rng([seed, 76]).permutation(len(names)) % min(folds, len(names))
    answer = np.empty(len(code))
    for k in range(part.max() + 1):
        test = part[code] == k
        answer[test] = ridge(features[~test], jod[~test, None], features[test])[:, 0]
    return answer
