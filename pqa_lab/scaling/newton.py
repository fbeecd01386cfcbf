"""Damped Newton for many scales at once: scenes, bootstrap resamples and left-out observers are all one batch axis.

For one scale with votes a_p for image i_p over j_p and b_p the other way, and x_p = (q_i - q_j) / s,

    minimise  -sum_p [ a_p log F(x_p) + b_p log F(-x_p) ] + ridge/2 |q - centre|^2

which is convex: a step that overshoots shows in the slope along it, so no objective value is needed to stay safe.
"""

import numpy as np
from scipy.sparse import csr_array

from .model import SCALES, loss_slopes

TOLERANCE = 1e-6  # the last step in JOD; Newton's error after it is about its square
LONGEST_STEP = 4.0  # JOD


class Pairs:
    """The pairs that at least one scale of a batch compared, and how they fold into gradients and Hessians.

    Parameters
    ----------
    i, j : int arrays (P,)
        Image numbers, i < j, no pair twice.
    n : int
        Number of images N.
    """

    def __init__(self, i: np.ndarray, j: np.ndarray, n: int):
        self.i, self.j, self.n = i, j, n
        pairs = np.arange(len(i))
        signs = np.r_[np.ones(len(i)), -np.ones(len(i))]
        self.incidence = csr_array((signs, (np.r_[pairs, pairs], np.r_[i, j])), shape=(len(i), n))
        self.fold = self.incidence.T.tocsr()
        self.degree = abs(self.fold)
        self.upper, self.lower = i * n + j, j * n + i
        self.diagonal = np.arange(n) * (n + 1)

    def gradient(self, slope: np.ndarray) -> np.ndarray:
        """(B, P) derivatives by the differences to (B, N) derivatives by the JODs."""
        return (self.fold @ slope.T).T

    def hessian(self, curvature: np.ndarray) -> np.ndarray:
        """(B, P) curvatures to (B, N, N) graph Laplacians."""
        batch = len(curvature)
        h = np.zeros((batch, self.n * self.n))
        h[:, self.diagonal] = (self.degree @ curvature.T).T
        h[:, self.upper] = h[:, self.lower] = -curvature
        return h.reshape(batch, self.n, self.n)  # (B, N, N)


def derivatives(q, a, b, pairs: Pairs, model: str) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (B, N) and curvature of each pair (B, P) of the negative log-likelihood, in JOD."""
    s = SCALES[model]
    x = np.take(q / s, pairs.i, axis=1)
    x -= np.take(q / s, pairs.j, axis=1)  # (B, P)
    slope, curvature = loss_slopes(x, a, b, model)
    curvature /= s**2
    return pairs.gradient(slope) / s, curvature


def solvable(h: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    """Add the ridge; without one, fill the directions that votes say nothing about (the scale's zero, unseen images).

    The gradient has no part along those directions, so filling them moves no step.
    """
    n = h.shape[-1]
    eye = np.arange(n)
    free = ridge == 0
    diagonal = h[:, eye, eye]
    if free.any():
        h = h + np.where(free, diagonal.mean(1) / n, 0.0)[:, None, None]
    h[:, eye, eye] += ridge[:, None] + ((diagonal == 0) & free[:, None])
    return h


def newton(a, b, pairs: Pairs, model="thurstone", ridge=0.0, centre=0.0, start=None, tolerance=TOLERANCE, limit=200):
    """Fit a batch of scales.

    Parameters
    ----------
    a, b : arrays (B, P)
        Votes for i over j and for j over i; any non-negative numbers.
    ridge : float or array (B,)
        1 / (prior SD)^2 in 1/JOD^2; 0 for no prior.
    centre : float or array (B, N)
        Mean of the prior, JOD.
    start : array (B, N) or None
        First guess.
    tolerance : float
        Largest move of any image, in JOD, at which a scale counts as found.

    Returns
    -------
    q : array (B, N), JOD
    found : bool array (B,)
        False where ``limit`` steps were not enough, as for votes without a finite optimum.
    """
    batch = len(a)
    ridge = np.broadcast_to(np.asarray(ridge, float), (batch,))
    centre = np.broadcast_to(np.asarray(centre, float), (batch, pairs.n))
    q = np.zeros((batch, pairs.n)) if start is None else np.array(start, float)
    found = np.zeros(batch, bool)
    live = np.arange(batch)
    before, step, slope = q.copy(), np.zeros_like(q), np.zeros(batch)
    for _ in range(limit):
        everything = len(live) == batch
        al, bl = (a, b) if everything else (a[live], b[live])
        gradient, curvature = derivatives(q[live], al, bl, pairs, model)
        gradient += ridge[live, None] * (q[live] - centre[live])
        # Convex along the step, so a slope that turned steeply upwards is the one sign of having gone too far.
        now = (gradient * step[live]).sum(1)
        overshot = now > 0.5 * np.abs(slope[live]) + 1e-300
        overshot &= slope[live] < 0
        if overshot.any():
            back = live[overshot]
            shrink = -slope[back] / (now[overshot] - slope[back])
            step[back] *= shrink[:, None]
            slope[back] *= shrink
            q[back] = before[back] + step[back]
        go = ~overshot
        on = live[go]
        if len(on):
            h = solvable(pairs.hessian(curvature[go]), ridge[on])
            move = -np.linalg.solve(h, gradient[go][..., None])[..., 0]  # (B, N)
            longest = np.abs(move).max(1)
            move *= np.minimum(1, LONGEST_STEP / np.maximum(longest, LONGEST_STEP))[:, None]
            before[on], step[on], slope[on] = q[on], move, (gradient[go] * move).sum(1)
            q[on] += move
            found[on] = longest <= tolerance
        live = live[~found[live]]
        if not len(live):
            break
    return q, found
