"""The four-parameter logistic that maps scores to JODs before a linear correlation (VQEG 2000; DN-PIQA's code).

The challenge's PLCC is raw, without this fit (`pqa_lab.evaluation.plcc_is_raw`): four parameters on seven images lift
any scorer. Much of the literature does fit, so the toolkit gives both and names them apart.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares
from scipy.special import expit

MIN_IMAGES = 5  # one more than the parameters: below, the curve passes through every point


def fit_logistic(score: np.ndarray, jod: np.ndarray) -> np.ndarray | None:
    r"""Least-squares fit of one scene; the fitted JODs (n,), or None where there is no fit.

    .. math:: f(s) = \beta_2 + \frac{\beta_1 - \beta_2}{1 + e^{-(s - \beta_3) / |\beta_4|}}

    The direction is free, as in the public code: a decreasing curve means that the scorer is upside down there.
    Three starts (a step, a curve, nearly a line) on standardised scores, so the result does not depend on their units;
    the best is kept. None: fewer than five images, a constant side, or a fit that did not converge or came out flat.
    """
    if len(score) < MIN_IMAGES or np.ptp(score) == 0 or np.ptp(jod) == 0:
        return None
    x = (score - score.mean()) / score.std()
    y = (jod - jod.mean()) / jod.std()
    up = 1.0 if x @ y >= 0 else -1.0
    # b4 = exp(b): positive, and kept where the curve is neither a jump between two points nor a straight line
    lowest, highest = np.array([-20.0, -20.0, -6.0, -4.0]), np.array([20.0, 20.0, 6.0, 3.0])

    def curve(b: np.ndarray) -> np.ndarray:
        return b[1] + (b[0] - b[1]) * expit((x - b[2]) / np.exp(b[3]))

    def jacobian(b: np.ndarray) -> np.ndarray:
        z = (x - b[2]) / np.exp(b[3])
        p = expit(z)
        slope = (b[0] - b[1]) * p * (1 - p)
        return np.stack([p, 1 - p, -slope / np.exp(b[3]), -slope * z], axis=1)  # (n, 4)

    top, bottom = (y.max(), y.min()) if up > 0 else (y.min(), y.max())
    starts = [(top, bottom, 0.0, np.log(0.25)), (top, bottom, 0.0, 0.0), (3 * top, 3 * bottom, 0.0, np.log(3.0))]
    fits = [least_squares(lambda b: curve(b) - y, s, jac=jacobian, bounds=(lowest, highest)) for s in starts]
    best = min((fit for fit in fits if fit.success), key=lambda fit: fit.cost, default=None)
    if best is None:
        return None
    fitted = curve(best.x)
    return None if np.ptp(fitted) < 1e-9 else jod.mean() + jod.std() * fitted
