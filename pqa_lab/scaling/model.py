"""The two models of a vote: Thurstone's Case V and Bradley-Terry, in JOD.

    P(i preferred to j) = F((q_i - q_j) / s)

F is the normal distribution function (Thurstone) or the logistic one (Bradley-Terry); s makes 1 JOD mean 75 % of the
answers. Everything is computed from ratios that stay finite in both tails, so a pair with 10^6 votes is as safe as one
with a single vote.

Source: Perez-Ortiz & Mantiuk, "A practical guide and software for analysing pairwise comparison
experiments", arXiv 1712.03686. *From public code*: the rounding of s.
"""

import numpy as np
from scipy.special import erfcx, expit, log_expit, log_ndtr, ndtr

# 1 / Phi^-1(0.75) = 1.482602..., rounded as pwcmp and PIQ23 round it: the published scales use this very number, and
# it moves a JOD by 1.5e-6 of itself. Elsewhere in the package sigma is 1 / Phi^-1(0.75) itself.
SIGMA = 1.4826
SCALES = {"thurstone": SIGMA, "bradley-terry": 1 / np.log(3)}

SQRT2 = np.sqrt(2.0)
SQRT_2_OVER_PI = np.sqrt(2 / np.pi)


def slopes(x: np.ndarray, model: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First and second derivatives of the two log-probabilities of a vote.

    Parameters
    ----------
    x : array
        Standardised differences (q_i - q_j) / s, any shape.
    model : {"thurstone", "bradley-terry"}

    Returns
    -------
    win, lose : arrays like x
        d/dx log F(x) and -d/dx log F(-x): both positive.
    win_curvature, lose_curvature : arrays like x
        -d2/dx2 of log F(x) and of log F(-x): both positive, so the negative log-likelihood is convex.
    """
    if model == "bradley-terry":
        win, lose = expit(-x), expit(x)
        curvature = win * lose
        return win, lose, curvature, curvature
    # One erfcx and one exp give both tails: with m = phi/Phi at -|x| (from erfcx, no underflow),
    # phi/Phi at +|x| is phi / (1 - phi/m).
    size = np.abs(x)
    near = SQRT_2_OVER_PI / erfcx(size / SQRT2)
    phi = np.exp(-0.5 * size * size) / np.sqrt(2 * np.pi)
    far = phi / (1 - phi / near)
    ahead = x >= 0
    win = np.where(ahead, far, near)
    lose = np.where(ahead, near, far)
    # d2/dx2 log Phi(x) = -r (x + r),  r = phi/Phi
    return win, lose, win * (x + win), lose * (lose - x)


def loss_slopes(x: np.ndarray, a: np.ndarray, b: np.ndarray, model: str) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative by x of -a log F(x) - b log F(-x), elementwise: what Newton's method lives on.

    The same as ``b lose - a win`` and ``a win_curvature + b lose_curvature`` of :func:`slopes`, in half the memory.
    """
    if model == "bradley-terry":
        up, down = expit(x), expit(-x)
        return b * up - a * down, (a + b) * up * down
    size, sign = np.abs(x), np.copysign(1.0, x)
    near = erfcx(size / SQRT2)
    np.divide(SQRT_2_OVER_PI, near, out=near)
    far = size * size
    far *= -0.5
    np.exp(far, out=far)
    far *= 1 / np.sqrt(2 * np.pi)
    far /= 1 - far / near
    # Votes for the image that is ahead, (a + b + sign (a - b)) / 2, and for the one behind.
    ahead = a - b
    ahead *= sign
    ahead += a
    ahead += b
    ahead *= 0.5
    behind = a + b
    behind -= ahead
    behind *= near
    ahead *= far
    near -= size
    far += size
    sign *= behind - ahead
    behind *= near
    ahead *= far
    behind += ahead
    return sign, behind


def probability(difference: np.ndarray, model: str = "thurstone") -> np.ndarray:
    """P(preferred) for a difference in JOD; 0.75 at 1 JOD.

    Parameters
    ----------
    difference : array
        JOD, any shape.
    model : {"thurstone", "bradley-terry"}

    Returns
    -------
    array like ``difference``, in [0, 1]

    Examples
    --------
    >>> probability(np.array([0.0, 1.0, 2.0])).round(3).tolist()
    [0.5, 0.75, 0.911]
    """
    x = np.asarray(difference, float) / SCALES[model]
    return expit(x) if model == "bradley-terry" else ndtr(x)


def log_probability(difference: np.ndarray, model: str = "thurstone") -> np.ndarray:
    """log P(preferred) for a difference in JOD, finite in both tails."""
    x = np.asarray(difference, float) / SCALES[model]
    return log_expit(x) if model == "bradley-terry" else log_ndtr(x)
