"""Measured claims about the scale: coverage of its intervals, and speed side by side with other solvers.

    python -m pqa_lab.scaling.studies coverage [--simulations 200]
    python -m pqa_lab.scaling.studies speed [--scenes 50] [--baseline-fits 40]

All votes are simulated: true JODs ~ N(0, 1.42^2), random pairs, from sparse to dense designs (``DESIGNS``).
"""

import argparse
import resource
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_ndtr

from .fit import scale
from .model import SIGMA, slopes
from .panel import make_panel, simulate_votes
from .uncertainty import draw
from .votes import tally_votes

TRUTH_SD = 1.42  # JOD, about PIQ23's
# images, observers, votes an observer, taste SD (JOD)
DESIGNS = (
    (25, 20, 150, 0.0),
    (25, 20, 150, 0.5),
    (25, 10, 60, 0.0),
    (25, 10, 60, 0.5),
    (100, 30, 400, 0.0),
    (100, 30, 400, 0.5),
)
WAYS = {
    "sandwich": {},
    "bootstrap t": {"ci": "bootstrap"},
    "bootstrap percentile": {"ci": "bootstrap", "interval": "percentile"},
}


def simulated_scenes(scenes: int, images: int, observers: int, each: int, taste: float = 0.0, seed: int = 0):
    """Votes of many scenes, each with its own truth and people, and the true JODs (scenes, images), mean 0.

    The truth is what the population answers: with taste, P(i over j) = Phi((q_i - q_j) / sqrt(sigma^2 + 2 taste^2)), so
    differences in JOD are those of q times sigma / sqrt(sigma^2 + 2 taste^2).

    Lessons 01, 03.
    """
    rng = np.random.default_rng(seed)
    q = rng.normal(0, TRUTH_SD, (scenes, images))
    votes = [
        simulate_votes(
            row, observers * each, make_panel(observers, taste=taste, seed=seed * 10**6 + k), seed * 10**6 + k, scene=k
        )
        for k, row in enumerate(q)
    ]
    truth = (q - q.mean(1, keepdims=True)) * SIGMA / np.sqrt(SIGMA**2 + 2 * taste**2)
    return pd.concat(votes, ignore_index=True), truth


def coverage_study(simulations: int = 200, designs: Sequence[tuple] = DESIGNS, ways: Sequence[str] = ("sandwich",),
                   level: float = 0.95, seed: int = 1, echo: Callable = print) -> pd.DataFrame:  # fmt: skip
    """How often intervals hold the truth.

    Returns
    -------
    DataFrame
        One row a design and kind of interval: ``coverage`` and its standard error over simulations, mean ``width``
        (JOD), ``rmse`` (JOD) and ``slope`` of the estimate against the truth.
    """
    rows = []
    for images, observers, each, taste in designs:
        votes, truth = simulated_scenes(simulations, images, observers, each, taste, seed)
        everybody = {k: range(images) for k in range(simulations)}
        for way in ways:
            table = scale(votes, level=level, images=everybody, **WAYS[way]).table
            jod, low, high = (
                table[name].to_numpy().reshape(simulations, images) for name in ("jod", "ci_low", "ci_high")
            )
            hit = ((low <= truth) & (truth <= high)).mean(1)
            rows.append(
                {
                    "images": images,
                    "observers": observers,
                    "votes each": each,
                    "taste": taste,
                    "interval": way,
                    "coverage": hit.mean(),
                    "+-": hit.std(ddof=1) / np.sqrt(simulations),
                    "width": (high - low).mean(),
                    "rmse": np.sqrt(np.mean((jod - truth) ** 2)),
                    "slope": (jod * truth).sum() / (truth**2).sum(),
                }
            )
            echo(pd.DataFrame(rows[-1:]).to_string(header=len(rows) == 1, index=False, float_format="%.3f"), flush=True)
    return pd.DataFrame(rows)


def lbfgs(a: np.ndarray, b: np.ndarray, i: np.ndarray, j: np.ndarray, n: int, ridge: float) -> np.ndarray:
    """The obvious good solver for one scale: scipy's L-BFGS on the same objective, with its exact gradient."""

    def objective(q):
        x = (q[i] - q[j]) / SIGMA
        win, lose, _, _ = slopes(x, "thurstone")
        slope = (b * lose - a * win) / SIGMA
        value = -(a * log_ndtr(x) + b * log_ndtr(-x)).sum() + 0.5 * ridge * q @ q
        return value, np.bincount(i, slope, n) - np.bincount(j, slope, n) + ridge * q

    options = {"ftol": 1e-12, "gtol": 1e-6, "maxiter": 2000}
    return minimize(objective, np.zeros(n), jac=True, method="L-BFGS-B", options=options).x


