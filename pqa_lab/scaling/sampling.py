"""Which pair to ask next: random, matchings, Swiss, TrueSkill-like, ASAP-approx, A-optimal; and when to stop.

Survey: section 2 (PIQ23's votes); the papers named below. All methods read one Gaussian posterior of the
qualities, mean m (N,) and covariance S (N, N), from the empirical-Bayes fit of the votes so far. A pair (i, j) looks at
d = q_i - q_j ~ N(m_i - m_j, v) with v = S_ii + S_jj - 2 S_ij; with s = SIGMA, one vote's noise, moment matching gives

    t = (m_i - m_j) / sqrt(v + s^2),    p = P(i preferred) = Phi(t),    lambda = phi(t)^2 / (p (1 - p))
    E[S after the vote] = S - lambda / (v + s^2) u u^T,    u = S (e_i - e_j)

- "asap": expected information gain, and the minimum spanning tree of its inverse as a batch (Mikhailiuk et al. 2020,
  arXiv 2004.05691, the approx mode). *Departure*: the posterior is Laplace's with its full covariance; ASAP passes
  messages between images taken as independent. Measured: ``python -m pqa_lab.scaling.study_sampling``.
- "a-optimal": greedily the pair that most reduces the expected trace of S, with the rank-1 update above after each.
- "swiss" pairs neighbours of the current ranking; "trueskill" gives the most uncertain image the opponent of the best
  match quality (Herbrich et al. 2006). Both rank well but spoil the scale: near pairs only, so errors add up along it.
- "matching": random matchings, every image equally often. "random": any pair.
"""

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.special import log_ndtr, ndtr

from ..errors import InputError
from .model import SIGMA
from .newton import Pairs, derivatives, newton
from .prior import empirical_bayes

METHODS = ("random", "matching", "swiss", "trueskill", "asap", "a-optimal")
UNKNOWN_SPREAD = 1.5  # JOD: SD of the qualities while there are no votes; it only has to be the same for every image


def next_pairs(
    counts: np.ndarray,
    method: str = "asap",
    n: int | None = None,
    *,
    scale: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int | np.random.Generator | None = None,
    pending: np.ndarray | None = None,
    asked: np.ndarray | None = None,
    forbidden: np.ndarray | None = None,
    max_per_pair: int | None = None,
    max_per_observer: int = 1,
) -> np.ndarray:
    """The next batch of pairs to show.

    Parameters
    ----------
    counts : array (N, N)
        counts[i, j] = times i was preferred over j, by everyone; half votes are fine.
    method : str
        One of `METHODS`.
    n : int, optional
        Pairs in the batch; by default N - 1, the size of a spanning tree. No pair comes twice in a batch.
    scale : (mean (N,), covariance (N, N)), optional
        The posterior in JOD and JOD^2, where it is known already; by default it is fitted to `counts`.
    seed : int or Generator, optional
        Breaks ties, and decides which photo of a pair comes first.
    pending : array (N, N), optional
        pending[i, j] = times i over j is on its way to other observers, both orders counting: for the caps, and as
        information to come.
    asked : array (N, N), optional
        Times this observer has seen each pair; again the two orders are added.
    forbidden : bool array (N, N), optional
        Pairs that must not be asked, in either order.
    max_per_pair : int, optional
        Cap on the votes of a pair over all observers (active methods ask the ends of the scale again and again).
    max_per_observer : int
        Cap on how often one observer sees a pair; used with `asked`.

    Returns
    -------
    int array (n, 2)
        Image numbers, the one to show first in column 0; fewer rows than n when the caps leave no more pairs.
    """
    counts = np.asarray(counts, float)
    if method not in METHODS:
        raise InputError(f"There is no sampling method {method!r}; choose one of {', '.join(METHODS)}.")
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or len(counts) < 2:
        raise InputError(f"Counts are a square matrix of two or more images, not {counts.shape}.")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise InputError("Counts must be finite and not negative.")
    size = len(counts)
    n = size - 1 if n is None else n
    rng = np.random.default_rng(seed)
    waiting = np.zeros((size, size)) if pending is None else _both_ways(pending, size)
    votes = counts + counts.T
    allowed = ~np.eye(size, dtype=bool)
    if forbidden is not None:
        allowed &= _both_ways(forbidden, size) == 0
    if max_per_pair is not None:
        allowed &= votes + waiting < max_per_pair
    if asked is not None:
        allowed &= _both_ways(asked, size) < max_per_observer

    if method == "random":
        pairs = rng.permutation(np.argwhere(np.triu(allowed)))[:n]
    elif method == "matching":
        few_first = votes.sum(1) + waiting.sum(1) + rng.random(size)
        pairs = _matchings(few_first, rng.random((size, size)), allowed, n)
    else:
        mean, covariance = posterior(counts) if scale is None else scale
        covariance = _after_pending(mean, covariance, waiting)
        pairs = _INFORMED[method](mean, covariance, allowed, n, rng)
    pairs = np.asarray(pairs, dtype=int).reshape(-1, 2)
    swap = rng.random(len(pairs)) < 0.5
    return np.where(swap[:, None], pairs[:, ::-1], pairs)


