"""How well a perfect scorer could do, given that the labels themselves are noisy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pqa_lab.errors import InputError
from pqa_lab.evaluation import metrics
from pqa_lab.evaluation.protocol import check_frame


def label_noise_ceiling(frame: pd.DataFrame, draws: int = 100, seed: int = 0) -> pd.DataFrame:
    """What a perfect scorer would reach if it were measured against labels as noisy as these. Lessons 03, 13.

    A perfect scorer knows the truth, and labels are the truth plus noise. The given JODs stand in for the truth, which
    is not known: ``jod`` is compared with ``jod + N(0, jod_std)``, scene by scene, averaged over draws. As the JODs
    already carry their own noise, they spread a little more than the truth, so the ceiling is a little too high.

    Parameters
    ----------
    frame : DataFrame
        One row an image: ``scene, jod, jod_std`` (standard error of the JOD, in JOD).

    Returns
    -------
    DataFrame
        One row a scene: ``scene, n, srcc, plcc, krcc, challenge, pairwise_accuracy, top1``; `summarize` takes it.
    """
    if "jod_std" not in frame.columns:
        raise InputError("The ceiling needs a column jod_std (the labels' standard error); this table has none.")
    if not (frame["jod_std"] >= 0).all():
        raise InputError("A jod_std is missing or negative; every image needs a standard error of 0 or more.")
    check_frame(frame.assign(score=frame["jod_std"]))
    frame = frame.sort_values("scene", kind="stable")
    table = frame.groupby("scene", sort=True, observed=True).size().rename("n").reset_index()
    sizes = table["n"].to_numpy()
    jod, std = (frame[name].to_numpy(dtype=np.float64) for name in ("jod", "jod_std"))
    score = jod + std * np.random.default_rng(seed).standard_normal((draws, len(jod)))  # (D, N)
    pairs = metrics.count_pairs(score, jod, sizes)
    srcc, plcc, krcc = metrics.srcc(pairs, sizes), metrics.plcc(score, jod, sizes), metrics.krcc(pairs)  # each (D, S)
    table["srcc"], table["plcc"], table["krcc"] = srcc.mean(axis=0), plcc.mean(axis=0), krcc.mean(axis=0)
    table["challenge"] = (srcc + plcc + krcc).mean(axis=0) / 3
    table["pairwise_accuracy"] = metrics.pairwise_accuracy(pairs).mean(axis=0)
    table["top1"] = metrics.top1(score, np.broadcast_to(jod, score.shape), sizes).mean(axis=0)
    return table
