"""The four-parameter logistic that maps scores to JODs before a linear correlation (VQEG 2000; DN-PIQA's code).

The challenge's PLCC is raw, without this fit (`pqa_lab.evaluation.plcc_is_raw`): four parameters on seven images lift
any scorer. Much of the literature does fit, so the toolkit gives both and names them apart.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

MIN_IMAGES = 5  # one more than the parameters: below, the curve passes through every point
_LOG_WIDTH = (-4.0, 3.0)  # of beta_4, in standard deviations of the scores
_STEPS = np.linspace(-1, 1, 7)


def fit_logistic(score: np.ndarray, jod: np.ndarray) -> tuple[np.ndarray, float] | None:
    r"""Least-squares fit of one scene.

    .. math:: f(s) = \beta_2 + \frac{\beta_1 - \beta_2}{1 + e^{-(s - \beta_3) / |\beta_4|}}

    For a given centre and width the best beta_1 and beta_2 are a linear regression, so the best fit is the curve whose
    correlation with the JODs is largest: a search over two parameters, on a grid that is refined around its best
    point. It needs no start and cannot diverge. Scores are standardised first, so their units do not matter; the width
    lies between 0.02 (a step) and 20 standard deviations (a line).

    Parameters
    ----------
    score, jod : array, shape (n,)

    Returns
    -------
    (fitted, correlation) or None
        Fitted JODs, shape (n,), and their correlation with ``jod``, negative where the curve decreases: the direction
        is free, as in the public code, but an upside-down scorer must not come out as a good one. None where there is
        no fit: fewer than five images, or a constant side.
    """
    if len(score) < MIN_IMAGES or np.ptp(score) == 0 or np.ptp(jod) == 0:
        return None
    x = (score - score.mean()) / score.std()
    y = (jod - jod.mean()) / jod.std()
    ordered, reach = np.sort(x), np.array([(np.ptp(x) + 4) / 30, 0.5])
    # Candidates (centre, log width): an even grid for curves, and between every two scores for steps.
    grid = _product(np.linspace(ordered[0] - 2, ordered[-1] + 2, 31), np.linspace(*_LOG_WIDTH, 15))
    grid = np.concatenate([grid, _product((ordered[1:] + ordered[:-1]) / 2, np.array([-4.0, -3.0, -2.0]))])  # (G, 2)
    for _ in range(12):
        curve = expit((x - grid[:, :1]) / np.exp(grid[:, 1:]))  # (G, n)
        curve -= curve.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(curve, axis=1)
        r = np.where(norm > 1e-7, curve @ y / np.maximum(norm, 1e-7), 0.0) / np.linalg.norm(y)  # (G,)
        at = np.abs(r).argmax()
        best, best_norm, best_r = curve[at], norm[at], r[at]
        grid = grid[at] + reach * _product(_STEPS, _STEPS)  # (49, 2)
        grid[:, 1] = grid[:, 1].clip(*_LOG_WIDTH)
        reach = reach / 2.5
    return jod.mean() + jod.std() * best * (best @ y) / best_norm**2, float(best_r)


def _product(centre: np.ndarray, log_width: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(centre, log_width), axis=-1).reshape(-1, 2)