def pairs_for_everyone(counts: np.ndarray, asked: dict[str, np.ndarray], method="asap", n=10, *, seed=None, **options):
    """One batch for each of several observers at once: each knows of the pairs that the ones before were given.

    Parameters
    ----------
    counts : array (N, N)
    asked : dict of observer -> array (N, N)
        Times each observer has seen each pair.
    n : int
        Pairs an observer.
    **options
        As in `next_pairs`.

    Returns
    -------
    dict of observer -> int array (n, 2)
    """
    rng = np.random.default_rng(seed)
    pending = np.array(options.pop("pending", np.zeros_like(counts)), float)
    batches = {}
    for observer, seen in asked.items():
        batch = next_pairs(counts, method, n, seed=rng, pending=pending, asked=seen, **options)
        pending[batch[:, 0], batch[:, 1]] += 1
        batches[observer] = batch
    return batches


def posterior(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (N,) in JOD and covariance (N, N) in JOD^2 of the qualities: Laplace at the empirical-Bayes optimum.

    The covariance says what the votes leave open if every observer is a draw from the model; intervals for a report
    come from `scale`, which lets observers differ.
    """
    counts = np.asarray(counts, float)
    size = len(counts)
    i, j = np.nonzero(np.triu(counts + counts.T, 1))
    if not len(i):
        return np.zeros(size), np.eye(size) * UNKNOWN_SPREAD**2
    pairs = Pairs(i, j, size)
    wins, losses = counts[i, j][None], counts[j, i][None]  # (1, P)
    sd, start = empirical_bayes(wins, losses, pairs)
    mean, _ = newton(wins, losses, pairs, ridge=sd**-2, start=start)
    _, curvature = derivatives(mean, wins, losses, pairs, "thurstone")
    return mean[0], np.linalg.inv(pairs.hessian(curvature)[0] + np.eye(size) / sd**2)


def enough(scale, width: float, share: float = 1.0) -> bool:
    """The stopping rule: have the intervals become as narrow as wanted?

    Lesson 15.

    Parameters
    ----------
    scale : JodScale
        With intervals.
    width : float
        Wanted full width of an interval, JOD.
    share : float
        Part of the images in (0, 1] that must have reached it.

    Returns
    -------
    bool
    """
    widths = (scale.table["ci_high"] - scale.table["ci_low"]).to_numpy()
    return bool(np.mean(widths <= width) >= share)  # NaN is not narrow


# One pair: what a vote on it would bring.


def _outlook(mean, covariance, i, j):
    """t, v and lambda of the pairs (i, j), as in the header; arrays (P,)."""
    diagonal = np.diagonal(covariance)
    v = diagonal[i] + diagonal[j] - 2 * covariance[i, j]
    t = (mean[i] - mean[j]) / np.sqrt(v + SIGMA**2)
    # lambda = phi(t)^2 / (Phi(t) Phi(-t))
    information = np.exp(-t * t) / (2 * np.pi) / np.maximum(ndtr(t) * ndtr(-t), 1e-300)
    return t, v, information


def expected_information_gain(mean: np.ndarray, covariance: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Expected Kullback-Leibler divergence in nats from the posterior to the one after a vote on (i, j).

    A vote moves the Gaussian along S (e_i - e_j) only, so the divergence of all N qualities is that of d alone.

    Parameters
    ----------
    mean : array (N,), JOD
    covariance : array (N, N), JOD^2
    i, j : int arrays (P,)

    Returns
    -------
    array (P,)
    """
    t, v, _ = _outlook(mean, covariance, i, j)
    r = v / (v + SIGMA**2)
    gain = np.zeros(len(t))
    for signed in (t, -t):
        log_p = log_ndtr(signed)
        # V = phi(t) / Phi(t),   W = V (V + t): d moves by v V / sqrt(v + s^2), its variance becomes v (1 - r W)
        shift = np.exp(-0.5 * signed**2 - log_p) / np.sqrt(2 * np.pi)
        shrunk = 1 - r * shift * (shift + signed)
        # KL = (v'/v + (m' - m)^2 / v - 1 - log v'/v) / 2
        gain += np.exp(log_p) * 0.5 * (shrunk + r * shift**2 - 1 - np.log(shrunk))
    return gain


def _asked_once(mean, covariance, i, j):
    """E[S] after a vote on the pair (i, j)."""
    _, v, information = _outlook(mean, covariance, np.array([i]), np.array([j]))
    u = covariance[:, i] - covariance[:, j]  # (N,)
    return covariance - information[0] / (v[0] + SIGMA**2) * np.outer(u, u)


def _after_pending(mean, covariance, waiting):
    for i, j in np.argwhere(np.triu(waiting)):
        for _ in range(int(waiting[i, j])):
            covariance = _asked_once(mean, covariance, i, j)
    return covariance


# The methods: (mean, covariance, allowed pairs, n, rng) -> list of pairs.


def _asap(mean, covariance, allowed, n, rng):
    allowed, batch = np.triu(allowed), []
    while len(batch) < n and allowed.any():
        i, j = np.nonzero(allowed)
        cost = np.zeros_like(covariance)
        # The jitter keeps a tie (no votes yet) from always giving the same tree.
        gain = expected_information_gain(mean, covariance, i, j) * (1 + 1e-6 * rng.random(len(i)))
        cost[i, j] = 1 / np.maximum(gain, 1e-300)
        tree = np.argwhere(minimum_spanning_tree(cost).toarray())  # (N - 1, 2)
        tree = tree[np.argsort(cost[tree[:, 0], tree[:, 1]])][: n - len(batch)]
        batch.extend(tree.tolist())
        allowed[tree[:, 0], tree[:, 1]] = False
        if len(batch) < n:
            for a, b in tree:
                covariance = _asked_once(mean, covariance, a, b)
    return batch


def _a_optimal(mean, covariance, allowed, n, rng):
    i, j = np.nonzero(np.triu(allowed))
    covariance = covariance.copy()
    square = covariance @ covariance
    open_, batch = np.ones(len(i), bool), []
    # t hardly moves within a batch, v does; lambda is kept. The jitter keeps ties from always going the same way.
    information = _outlook(mean, covariance, i, j)[2] * (1 + 1e-6 * rng.random(len(i)))
    for _ in range(min(n, len(i))):
        diagonal = np.diagonal(covariance)
        k = information / (diagonal[i] + diagonal[j] - 2 * covariance[i, j] + SIGMA**2)
        diagonal = np.diagonal(square)
        # trace(S) falls by k |u|^2,   |u|^2 = (S^2)_ii + (S^2)_jj - 2 (S^2)_ij
        fall = k * (diagonal[i] + diagonal[j] - 2 * square[i, j])
        best = int(np.argmax(np.where(open_, fall, -np.inf)))
        batch.append((i[best], j[best]))
        open_[best] = False
        u = covariance[:, i[best]] - covariance[:, j[best]]
        w = covariance @ u
        # (S - k u u^T)^2 = S^2 - k (w u^T + u w^T) + k^2 |u|^2 u u^T,   w = S u
        square += k[best] ** 2 * (u @ u) * np.outer(u, u) - k[best] * (np.outer(w, u) + np.outer(u, w))
        covariance -= k[best] * np.outer(u, u)
    return batch


def _swiss(mean, covariance, allowed, n, rng):
    place = np.empty(len(mean))
    place[np.lexsort((rng.random(len(mean)), -mean))] = np.arange(len(mean))
    return _matchings(place, np.abs(place[:, None] - place), allowed, n)


def _trueskill(mean, covariance, allowed, n, rng):
    variance = np.diagonal(covariance)
    total = SIGMA**2 + variance[:, None] + variance  # (N, N); TrueSkill's 2 beta^2 is s^2 here
    # match quality = sqrt(2 beta^2 / total) exp(-(m_i - m_j)^2 / (2 total)); the cost is its negative logarithm
    cost = 0.5 * np.log(total / SIGMA**2) + (mean[:, None] - mean) ** 2 / (2 * total)
    return _matchings(-variance * (1 + 1e-6 * rng.random(len(mean))), cost + 1e-9 * rng.random(cost.shape), allowed, n)


_INFORMED = {"swiss": _swiss, "trueskill": _trueskill, "asap": _asap, "a-optimal": _a_optimal}


def _matchings(turn, cost, allowed, n):
    """Rounds of pairings: in order of `turn`, each free image takes its cheapest free partner; no pair comes twice."""
    allowed, batch = allowed.copy(), []
    while len(batch) < n and allowed.any():
        free = np.ones(len(turn), bool)
        for i in np.argsort(turn):
            open_ = free & allowed[i]
            if not free[i] or not open_.any():
                continue
            j = int(np.argmin(np.where(open_, cost[i], np.inf)))
            free[i] = free[j] = False
            allowed[i, j] = allowed[j, i] = False
            batch.append((i, j))
    return batch[:n]


def _both_ways(matrix, size: int) -> np.ndarray:
    matrix = np.asarray(matrix, float)
    if matrix.shape != (size, size):
        raise InputError(f"pending, asked and forbidden are ({size}, {size}) matrices like counts, not {matrix.shape}.")
    return matrix + matrix.T
