"""pwcmp's own scale: its objective with its data-derived "gaussian" prior, for parity with published numbers.

Scaling.md section 2, *from public code* (mantiuk/pwcmp@07876b2). Over the *ordered* pairs a = (i, j) that were
compared, with c_a votes for i over j, n_a votes in all and d_a = q_i - q_j:

    min_q  - sum_a [c_a log Phi(d_a/s) + (n_a - c_a) log Phi(-d_a/s)] - sum_a log(pi_a + 0.1) + 0.01 mean(q)^2
    pi_a = sum_b L_b(d_a) / sum_a' L_b(d_a'),   L_b(d) = Phi(d/s)^k_b Phi(-d/s)^(n_b - k_b)

k_b is c_b, but 1 where it was 0 and n_b - 1 where the vote was unanimous. The prior is not convex and compresses the
scale when pairs have few votes (slope 0.70 at PIQ23's density): use "eb" unless the numbers of pwcmp itself are wanted.

Here all is in log space, so that a pair may have any number of votes (pwcmp returns zeros above 1074), and L is
computed once for each distinct (n, k), so that 100 images take a fraction of a second (pwcmp: 460 s).
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_ndtr

from ..errors import InputError
from .model import SIGMA, slopes


class NoFiniteScale(InputError):
    """The votes have no finite scale under the chosen prior: somebody always wins. Lesson 01."""


class Objective:
    """pwcmp's objective and its gradient for counts C[i, j] = votes for i over j (N, N)."""

    def __init__(self, counts: np.ndarray):
        total = counts + counts.T
        self.n = len(counts)
        self.i, self.j = np.nonzero(total)
        self.won, self.total = counts[self.i, self.j], total[self.i, self.j]
        k = np.where(self.won == 0, np.minimum(1, self.total), self.won)
        k = np.where(self.won == self.total, self.total - 1, k)
        kinds, self.many = np.unique(np.stack([self.total, k], 1), axis=0, return_counts=True)
        self.wins, self.losses = kinds[:, 1], kinds[:, 0] - kinds[:, 1]

    def __call__(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        x = (q[self.i] - q[self.j]) / SIGMA
        log_p, log_not = log_ndtr(x), log_ndtr(-x)
        win, lose, _, _ = slopes(x, "thurstone")
        value = -(self.won * log_p + (self.total - self.won) * log_not).sum()
        slope = (self.total - self.won) * lose - self.won * win
        # L_b(d_a), normalised over a: (P, kinds)
        log_l = np.outer(log_p, self.wins) + np.outer(log_not, self.losses)
        share = np.exp(log_l - log_l.max(0))
        share /= share.sum(0)
        pi = share @ self.many
        value -= np.log(pi + 0.1).sum()
        # d pi_a / d x_a' runs through the numerator (a = a') and through the sum (all a').
        inverse = 1 / (pi + 0.1)
        bend = np.outer(win, self.wins) - np.outer(lose, self.losses)
        slope -= ((share * bend) * (inverse[:, None] - inverse @ share) * self.many).sum(1)
        slope /= SIGMA
        gradient = np.bincount(self.i, slope, self.n) - np.bincount(self.j, slope, self.n)
        return value + 0.01 * q.mean() ** 2, gradient + 0.02 * q.mean() / self.n

    def hessian(self, q: np.ndarray, step: float = 1e-4) -> np.ndarray:
        """Central differences of the exact gradient (N, N)."""
        columns = [(self(q + step * e)[1] - self(q - step * e)[1]) / (2 * step) for e in np.eye(self.n)]
        return (np.array(columns) + np.array(columns).T) / 2


def fit(counts: np.ndarray, exact: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
    """Minimise pwcmp's objective from 0, as pwcmp does.

    Parameters
    ----------
    counts : array (N, N)
        Connected: see :func:`link`.
    exact : bool
        Polish with Newton steps and check that the optimum is finite; else stop where L-BFGS does (1e-6 JOD).

    Returns
    -------
    q : array (N,), JOD
        Mean 0.
    hessian : array (N, N) or None
        Of the objective at q, only if ``exact``.

    Raises
    ------
    NoFiniteScale
        If the objective keeps falling as images move apart.
    """
    objective = Objective(np.asarray(counts, float))
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000, "maxfun": 20000, "maxcor": 30}
    q = minimize(objective, np.zeros(objective.n), jac=True, method="L-BFGS-B", options=options).x
    if not exact:
        return q - q.mean(), None
    centre = np.ones((objective.n, objective.n)) / objective.n
    for _ in range(20):
        hessian = objective.hessian(q)
        flattest = np.linalg.eigvalsh(hessian + centre * np.trace(hessian)).min()
        # A true minimum is bowl-shaped; where somebody always wins the valley only flattens out.
        if flattest < 1e-5:
            raise NoFiniteScale(
                'pwcmp\'s prior does not bound these votes, because some images always win; use prior="eb".'
            )
        move = -np.linalg.solve(hessian + centre * np.trace(hessian) / objective.n, objective(q)[1])
        q = q + move * min(1, 0.5 / max(np.abs(move).max(), 0.5))
        if np.abs(move).max() < 1e-9:
            break
    if np.abs(move).max() > 1e-5:
        raise NoFiniteScale('pwcmp\'s objective has no minimum that can be confirmed for these votes; use prior="eb".')
    return q - q.mean(), hessian
