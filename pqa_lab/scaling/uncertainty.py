"""How sure a scale is: sandwich, Laplace and bootstrap.

Votes of one observer hang together (taste, attention), so the observer is the unit that is drawn at random. With
score s_k = d/dq of observer k's log-likelihood, H = the Hessian of the votes, and a prior N(0, 1/ridge):

    V = (H + ridge I)^-1 (J + ridge I) (H + ridge I)^-1,   J = K/(K-1) sum_k (s_k - mean s)(s_k - mean s)^T

J is what the votes scatter; ``ridge I`` is the scatter of the prior's own score, so that V also covers what the prior
pulls away from the truth. V is the plain sandwich without a prior, the posterior covariance if J = H (that is, if votes
are independent), and the prior's variance for an image without votes. Quantiles are Student's t with K - 1 degrees.

*Inferred*: counting the prior as one more observer. *Stated* (scaling.md section 5): clusters, t_{K-1}.
"""

from dataclasses import dataclass

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
    return _scores(*tally.by_observer(), tally, q, model)


def _scores(a, b, tally: Tally, q: np.ndarray, model: str) -> np.ndarray:
    s = SCALES[model]
    win, lose, _, _ = slopes((q[tally.pairs.i] - q[tally.pairs.j]) / s, model)
    slope = a.multiply(win / s) - b.multiply(lose / s)  # (K, P)
    return (slope @ tally.pairs.incidence).toarray()  # (K, N)


def sandwich(tally: Tally, q: np.ndarray, ridge: float, model: str, inverse: np.ndarray) -> np.ndarray:
    """Covariance (N, N) that is clustered by observer; needs at least two observers."""
    s = observer_scores(tally, q, model)
    k = len(s)
    s = s - s.mean(0)
    half = s @ inverse  # (K, N)
    return k / (k - 1) * half.T @ half + ridge * inverse @ inverse


def resampled_observers(observers: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each observer is drawn in each resample (R, K)."""
    return rng.multinomial(observers, np.full(observers, 1 / observers), size=resamples)


def draw(tally: Tally, resamples: int, rng: np.random.Generator, indices=None):
    """Votes of the units that are resampled and how often each is drawn: a (K, P), b (K, P), times (R, K).

    Units are observers; where votes name none, single votes.
    """
    if tally.observer is not None:
        a, b = tally.by_observer()
        k = a.shape[0]
        if indices is not None:
            times = np.stack([np.bincount(row, minlength=k) for row in np.asarray(indices, int)])
        else:
            times = resampled_observers(k, resamples, rng)
        return a, b, times
    units = Tally(
        tally.scene, tally.images, tally.first, tally.second, tally.share, np.ones(len(tally.share)),
        np.arange(len(tally.share)), np.arange(len(tally.share)),
    )  # fmt: skip
    a, b = units.by_observer()
    total = tally.weight.sum()
    return a, b, rng.multinomial(round(total), tally.weight / total, size=resamples)


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
    a, b, times = draw(tally, resamples, rng, indices)
    resamples = len(times)
    centre = rng.normal(0, ridge**-0.5, (resamples, tally.n)) if ridge else np.zeros((resamples, tally.n))
    scores = times @ _scores(a, b, tally, q, model) - ridge * (q - centre)  # (R, N)
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
