"""Does a model keep the challenge's limits? Measured, not estimated.

*From the public kit* (DXOMARK-Research/PIQ2023, ``NTIRE24/Submission Kit``): one GPU of 8 GB, at most 5 TFLOPs (2 x
MACs, which the kit counts with ``thop``), 5 s an image without loading the model, weights of at most 2 GB. GB are
1024^3 bytes as in the kit's code.
*Ours*: FLOPs by torch's own counter, which also sees what ``thop`` skips (attention), so that attention is computed by
plain matrix products while counting. Memory on a GPU is the allocator's peak as in the kit; on a CPU it is the peak of
all tensors that are alive during the pass, parameters included.
"""

import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from pqa_lab.errors import InputError

GB = 1024**3
LIMITS = {"time": (5.0, "s/image"), "compute": (5.0, "TFLOPs/image"), "memory": (8.0, "GB"), "weights": (2.0, "GB")}


def check_limits(
    model: nn.Module,
    inputs: Any = None,
    photo: np.ndarray | None = None,
    device: str | torch.device | None = None,
    repeats: int = 3,
) -> pd.DataFrame:
    """Measure one image's inference against the challenge's limits. Lesson 15.

    Parameters
    ----------
    model : nn.Module
        One of ours (it has ``views``), or any module together with ``inputs``.
    inputs : tensor, tuple or dict of tensors, or None
        What the model is called with for one image, all test-time views included. None: ``model.views(train=False)`` of
        ``photo``, and their extraction counts in the time.
    photo : ndarray, shape (H, W, 3), uint8, or None
        None is noise of the kit's size, 960 x 1280.
    device : device or None
        Where to run; None is where the model is.
    repeats : int
        The time is the median of so many passes after a first one that is not counted.

    Returns
    -------
    pandas.DataFrame
        Index ``time, compute, memory, weights``; columns ``measured, limit, unit, ok``.

    Raises
    ------
    InputError
        The model has no ``views`` and no ``inputs`` are given.
    """
    if inputs is None and not hasattr(model, "views"):
        raise InputError("This model does not say how it looks at a photo: give its inputs for one image.")
    home = next((p.device for p in model.parameters()), torch.device("cpu"))
    place = torch.device(device) if device is not None else home
    if photo is None:
        photo = np.random.default_rng(0).integers(0, 256, (960, 1280, 3), dtype=np.uint8)
    was_training = model.training
    model.eval().to(place)
    try:
        run = _runner(model, inputs, photo, place)
        with torch.no_grad():
            run()
            seconds = [_time(run, place) for _ in range(max(1, repeats))]
            measured = {
                "time": float(np.median(seconds)),
                "compute": count_flops(run) / 1e12,
                "memory": _peak_memory(model, run, place) / GB,
                "weights": weight_bytes(model) / GB,
            }
    finally:
        model.train(was_training).to(home)
    table = pd.DataFrame(
        [(name, measured[name], limit, unit, measured[name] <= limit) for name, (limit, unit) in LIMITS.items()],
        columns=["what", "measured", "limit", "unit", "ok"],
    )
    return table.set_index("what")


def count_flops(run: Callable[[], Any]) -> int:
    """Floating point operations of a call: 2 for each multiply-add of a convolution or a matrix product. Lesson 12."""
    counter = FlopCounterMode(display=False)
    with _plain_attention(), counter:
        run()
    return counter.get_total_flops()


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and buffers as a state dict saves them; shared ones once."""
    tensors = [t for t in model.state_dict(keep_vars=True).values() if isinstance(t, torch.Tensor)]
    return sum({t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}.values())


def _runner(model: nn.Module, inputs: Any, photo: np.ndarray, place: torch.device) -> Callable[[], Any]:
    def move(tree: Any) -> Any:
        return tree_map_only(torch.Tensor, lambda tensor: tensor.to(place), tree)

    if inputs is not None:
        arguments = inputs if isinstance(inputs, tuple) else (inputs,)
        return lambda: model(*move(arguments))
    view = model.views(train=False)
    # The views of one image are a batch of V images to the model.
    return lambda: model(move(view(photo, np.random.default_rng(0))))


def _time(run: Callable[[], Any], place: torch.device) -> float:
    def wait() -> None:
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    wait()
    start = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - start


@contextmanager
def _plain_attention() -> AbstractContextManager[None]:
    """Fused attention kernels are invisible to the counter; their plain form costs the same operations."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _peak_memory(model: nn.Module, run: Callable[[], Any], place: torch.device) -> int:
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
        run()
        return torch.cuda.max_memory_allocated(place)
    with _Alive() as alive:
        run()
    return weight_bytes(model) + alive.peak


class _Alive(TorchDispatchMode):
    """Follows the bytes of all tensors that are created inside and not yet freed."""

    def __enter__(self) -> "_Alive":
        self.now = self.peak = 0
        self.known: set[int] = set()
        return super().__enter__()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        given = {t.untyped_storage()._cdata for t in tree_iter((args, kwargs)) if isinstance(t, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in self.known and key not in given:
                    self.known.add(key)
                    self.now += storage.nbytes()
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self._free, key, storage.nbytes())
        return result

    def _free(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size
