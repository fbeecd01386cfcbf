"""What the survey's tables prove about how they were made, and how much of their order is noise.

Each function recomputes one claim from the numbers of `pqa_lab.evaluation.survey` and returns the evidence as a table.
The simulations draw scenes of seven photos with Normal qualities, one of them (the edited DSLR) far above the rest, and
a scorer that adds Normal noise: they say what such statistics look like, nothing about PIQ23's photos.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, permutations

import numpy as np
import pandas as pd
from scipy import stats

from pqa_lab.evaluation import metrics
from pqa_lab.evaluation.protocol import per_scene
from pqa_lab.evaluation.survey import CHALLENGE_IMAGES, CHALLENGE_SCENES, table1, table2

# How far the DSLR lies above the mean phone, in standard deviations of the phones: a guess, but every verdict below is
# the same from 0 to 3.
REFERENCE_GAP = 2.0


def lattice_check() -> pd.DataFrame:
    """Every challenge SRCC and KRCC of Table 1 is a median of scenes of seven photos. Lesson 03.

    Without ties a scene of n = 7 has SRCC = 1 - 6 D / (n (n^2 - 1)) with D even, a multiple of 1/28, and
    KRCC = k / 21 with k odd. The median of 96 scenes is such a value or the mean of two. A mean over 96 scenes could
    print almost any third decimal.

    Returns
    -------
    DataFrame
        One row a method and metric: ``method, metric, printed, on_lattice, how`` (which values), ``chance``: the share
        of all three-decimal numbers in [0.2, 0.6] that would fit. The product of ``chance`` is the probability that
        numbers that are no such medians all fit.
    """
    n, rows = CHALLENGE_IMAGES, []
    values = {
        "srcc": {d: 1 - 6 * d / (n * (n * n - 1)) for d in range(0, n * (n * n - 1) // 3 + 1, 2)},
        "krcc": {k: k / (n * (n - 1) // 2) for k in range(-n * (n - 1) // 2, n * (n - 1) // 2 + 1, 2)},
    }
    meaning = {"srcc": "sum d^2 = {}", "krcc": "C - D = {}"}
    for metric, lattice in values.items():
        reachable = _medians(lattice, meaning[metric])
        chance = np.mean([round(p / 1000, 3) in reachable for p in range(200, 601)])
        for method, printed in table1()[["method", f"challenge_{metric}"]].itertuples(index=False):
            fits = printed in reachable
            rows.append((method, metric, printed, fits, reachable.get(printed, ""), chance))
    return pd.DataFrame(rows, columns=["method", "metric", "printed", "on_lattice", "how", "chance"])


def _medians(lattice: dict[int, float], meaning: str) -> dict[float, str]:
    """Every median of an even number of lattice values, rounded as printed, and how it comes about.

    Neighbours are enough: the lattice is even, so the mean of any two values is a value or lies half-way between two.
    """
    neighbours = sorted(lattice, key=lattice.get)
    reachable = {
        round((lattice[a] + lattice[b]) / 2, 3): "mean of " + meaning.format(f"{a} and {b}")
        for a, b in zip(neighbours, neighbours[1:], strict=False)
    }
    return reachable | {round(value, 3): meaning.format(a) for a, value in lattice.items()}


def plcc_is_raw(scenes: int = CHALLENGE_SCENES, seed: int = 0) -> pd.DataFrame:
    """Table 1's PLCC was computed on raw scores: a four-parameter logistic on seven photos would print far more.

    For every method a simulated scorer with the printed median SRCC is scored both ways.

    Returns
    -------
    DataFrame
        One row a method: ``method, srcc, plcc_printed, plcc_raw, plcc_logistic`` (medians over simulated scenes; the
        fitted curve may fall, as in public code, hence the absolute value), ``verdict``: the nearer of the two.
    """
    rows = []
    for method, srcc, printed in table1()[["method", "challenge_srcc", "challenge_plcc"]].itertuples(index=False):
        noise = _noise_for(srcc)
        score, jod = _simulate(noise, scenes, CHALLENGE_IMAGES, np.random.default_rng(seed))
        frame = pd.DataFrame(
            {"scene": np.repeat(np.arange(scenes), CHALLENGE_IMAGES), "score": score.ravel(), "jod": jod.ravel()}
        )
        found = per_scene(frame)
        raw, logistic = found["plcc"].median(), found["plcc_logistic"].abs().median()
        verdict = "raw" if abs(raw - printed) < abs(logistic - printed) else "logistic"
        rows.append((method, srcc, printed, raw, logistic, verdict))
    return pd.DataFrame(rows, columns=["method", "srcc", "plcc_printed", "plcc_raw", "plcc_logistic", "verdict"])


def median_noise(
    srcc: float,
    scenes: int = CHALLENGE_SCENES,
    images: int = CHALLENGE_IMAGES,
    statistic: str = "median",
    draws: int = 1000,
) -> float:
    """Standard deviation of a median (or mean) SRCC over scenes, for a scorer whose typical SRCC is ``srcc``.

    Lessons 03, 13.

    Parameters
    ----------
    srcc : float
        Typical SRCC in a scene.
    scenes, images : int
        How many, and how many in each.
    statistic : {"median", "mean"}
    draws : int
        Simulated challenges.

    Returns
    -------
    float
    """
    noise = np.inf if srcc == 0 else _noise_for(srcc, images)
    score, jod = _simulate(noise, draws * scenes, images, np.random.default_rng(1))
    value = _srcc(score, jod).reshape(draws, scenes)
    return float(getattr(np, statistic)(value, axis=1).std())


def rank_noise() -> pd.DataFrame:
    """Which differences of Table 1's challenge SRCC are larger than the noise of medians over 96 scenes of 7.

    The two medians are taken as independent; the methods saw the same scenes, so errors are shared and the true noise
    of a difference is somewhat smaller: only a paired test on the unpublished scores could tell more.

    Returns
    -------
    DataFrame
        One row a pair, larger first: ``first, second, difference, sd, z, p, tie`` (p > 0.05 before any correction for
        28 pairs).

    Lesson 03.
    """
    srcc = table1().set_index("method")["challenge_srcc"].sort_values(ascending=False)
    sd = {method: median_noise(value) for method, value in srcc.items()}
    rows = []
    for a, b in combinations(srcc.index, 2):
        spread = float(np.hypot(sd[a], sd[b]))
        z = (srcc[a] - srcc[b]) / spread
        p = float(2 * stats.norm.sf(abs(z)))
        rows.append((a, b, srcc[a] - srcc[b], spread, z, p, p > 0.05))
    return pd.DataFrame(rows, columns=["first", "second", "difference", "sd", "z", "p", "tie"])


def rank_reversal() -> pd.DataFrame:
    """PIQ23's order does not predict the challenge's: Spearman between the two score columns of Table 2. Lesson 03.

    Returns
    -------
    DataFrame
        Two rows, ``rows`` = "all 8" and "5 teams", with ``spearman, p`` (exact permutation) and ``n``.
    """
    table, rows = table2(), []
    for name, part in (("all 8", table), ("5 teams", table[~table["team"].str.startswith("Baseline")])):
        x, y = (part[f"{data}_score"].rank().to_numpy() for data in ("piq23", "challenge"))
        orders = np.array(list(permutations(y)))  # (n!, n)
        rho = 1 - 6 * ((orders - x) ** 2).sum(axis=1) / (len(x) * (len(x) ** 2 - 1))  # (n!,), the first is the printed
        rows.append((name, rho[0], np.mean(np.abs(rho) >= abs(rho[0]) - 1e-12), len(x)))
    return pd.DataFrame(rows, columns=["rows", "spearman", "p", "n"])


def table2_score_check(draws: int = 400) -> pd.DataFrame:
    """Table 2's score is the median over scenes of the per-scene mean of the three metrics [inferred]. Lesson 03.

    The mean of Table 1's three medians comes close to the printed score but is not it. If the score is a median of
    per-scene means, the two differ by sampling; the simulation (of ``draws`` challenges) says by how much. A mean of
    SRCC and PLCC is excluded.

    Returns
    -------
    DataFrame
        One row a method and data set: ``method, data, printed, mean_of_medians, residual, without_krcc`` (the mean of
        SRCC and PLCC), ``residual_without_krcc``, and ``sd_expected`` of ``residual`` (challenge rows only).
    """
    both, rows = table1().merge(table2(), on=["team", "method", "key"]), []
    expected = _mean_and_median_gap(draws)
    for data in ("piq23", "challenge"):
        for row in both.to_dict("records"):
            srcc, plcc, krcc, printed = (row[f"{data}_{name}"] for name in ("srcc", "plcc", "krcc", "score"))
            three, two = (srcc + plcc + krcc) / 3, (srcc + plcc) / 2
            sd = expected if data == "challenge" else np.nan
            rows.append((row["method"], data, printed, three, printed - three, two, printed - two, sd))
    return pd.DataFrame(
        rows,
        columns=["method", "data", "printed", "mean_of_medians", "residual", "without_krcc", "residual_without_krcc"]
        + ["sd_expected"],
    )


def _mean_and_median_gap(draws: int) -> float:
    """Spread of (median of per-scene means) - (mean of the three medians) at a typical challenge scorer."""
    score, jod = _simulate(_noise_for(0.45), draws * CHALLENGE_SCENES, CHALLENGE_IMAGES, np.random.default_rng(2))
    sizes = np.full(len(score), CHALLENGE_IMAGES)
    pairs = metrics.count_pairs(score.ravel(), jod.ravel(), sizes)
    three = np.stack([metrics.srcc(pairs, sizes), metrics.plcc(score.ravel(), jod.ravel(), sizes), metrics.krcc(pairs)])
    three = three.reshape(3, draws, CHALLENGE_SCENES)
    return float((np.median(three.mean(axis=0), axis=-1) - np.median(three, axis=-1).mean(axis=0)).std())


def _simulate(noise: float, scenes: int, images: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores and true qualities, each (scenes, images); the first image is the reference. ``noise=inf``: blind."""
    jod = rng.standard_normal((scenes, images))
    jod[:, 0] += REFERENCE_GAP
    error = rng.standard_normal((scenes, images))
    return (error if np.isinf(noise) else jod + noise * error), jod


def _srcc(score: np.ndarray, jod: np.ndarray) -> np.ndarray:
    sizes = np.full(len(score), score.shape[1])
    return metrics.srcc(metrics.count_pairs(score.ravel(), jod.ravel(), sizes), sizes)


@lru_cache(maxsize=64)
def _noise_for(srcc: float, images: int = CHALLENGE_IMAGES) -> float:
    """Noise at which the medians over 96 scenes average to ``srcc`` (bisection on one set of draws)."""
    low, high = 0.0, 20.0
    for _ in range(18):
        middle = (low + high) / 2
        score, jod = _simulate(middle, 9_600, images, np.random.default_rng(0))
        medians = np.median(_srcc(score, jod).reshape(100, CHALLENGE_SCENES), axis=1)
        low, high = (middle, high) if medians.mean() > srcc else (low, middle)
    return (low + high) / 2
