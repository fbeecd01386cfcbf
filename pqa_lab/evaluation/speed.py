"""How fast the protocol is, beside a loop over scipy: ``python -m pqa_lab.evaluation.speed``."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from scipy import stats

from pqa_lab.evaluation.protocol import per_scene
from pqa_lab.evaluation.uncertainty import interval

_THREE = ["srcc", "plcc", "krcc"]


def benchmark(scenes: int = 50, images: int = 100, methods: int = 8, resamples: int = 10_000) -> pd.DataFrame:
    """CPU time of both ways on the same data in one run.

    Returns
    -------
    DataFrame
        One row a task: ``task, ours_s, scipy_s, ratio, largest_difference``. The last task's scipy loop, which computes
        the metrics anew in every resample, is timed on 2 resamples and scaled up, as its name says.
    """
    frame = random_scores(scenes, images, methods)
    parts = [[g for _, g in part.groupby("scene")] for _, part in frame.groupby("method")]

    start = time.process_time()
    ours = per_scene(frame, ["method"], fit=False)
    ours_table = time.process_time() - start
    start = time.process_time()
    theirs = np.array([[_scipy(g) for g in part] for part in parts])  # (M, S, 3)
    scipy_table = time.process_time() - start

    values = ours[_THREE].to_numpy().reshape(methods, scenes, 3).transpose(1, 0, 2).reshape(scenes, -1)  # (S, 3 M)
    start = time.process_time()
    ours_bounds = interval(values, "median", resamples)
    ours_interval = time.process_time() - start
    start = time.process_time()
    bounds = [
        stats.bootstrap((column,), np.median, n_resamples=resamples, method="percentile", rng=0).confidence_interval
        for column in values.T
    ]
    scipy_interval = time.process_time() - start

    rng, start = np.random.default_rng(0), time.process_time()
    for _ in range(2):
        for part in parts:
            np.median([_scipy(part[i]) for i in rng.integers(scenes, size=scenes)], axis=0)
    scipy_whole = (time.process_time() - start) / 2 * resamples

    size = f"{methods} methods x {scenes} scenes x {images} images"
    rows = [
        (
            f"SRCC, PLCC, KRCC of {size}",
            ours_table,
            scipy_table,
            np.abs(theirs.reshape(-1, 3) - ours[_THREE]).max().max(),
        ),
        (
            f"intervals, {resamples} resamples, against scipy.stats.bootstrap a column",
            ours_interval,
            scipy_interval,
            np.abs(np.array(bounds).T - ours_bounds).max(),
        ),
        (
            f"table and intervals, against a scipy loop over {resamples} resamples (2 timed, scaled)",
            ours_table + ours_interval,
            scipy_whole,
            np.nan,
        ),
    ]
    table = pd.DataFrame(rows, columns=["task", "ours_s", "scipy_s", "largest_difference"])
    table.insert(3, "ratio", table["scipy_s"] / table["ours_s"])
    return table


def random_scores(scenes: int, images: int, methods: int) -> pd.DataFrame:
    """Scores of better and worse methods with some ties, columns ``method, scene, image, score, jod``."""
    rng = np.random.default_rng(0)
    jod = rng.normal(size=(1, scenes, images)).round(2)  # two digits: some ties
    score = (jod + rng.normal(size=(methods, scenes, images)) * np.linspace(0.5, 2, methods)[:, None, None]).round(2)
    index = pd.MultiIndex.from_product(
        [range(methods), range(scenes), range(images)], names=["method", "scene", "image"]
    )
    return pd.DataFrame(
        {"score": score.ravel(), "jod": np.broadcast_to(jod, score.shape).ravel()}, index=index
    ).reset_index()


def _scipy(group: pd.DataFrame) -> list[float]:
    x, y = group["score"].to_numpy(), group["jod"].to_numpy()
    return [stats.spearmanr(x, y)[0], stats.pearsonr(x, y)[0], stats.kendalltau(x, y)[0]]


if __name__ == "__main__":
    for row in benchmark().itertuples():
        same = "" if np.isnan(row.largest_difference) else f"; largest difference {row.largest_difference:.1g}"
        print(f"{row.task}: {row.ours_s:.3f} s, scipy {row.scipy_s:.1f} s, {row.ratio:.1f} times{same}")
