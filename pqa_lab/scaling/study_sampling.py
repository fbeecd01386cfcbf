"""Votes against error for each sampling method, simulated: `python -m pqa_lab.scaling.study_sampling`.

Survey: section 2. 100 images, truth SD 1.42 JOD, empirical-Bayes estimate, 6 runs: random pairs need about 153
comparisons an image for an RMSE of 0.2 JOD, ASAP-approx 107, A-optimal 104.
"""

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .model import probability
from .sampling import METHODS, next_pairs, posterior


def planning_curve(
    n_images: int = 100,
    comparisons: Sequence[int] = (8, 16, 32, 64, 128, 240),
    method: str = "asap",
    *,
    spread: float = 1.42,
    repeats: int = 6,
    seed: int = 0,
    max_per_pair: int | None = None,
) -> pd.DataFrame:
    """What a number of votes will buy: simulated sessions of ideal observers, scaled with the empirical-Bayes prior.

    Parameters
    ----------
    n_images : int
    comparisons : sequence of int
        Checkpoints, in comparisons an image; each vote is a comparison of two images.
    method : str
        As in `next_pairs`; batches of n_images - 1 pairs.
    spread : float
        SD of the true qualities, JOD.
    repeats : int
        Sessions, each with a truth of its own.
    seed : int
        The truths and, given the pairs, the votes depend on it alone, so methods can be compared run by run.
    max_per_pair : int, optional
        Cap on the votes of a pair.

    Returns
    -------
    DataFrame
        One row a checkpoint: method, comparisons (an image), votes, rmse and its se over the runs (JOD), srocc, slope
        (of the estimate on the truth), width (mean full width of the 95 % interval, JOD), seconds (sampling, all runs).

    Lesson 01.
    """
    marks = [round(c * n_images / 2) for c in comparisons]
    rows = []
    for run in range(repeats):
        rng = np.random.default_rng([seed, run])
        truth = rng.normal(0, spread, n_images)
        truth -= truth.mean()
        counts = np.zeros((n_images, n_images))
        done, spent = 0, 0.0
        for mark in marks:
            while done < mark:
                start = time.process_time()
                pairs = next_pairs(counts, method, min(n_images - 1, mark - done), seed=rng, max_per_pair=max_per_pair)
                spent += time.process_time() - start
                if not len(pairs):
                    break
                i, j = pairs.T
                won = rng.random(len(pairs)) < probability(truth[i] - truth[j])
                np.add.at(counts, (np.where(won, i, j), np.where(won, j, i)), 1)
                done += len(pairs)
            rows.append({"method": method, "votes": mark, "seconds": spent, **_quality(counts, truth)})
    runs = pd.DataFrame(rows).groupby(["method", "votes"], sort=True)
    table = runs.mean()
    table.insert(0, "se", runs["rmse"].sem())
    table["seconds"] = runs["seconds"].sum()
    table.insert(0, "comparisons", 2 * table.index.get_level_values("votes") / n_images)
    return table.reset_index()


def sampling_study(methods: Sequence[str] = METHODS, **design) -> pd.DataFrame:
    """`planning_curve` for several methods, one under the other."""
    return pd.concat([planning_curve(method=method, **design) for method in methods], ignore_index=True)


def comparisons_for(curve: pd.DataFrame, rmse: float = 0.2) -> pd.Series:
    """Comparisons an image at which each method reaches an RMSE, on the log-log line between checkpoints; NaN if never.

    Parameters
    ----------
    curve : DataFrame
        From `sampling_study`.
    rmse : float
        JOD.
    """
    needed = {}
    for method, part in curve.groupby("method", sort=False):
        x, y = np.log(part["comparisons"].to_numpy()), np.log(part["rmse"].to_numpy())
        below = np.flatnonzero(y <= np.log(rmse))
        k = below[0] if len(below) else len(y)
        if k in (0, len(y)):
            needed[method] = part["comparisons"].iloc[0] if k == 0 else np.nan
        else:
            needed[method] = np.exp(np.interp(np.log(rmse), [y[k], y[k - 1]], [x[k], x[k - 1]]))
    return pd.Series(needed, name="comparisons")


def _quality(counts, truth) -> dict[str, float]:
    mean, covariance = posterior(counts)
    estimate = mean - mean.mean()
    # Var(q_i - mean of all q): the zero of the scale is the mean
    n = len(truth)
    centre = np.eye(n) - 1 / n
    se = np.sqrt(np.diagonal(centre @ covariance @ centre))
    ranks = pd.DataFrame({"estimate": estimate, "truth": truth}).rank()
    return {
        "rmse": float(np.sqrt(np.mean((estimate - truth) ** 2))),
        "srocc": float(np.corrcoef(ranks.to_numpy().T)[0, 1]),
        "slope": float(estimate @ truth / (truth @ truth)),
        "width": float(2 * 1.96 * se.mean()),
    }


def main() -> None:
    curve = sampling_study()
    print(curve.round(3).to_string(index=False))
    needed = comparisons_for(curve)
    print("\nComparisons an image for an RMSE of 0.2 JOD, and votes saved against random pairs:")
    for method, comparisons in needed.items():
        print(f"  {method:10} {comparisons:6.0f}   {100 * (1 - comparisons / needed['random']):4.0f} %")


if __name__ == "__main__":
    main()
