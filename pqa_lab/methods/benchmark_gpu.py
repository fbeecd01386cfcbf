"""Throughput of the published sizes on a GPU in bf16, and the share of the card's peak that they reach.

    python -m pqa_lab.methods.benchmark_gpu

Views are made beforehand and lie on the card: this is the network alone, the way `pqa_lab.training.predict` runs it
(float32 weights under bf16 autocast). Not tried on a GPU yet: the two machines that this was written on have none.
"""

import time

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from pqa_lab.errors import InputError
from pqa_lab.methods import METHODS
from pqa_lab.methods.tta import predict_views

# Dense bf16 peak of tensor cores, TFLOP/s, from NVIDIA's data sheets; the first name found in the card's counts.
PEAKS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "RTX 4090": 165}


def peak_tflops(card: str) -> float | None:
    """Dense bf16 peak of the card in TFLOP/s; None if it is not known here."""
    return next((float(peak) for name, peak in PEAKS.items() if name.lower() in card.lower()), None)


@torch.inference_mode()
def throughput(
    methods: list[str] | None = None, device: str = "cuda", photos: tuple[int, ...] = (1, 8, 32), preset: str = "paper"
) -> pd.DataFrame:
    """Photos a second of each method, at the best of several batch sizes.

    Parameters
    ----------
    methods : list of str, optional
        Keys of ``METHODS``; default all.
    device : str
    photos : tuple of int
        Batch sizes in photos (each has several views); one that does not fit into memory ends the search.
    preset : {"paper", "tiny"}

    Returns
    -------
    DataFrame
        ``method, photos`` (of the best batch), ``photos_per_s, tflops`` (a multiply-add is two) and ``of_peak`` (share
        of the card's dense bf16 peak; NaN if the peak is unknown).

    Raises
    ------
    InputError
        There is no such device.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("There is no GPU on this machine.")
    peak = peak_tflops(torch.cuda.get_device_name(device)) if device.startswith("cuda") else None
    photo = np.random.default_rng(0).integers(0, 256, (960, 1280, 3), dtype=np.uint8)
    rows = []
    for name in methods or METHODS:
        model = getattr(METHODS[name], preset)().eval().to(device)
        views = model.views(train=False)(photo, np.random.default_rng(0))
        views = {part: view[None].to(device) for part, view in views.items()}  # (1, V, ...)
        with FlopCounterMode(display=False) as counter:
            predict_views(model, views)
        flops, best = counter.get_total_flops(), (0.0, 0)
        for count in photos:
            try:
                seconds = _seconds(model, {k: v.expand(count, *v.shape[1:]) for k, v in views.items()}, device)
            except torch.OutOfMemoryError:
                break
            best = max(best, (count / seconds, count))
        rate = best[0] * flops / 1e12
        share = rate / peak if peak else np.nan
        rows.append({"method": name, "photos": best[1], "photos_per_s": best[0], "tflops": rate, "of_peak": share})
        del model
    return pd.DataFrame(rows)


def _seconds(model: torch.nn.Module, views: dict[str, torch.Tensor], device: str, repeats: int = 5) -> float:
    """The least elapsed time of ``repeats`` runs after one that warms up."""
    kind = device.partition(":")[0]
    least = float("inf")
    for repeat in range(repeats + 1):
        start = time.perf_counter()
        with torch.autocast(kind, torch.bfloat16):
            predict_views(model, views).score.sum().item()  # .item() waits for the card
        least = min(least, time.perf_counter() - start) if repeat else least
    return least


if __name__ == "__main__":
    print(throughput().round(3).to_string(index=False))