def speed_benchmark(scenes: int = 50, images: int = 100, observers: int = 30, votes: int = 12_000, resamples: int = 100,
                    baseline_fits: int = 40, seed: int = 0, echo: Callable = print) -> dict:  # fmt: skip
    """A PIQ23-sized job against one scipy L-BFGS fit, and one ``choix.ilsr_pairwise`` fit, per resample.

    Everything runs in this process on the same votes; times are CPU seconds of one thread. Ours runs in full; of the
    others ``baseline_fits`` fits are run (resamples taken in turn from all scenes) and their mean is multiplied.
    ``choix`` (Bradley-Terry; extra "test") gets alpha = 0.01, without which resamples do not converge.
    """
    import choix

    table, _ = simulated_scenes(scenes, images, observers, votes // observers, seed=seed)
    fits = scenes * (resamples + 1)

    start = time.process_time()
    scale(table)
    analytic = time.process_time() - start
    start = time.process_time()
    whole = scale(table, ci="bootstrap", resamples=resamples, seed=seed)
    ours = time.process_time() - start

    lbfgs_time, choix_time, apart = [], [], []
    tallies = {tally.scene: tally for tally in tally_votes(table)}
    for k in range(baseline_fits):
        tally = tallies[k % scenes]
        units, times = draw(tally, 2, np.random.default_rng(k))
        a, b = units.by_observer()
        a, b, i, j = a.T @ times[0], b.T @ times[0], tally.pairs.i, tally.pairs.j
        ridge = whole.fits[tally.scene].ridge
        start = time.process_time()
        lbfgs(a, b, i, j, tally.n, ridge)
        lbfgs_time.append(time.process_time() - start)
        if k < scenes:
            apart.append(np.abs(lbfgs(*tally.ab, i, j, tally.n, ridge) - whole.fits[tally.scene].raw).max())
        won, lost = np.repeat(i, a.astype(int)), np.repeat(j, a.astype(int))
        won, lost = np.r_[won, np.repeat(j, b.astype(int))], np.r_[lost, np.repeat(i, b.astype(int))]
        pairs = list(zip(won.tolist(), lost.tolist(), strict=True))
        start = time.process_time()
        choix.ilsr_pairwise(tally.n, pairs, alpha=0.01)
        choix_time.append(time.process_time() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figures = {
        "fits": fits,
        "ours": ours,
        "analytic": analytic,
        "lbfgs": float(np.mean(lbfgs_time)) * fits,
        "choix": float(np.mean(choix_time)) * fits,
        "memory_gb": memory,
        "largest_difference": float(np.max(apart)),
    }
    figures["lbfgs_ratio"], figures["choix_ratio"] = figures["lbfgs"] / ours, figures["choix"] / ours
    job = f"{scenes} scenes x {images} images x {votes} votes, {resamples} resamples each: {fits} fits, CPU seconds"
    rows = [
        ("scale(ci='bootstrap')", ours, f"{1000 * ours / fits:.2f} ms a fit, run in full"),
        (
            "scipy L-BFGS a resample",
            figures["lbfgs"],
            f"{figures['lbfgs_ratio']:.1f} x ours, from {baseline_fits} fits",
        ),
        ("choix.ilsr_pairwise", figures["choix"], f"{figures['choix_ratio']:.1f} x ours, from {baseline_fits} fits"),
        ("scale(), analytic intervals", analytic, f"all {scenes} scenes"),
    ]
    echo(job, *(f"  {name:30}{value:9.2f}   {remark}" for name, value, remark in rows), sep="\n")
    echo(f"  largest difference from L-BFGS {figures['largest_difference']:.0e} JOD; peak memory {memory:.2f} GB")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Measured claims about the JOD scale.")
    parser.add_argument("study", choices=["coverage", "speed"])
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=["sandwich"])
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--baseline-fits", type=int, default=40)
    chosen = parser.parse_args()
    if chosen.study == "coverage":
        coverage_study(chosen.simulations, ways=chosen.ways)
    else:
        speed_benchmark(chosen.scenes, baseline_fits=chosen.baseline_fits)


if __name__ == "__main__":
    main()
