"""Agreement of scores with JODs inside every scene, for all scenes (and all draws) at once.

Survey: section 2 "Test Dataset and Evaluation", Table 1. *Stated*: SRCC, PLCC, KRCC. *From public code* (PIQ23 README)
and proved from Table 1 (`pqa_lab.evaluation.lattice_check`): one value a scene, then the median over scenes.

The rows are sorted by scene and the arrays may carry leading axes (draws, methods). One loop over the distance between
two rows visits every same-scene pair, so the memory stays O(N) however large a scene is. Both rank correlations come
from the same comparisons: the net wins of an image are its centred rank (Spearman), the agreement of the signs is
Kendall's numerator.
"""

from typing import NamedTuple

import numpy as np

TIES = ("b", "a", "gamma")


class Pairs(NamedTuple):
    """What the same-scene pairs say; ``wins_*`` are (..., N), the others one number a scene, (..., S)."""

    wins_x: np.ndarray  # wins minus losses of every image by score
    wins_y: np.ndarray  # the same by JOD
    agreement: np.ndarray  # concordant minus discordant pairs
    tied_x: np.ndarray  # pairs tied in score
    tied_y: np.ndarray  # pairs tied in JOD
    tied_both: np.ndarray
    total: np.ndarray  # n (n - 1) / 2


def count_pairs(score: np.ndarray, jod: np.ndarray, sizes: np.ndarray) -> Pairs:
    """Compare every two images of a scene.

    Parameters
    ----------
    score, jod : array, shape (..., N)
        Rows sorted by scene; the leading axes broadcast.
    sizes : int array, shape (S,)
        Images of each scene, in order; none is 0.
    """
    score, jod = np.broadcast_arrays(score, jod)
    n_rows, scene = score.shape[-1], np.repeat(np.arange(len(sizes)), sizes)
    wins_x, wins_y, agreement, tied_x, tied_y, tied_both = (np.zeros(score.shape, dtype=np.int32) for _ in range(6))
    for lag in range(1, int(sizes.max(initial=1))):
        first, second = slice(0, n_rows - lag), slice(lag, n_rows)
        same = scene[first] == scene[second]  # (N - lag,)
        x = np.sign(score[..., second] - score[..., first]).astype(np.int8) * same  # (..., N - lag)
        y = np.sign(jod[..., second] - jod[..., first]).astype(np.int8) * same
        wins_x[..., second] += x
        wins_x[..., first] -= x
        wins_y[..., second] += y
        wins_y[..., first] -= y
        agreement[..., first] += x * y
        tied_x[..., first] += same & (x == 0)
        tied_y[..., first] += same & (y == 0)
        tied_both[..., first] += same & (x == 0) & (y == 0)
    per_scene = (_sum(count.astype(np.float64), sizes) for count in (agreement, tied_x, tied_y, tied_both))
    return Pairs(wins_x, wins_y, *per_scene, sizes * (sizes - 1) / 2)


def srcc(pairs: Pairs, sizes: np.ndarray) -> np.ndarray:
    """Spearman: Pearson's correlation of the (average) ranks, (..., S); NaN where either side is constant."""
    # rank_i - (n + 1) / 2 = (wins_i - losses_i) / 2
    return plcc(pairs.wins_x.astype(np.float64), pairs.wins_y.astype(np.float64), sizes)


def plcc(score: np.ndarray, jod: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Pearson on the raw scores, (..., S); NaN where either side is constant."""
    x, y = _centred(score, sizes), _centred(jod, sizes)  # (..., N)
    with np.errstate(invalid="ignore", divide="ignore"):
        # r = sum (x - mx)(y - my) / (|x - mx| |y - my|); one root of the product, so that x = y gives exactly 1
        r = _sum(x * y, sizes) / np.sqrt(_sum(x * x, sizes) * _sum(y * y, sizes))
    return np.where(constant(score, sizes) | constant(jod, sizes), np.nan, np.clip(r, -1.0, 1.0))


def krcc(pairs: Pairs, ties: str = "b") -> np.ndarray:
    """Kendall, (..., S); NaN where it is undefined.

    ``ties``: ``"b"`` (default, as scipy): agreement / sqrt(pairs untied in x * pairs untied in y); ``"a"``: all pairs
    in the denominator, so a tie counts as a miss; ``"gamma"`` (Goodman and Kruskal): pairs tied on a side are left out.
    """
    untied_x, untied_y = pairs.total - pairs.tied_x, pairs.total - pairs.tied_y
    denominator = {
        "b": np.sqrt(untied_x * untied_y),  # one root of the product, so that x = y gives exactly 1
        "a": np.where((untied_x > 0) & (untied_y > 0), pairs.total, 0.0),
        "gamma": pairs.total - pairs.tied_x - pairs.tied_y + pairs.tied_both,
    }[ties]
    return _divide(pairs.agreement, denominator)


def pairwise_accuracy(pairs: Pairs) -> np.ndarray:
    """Share of the pairs that differ in JOD whose order the scores give, (..., S); a tied score counts one half."""
    # agreement = right - wrong, and right + wrong + tied in score = pairs that differ in JOD
    return _divide(0.5 * (pairs.agreement + pairs.total - pairs.tied_y), pairs.total - pairs.tied_y)


def top1(score: np.ndarray, jod: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """1 if the best score is the best photo, (..., S); scores tied at the top share it; NaN for a lone photo."""
    best_score, best_jod = _at_top(score, sizes), _at_top(jod, sizes)  # (..., N) bool
    hit = _sum(best_score & best_jod, sizes) / _sum(best_score, sizes)
    return np.where((sizes < 2) | constant(jod, sizes), np.nan, hit)


def constant(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Whether all values of a scene are equal, (..., S)."""
    starts = _starts(sizes)
    return np.maximum.reduceat(values, starts, axis=-1) == np.minimum.reduceat(values, starts, axis=-1)


def _starts(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)[:-1]])


def _sum(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values.astype(np.float64, copy=False), _starts(sizes), axis=-1)  # (..., N) -> (..., S)


def _centred(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Deviation from the scene's mean in units of the largest one, so that squares neither overflow nor vanish."""
    deviation = values - np.repeat(_sum(values, sizes) / sizes, sizes, axis=-1)
    largest = np.maximum.reduceat(np.abs(deviation), _starts(sizes), axis=-1)
    return deviation / np.repeat(np.where(largest > 0, largest, 1.0), sizes, axis=-1)


def _at_top(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return values == np.repeat(np.maximum.reduceat(values, _starts(sizes), axis=-1), sizes, axis=-1)


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
