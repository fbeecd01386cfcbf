"""How sure a scale is: sandwich, Laplace and bootstrap.

Votes of one observer hang together (taste, attention), so the observer is the unit that is drawn at random. With
score s_k = d/dq of observer k's log-likelihood, H = sum_k H_k = the Hessian of the votes, and a prior N(0, 1/ridge):

    V = M (J + ridge I) M,   M = (H + ridge I)^-1,   J = (K-1)/K sum_k r_k r_k^T,   r_k = (I - H_k M)^-1 (s_k - mean s)

r_k undoes that observer k pulled the scale towards the own votes: M r_k is how far the scale moves without k, so V is
the jackknife over observers in one Newton step (CV3 of MacKinnon, Nielsen & Webb 2023). With K/(K-1) sum s_k s_k^T
instead, intervals from 10 observers x 60 votes hold the truth in 93.3 % of cases; with r_k, in 94.3 %.

J is what the votes scatter; ``ridge I`` is the scatter of the prior's own score, so that V also covers what the prior
pulls away from the truth. V is the plain sandwich without a prior, the posterior covariance if J = H (that is, if votes
are independent), and the prior's variance for an image without votes. Quantiles are Student's t with K - 1 degrees.

*Inferred*: counting the prior as one more observer, and r_k. The clustered sandwich with t_{K-1} is usual for few
clusters.
"""

from dataclasses import dataclass, replace

import numpy as np

from .graph import has_finite_scale
from .model import SCALES, slopes
from .newton import derivatives, newton, solvable
from .votes import Tally

CHUNK = 8  # resamples at a time: they stay in the cache
CLOSE_ENOUGH = 1e-2  # JOD, the last step of a resample's fit; what is left after it is below 1e-4 JOD


@dataclass
class Bootstrap:
    """Scales of resampled votes.

    Attributes
    ----------
    samples : array (R, N), JOD
        Only the resamples that have a finite optimum.
    lost : int
        Resamples without one; they are left out.
    """

    samples: np.ndarray
    lost: int


def bread(tally: Tally, q: np.ndarray, ridge: float, model: str) -> np.ndarray:
    """(H + ridge I)^-1 at the scale q (N, N)."""
    a, b = tally.ab
    _, curvature = derivatives(q[None], a[None], b[None], tally.pairs, model)
    return np.linalg.inv(solvable(tally.pairs.hessian(curvature), np.array([ridge]))[0])


def observer_scores(tally: Tally, q: np.ndarray, model: str) -> np.ndarray:
    """Derivative of each observer's log-likelihood by the JODs (K, N)."""
    s = SCALES[model]
    win, lose, _, _ = slopes((q[tally.first] - q[tally.second]) / s, model)
    slope = tally.weight * (tally.share * win - (1 - tally.share) * lose) / s  # (V,)
    k, n = len(tally.observers), tally.n
    scores = np.bincount(tally.observer * n + tally.first, slope, k * n)
    scores -= np.bincount(tally.observer * n + tally.second, slope, k * n)
    return scores.reshape(k, n)


def sandwich(tally: Tally, q: np.ndarray, ridge: float, model: str, inverse: np.ndarray) -> np.ndarray:
    """Covariance (N, N) that is clustered by observer; needs at least two observers."""
    scores = observer_scores(tally, q, model)
    k, n = scores.shape
    _, _, won, lost = slopes((q[tally.first] - q[tally.second]) / SCALES[model], model)
    curvature = tally.weight * (tally.share * won + (1 - tally.share) * lost) / SCALES[model] ** 2  # (V,)
    first, second = tally.observer * n + tally.first, tally.observer * n + tally.second
    # (I - H_k M)^-1 s = s + H_k M s + (H_k M)^2 s + ...; three terms, so that an observer on whose votes alone an image
    # rests counts much, but not infinitely.
    term = scores - scores.mean(0)
    residual = term.copy()
    for _ in range(3):
        moved = (term @ inverse).ravel()
        slope = curvature * (moved[first] - moved[second])
        term = (np.bincount(first, slope, k * n) - np.bincount(second, slope, k * n)).reshape(k, n)
        residual += term
    half = residual @ inverse  # (K, N)
    return (k - 1) / k * half.T @ half + ridge * inverse @ inverse


def draw(tally: Tally, resamples: int, rng: np.random.Generator, indices=None) -> tuple[Tally, np.ndarray]:
    """The units that are resampled, as the observers of a tally, and how often each is drawn (R, K).

    Units are observers; where votes name none, single votes.
    """
    if tally.observer is None:
        votes = np.arange(len(tally.first))
        total = tally.weight.sum()
        units = replace(tally, weight=np.ones(len(votes)), observer=votes, observers=votes)
        return units, rng.multinomial(round(total), tally.weight / total, size=resamples)
    k = len(tally.observers)
    if indices is not None:
        return tally, np.stack([np.bincount(row, minlength=k) for row in np.asarray(indices, int)])
    return tally, rng.multinomial(k, np.full(k, 1 / k), size=resamples)


def bootstrap(tally: Tally, q, ridge, model, inverse, resamples=200, seed=0, indices=None) -> Bootstrap:
    """Scale resampled votes.

    The prior keeps its SD, and its centre is drawn anew for each resample from N(0, 1/ridge): as in the sandwich, the
    prior is one more observer. Every fit starts from one Newton step at the full data's Hessian, which is a product of
    matrices, so two or three exact steps finish it.

    Parameters
    ----------
    indices : int array (R, K), optional
        The observers of each resample, counted from 0, instead of a random draw.
    """
    rng = np.random.default_rng(seed)
    units, times = draw(tally, resamples, rng, indices)
    a, b = units.by_observer()
    resamples = len(times)
    centre = rng.normal(0, ridge**-0.5, (resamples, tally.n)) if ridge else np.zeros((resamples, tally.n))
    scores = times @ observer_scores(units, q, model) - ridge * (q - centre)  # (R, N)
    start = q + np.clip(scores @ inverse, -2, 2)
    at, bt = a.T.tocsr(), b.T.tocsr()
    samples, keep = np.empty((resamples, tally.n)), np.ones(resamples, bool)
    for begin in range(0, resamples, CHUNK):
        rows = np.arange(begin, min(begin + CHUNK, resamples))
        ar, br = (at @ times[rows].T).T, (bt @ times[rows].T).T  # (R, P)
        if not ridge:
            keep[rows] = has_finite_scale(ar, br, tally)
            ar, br, rows = ar[keep[rows]], br[keep[rows]], rows[keep[rows]]
        if len(rows):
            ar, br = np.ascontiguousarray(ar), np.ascontiguousarray(br)
            samples[rows], found = newton(ar, br, tally.pairs, model, ridge, centre[rows], start[rows], CLOSE_ENOUGH)
            keep[rows] = found
    return Bootstrap(samples[keep], int((~keep).sum()))
