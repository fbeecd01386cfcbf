"""The survey's Table 2 beside what is here: size and cost of every method at its published size."""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from pqa_lab.methods import METHODS
from pqa_lab.methods.tta import predict_views

# Method -> section of the survey, parameters there in millions, and why ours differ or how the number comes about.
SURVEY: dict[str, tuple[str, float | None, str]] = {
    "hyperiqa": ("2.1", 128, "the same network, rounded; at 224 px it has 27.38 M"),
    "sem_hyperiqa": ("2.1", 145, "the same network, rounded: 50 scenes, on the scene split too"),
    "fhiqa": ("2.1", 145, "the same network, rounded: 50 scenes, on the scene split too"),
    "rqnet": ("3.1", 57.6, "their counter (thop) skips attention, embeddings and projection; one of four models"),
    "bdvqa": ("3.2", 794, "four Swin-L with heads, an inference from the number; here four too, the head inferred"),
    "pqe": ("3.3", 174, "two Swin-B and the head; LIQE (151 M) and the face detector are not counted there"),
    "monet": ("3.4", 408, "five attention learners, an inference from the number"),
    "sar": ("3.5", 149, "135.02 M and the face detector's 14.22 M; widths are not stated"),
    "liqe": ("part of 3.3", None, "not a row of the survey: frozen features of PQE"),
    "set_ranker": ("ours", None, "not in the survey"),
}


def methods_table(time: bool = False) -> pd.DataFrame:
    """One line a method of ``METHODS``, at ``paper()`` size.

    Parameters
    ----------
    time : bool
        Also score a photo with every full-size model on this machine (random weights; seconds to minutes, and up to a
        few GB). Without it nothing is computed: models and photos live on the meta device.

    Returns
    -------
    DataFrame
        ``method``, ``section``, ``parameters_m`` and ``survey_m`` (millions; NaN where the survey has none), ``note``
        (the reason for a difference), ``views`` of a photo, ``gflops`` a photo over all its views (a multiply-add is
        two; ``torch.utils.flop_counter``), and with ``time`` ``seconds`` a photo, views included.
    """
    photo = np.random.default_rng(0).integers(0, 256, (960, 1280, 3), dtype=np.uint8)  # the challenge's size
    rows = []
    for key, method in METHODS.items():
        section, survey, note = SURVEY[key]
        with torch.device("meta"):
            model = method.paper().eval()
        views = model.views(train=False)(photo, np.random.default_rng(0))
        views = {name: view[None] for name, view in views.items()}  # (1, V, ...)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            predict_views(model, {name: view.to("meta") for name, view in views.items()})
        row = {
            "method": key,
            "section": section,
            "parameters_m": round(sum(p.numel() for p in model.parameters()) / 1e6, 2),
            "survey_m": survey,
            "note": note,
            "views": max(view.shape[1] for view in views.values()),
            "gflops": round(counter.get_total_flops() / 1e9, 2),
        }
        if time:
            row["seconds"] = round(scoring_seconds(method.paper().eval(), photo), 3)
        rows.append(row)
    return pd.DataFrame(rows).astype({"survey_m": float})


@torch.inference_mode()
def scoring_seconds(
    model: torch.nn.Module, photo: np.ndarray, clock: Callable[[], float] = perf_counter, repeats: int = 1
) -> float:
    """The least time by ``clock`` of scoring one photo, views included, in ``repeats`` runs after one that warms up."""
    least = float("inf")
    for repeat in range(repeats + 1):
        start = clock()
        views = model.views(train=False)(photo, np.random.default_rng(0))
        predict_views(model, {name: view[None] for name, view in views.items()})
        least = min(least, clock() - start) if repeat else least
    return least
