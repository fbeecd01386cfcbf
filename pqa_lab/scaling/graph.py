"""What the graph of comparisons can and cannot tell, before any number is fitted."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from .votes import Tally


def groups(tally: Tally) -> np.ndarray:
    """Weak components: images with a chain of comparisons between them share a number (N,), largest group 0.

    An image without a vote is -1: it is no group, it is only unknown.
    """
    edges = csr_array((np.ones(len(tally.pairs.i)), (tally.pairs.i, tally.pairs.j)), shape=(tally.n, tally.n))
    _, label = connected_components(edges, directed=False)
    seen = compared(tally)
    names, size = np.unique(label[seen], return_counts=True)
    rank = np.full(label.max() + 1, -1)
    rank[names[np.argsort(-size, kind="stable")]] = np.arange(len(names))
    return np.where(seen, rank[label], -1)


def compared(tally: Tally) -> np.ndarray:
    """Images with at least one vote (N,)."""
    return tally.comparisons > 0


def strong_components(a: np.ndarray, b: np.ndarray, tally: Tally) -> np.ndarray:
    """Component of each image (N,) where every image beat, over a chain, every other one.

    Without a prior a finite scale exists if and only if all images are one such component (Ford 1957).
    """
    i, j = tally.pairs.i, tally.pairs.j
    won, lost = a > 0, b > 0
    rows, columns = np.r_[i[won], j[lost]], np.r_[j[won], i[lost]]
    edges = csr_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(tally.n, tally.n))
    return connected_components(edges, directed=True, connection="strong")[1]


def has_finite_scale(a: np.ndarray, b: np.ndarray, tally: Tally) -> np.ndarray:
    """Whether votes alone, a for i over j and b the other way, have a finite scale: (R, P) each -> bool (R,).

    Walks from one image along wins and along losses, for all resamples at once; the few long walks are left to scipy.
    """
    seen, n = compared(tally), tally.n
    beats = np.zeros((len(a), n * n), np.float32)
    beats[:, tally.pairs.upper] = a > 0
    beats[:, tally.pairs.lower] = b > 0
    beats = beats.reshape(-1, n, n)
    finite = np.ones(len(a), bool)
    for step in (beats, beats.transpose(0, 2, 1)):
        reached = np.zeros((len(a), n), np.float32)
        reached[:, np.argmax(seen)] = 1
        for _ in range(6):
            reached = np.sign(reached + (reached[:, None] @ step)[:, 0])
        finite &= (reached[:, seen] > 0).all(1)
    for row in np.flatnonzero(~finite):
        label = strong_components(a[row], b[row], tally)[seen]
        finite[row] = (label == label[0]).all()
    return finite


def always(tally: Tally) -> tuple[np.ndarray, np.ndarray]:
    """Images that won, and images that lost, every vote they took part in: bool masks (N,) each."""
    c = tally.counts()
    won, lost = c.sum(1), c.sum(0)
    return (won > 0) & (lost == 0), (lost > 0) & (won == 0)


def bridges(tally: Tally) -> np.ndarray:
    """Pairs (numbers into ``tally.pairs``) whose votes alone hold two parts of the scale together.

    An edge is a bridge if and only if its effective resistance is 1 when every pair is a resistor of 1 ohm.
    """
    i, j = tally.pairs.i, tally.pairs.j
    laplacian = tally.pairs.hessian(np.ones((1, len(i))))[0]
    inverse = np.linalg.pinv(laplacian, hermitian=True)
    resistance = inverse[i, i] + inverse[j, j] - 2 * inverse[i, j]
    return np.flatnonzero(resistance > 1 - 1e-8)
