"""How the cost grows with images, scenes and observers: measured, fitted on a log-log line, and drawn."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from tqdm.auto import tqdm

from pqa_lab.viz.style import TEMPLATE, marker


def cpu(work: Callable[[], object], repeats: int = 3) -> float:
    """The least CPU seconds of ``repeats`` runs, of all threads of this process."""
    least = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        work()
        least = min(least, time.process_time() - start)
    return least


def growth(quick: bool = False, progress: bool = True) -> pd.DataFrame:
    """CPU seconds of scaling and of evaluation when one size grows and the others stay.

    Returns
    -------
    DataFrame
        ``job, of, size, seconds``. With images grow the votes (60 an image), with observers too (100 each).
    """
    from pqa_lab.evaluation import per_scene
    from pqa_lab.evaluation.speed import random_scores
    from pqa_lab.scaling import scale
    from pqa_lab.scaling.studies import simulated_scenes

    def scaling(scenes=4, images=40, observers=20, each=None):
        votes = simulated_scenes(scenes, images, observers, each or 60 * images // observers)[0]
        return lambda: scale(votes)

    def evaluation(scenes=40, images=60):
        table = random_scores(scenes, images, 4)
        return lambda: per_scene(table, ["method"], fit=False)

    steps = 3 if quick else 5
    ladder = {
        ("scaling", "images"): (lambda n: scaling(images=n), 25),
        ("scaling", "scenes"): (lambda n: scaling(scenes=n), 4),
        ("scaling", "observers"): (lambda n: scaling(observers=n, each=100), 10),
        ("evaluation", "images"): (lambda n: evaluation(images=n), 50),
        ("evaluation", "scenes"): (lambda n: evaluation(scenes=n), 25),
    }
    rows, bar = [], tqdm(ladder.items(), disable=not progress, unit="curve")
    for (job, of), (make, start) in bar:
        bar.set_description(f"growth: {job}, {of}")
        for step in range(steps):
            size = start * 2**step
            rows.append({"job": job, "of": of, "size": size, "seconds": cpu(make(size), 2 if quick else 3)})
    return pd.DataFrame(rows)


def exponents(grown: pd.DataFrame) -> pd.DataFrame:
    """Exponent k of seconds ~ size^k and its standard error, by a line through the logarithms of each curve's points.

    The small sizes hold fixed costs, so the line goes through the upper half (three points at least).

    Returns
    -------
    DataFrame
        ``job, of, exponent, error``, and ``low, high``: the sizes that the line goes through.
    """
    rows = []
    for (job, of), curve in grown.groupby(["job", "of"], sort=False):
        curve = curve.sort_values("size").tail(max(3, (len(curve) + 1) // 2))
        x, y = np.log(curve["size"].to_numpy(float)), np.log(curve["seconds"].to_numpy(float))
        dx = x - x.mean()
        slope = dx @ y / (dx @ dx)
        left = y - y.mean() - slope * dx
        error = np.sqrt(left @ left / (len(x) - 2) / (dx @ dx))
        low, high = curve["size"].iloc[[0, -1]]
        rows.append({"job": job, "of": of, "exponent": slope, "error": error, "low": int(low), "high": int(high)})
    return pd.DataFrame(rows)


def growth_figure(grown: pd.DataFrame, fitted: pd.DataFrame) -> go.Figure:
    """Both axes logarithmic: a straight line of slope k is a cost that grows as size^k."""
    figure, words = go.Figure(), []
    for number, line in enumerate(fitted.itertuples()):
        curve = grown[(grown["job"] == line.job) & (grown["of"] == line.of)]
        name = f"{line.job} with {line.of}: size^{line.exponent:.2f} ± {line.error:.2f}"
        figure.add_scatter(
            x=curve["size"], y=curve["seconds"], mode="markers+lines", name=name,
            marker=marker(number, size=10), line={"color": marker(number)["color"]},
        )  # fmt: skip
        words.append(f"{line.job} grows as {line.of} to the power {line.exponent:.2f}")
    figure.update_layout(
        template=TEMPLATE,
        title="CPU seconds as one size grows",
        xaxis={"title": "images (a scene), scenes or observers", "type": "log", "dtick": "D2"},
        yaxis={"title": "CPU seconds", "type": "log"},
        legend={"orientation": "h", "y": -0.2},
        height=520,
        meta={"text": f"CPU seconds against size, both axes logarithmic; {'; '.join(words)}."},
    )
    return figure
