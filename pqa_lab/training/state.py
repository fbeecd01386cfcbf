"""Everything that an interrupted run needs to go on as if nothing had happened, without a pickle.

It lies beside the weights in ``<out>/last``: ``resume.safetensors`` (weights in training, EMA, optimizer moments,
torch's generators) and ``resume.json`` (position, settings, the generators of Python and numpy). Learning rates are a
closed form of the step, and crops are keyed by it: neither needs saving.
"""

import json
import random
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import gather_object
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pqa_lab.errors import InputError


def random_state() -> dict:
    """Generators of this process (Python's, numpy's legacy one, torch's on CPU and GPUs) as JSON can hold them."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  a method may still use it
    return {
        "python": random.getstate(),
        "numpy": [name, keys.tolist(), *rest],
        "torch": torch.get_rng_state().tolist(),
        "cuda": [state.tolist() for state in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict) -> None:
    """Put ``random_state`` back."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(tuple(state["numpy"]))  # noqa: NPY002
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if state["cuda"] and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all([torch.tensor(words, dtype=torch.uint8) for words in state["cuda"]])


def gather_random_states() -> list[dict]:
    """``random_state`` of every process, on every process."""
    return gather_object([random_state()])


def write_state(
    folder: Path,
    step: int,
    settings: dict,
    random_states: list[dict],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: nn.Module | None,
) -> None:
    """Write the state after ``step`` optimizer steps into a folder."""
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    if ema is not None:
        tensors |= {f"ema/{name}": value for name, value in ema.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": torch.as_tensor(value) for name, value in moments.items()}
    # clone: safetensors refuses weights that share memory (tied layers)
    save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
              folder / "resume.safetensors")  # fmt: skip
    state = {"step": step, "settings": settings, "random": random_states}
    (folder / "resume.json").write_text(json.dumps(state), encoding="utf-8")


def read_state(
    folder: Path,
    settings: dict,
    process: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: nn.Module | None,
) -> int:
    """Put a saved state back into its parts; returns the number of steps done.

    The weights are copied into the existing tensors, so the model may already be wrapped and on its device. With
    another number of processes than before the run goes on, but not to the same bits.

    Raises
    ------
    InputError
        The state is damaged, or was written by a run with other settings.
    """
    try:
        state = json.loads((folder / "resume.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "resume.safetensors")
    except Exception:
        raise InputError(
            f"The training state in {folder} is damaged or missing: start afresh in another folder."
        ) from None
    settings = json.loads(json.dumps(settings))
    changed = [key for key in settings if settings[key] != state["settings"].get(key)]
    if changed:
        was = {key: state["settings"].get(key) for key in changed}
        now = {key: settings[key] for key in changed}
        raise InputError(
            f"The run in {folder.parent} had other settings ({was}, now {now}): resume with the same ones."
        )
    try:
        model.load_state_dict(_part(tensors, "model/"))
    except RuntimeError:
        raise InputError(
            f"The run in {folder.parent} does not fit this model: build it as it was built then."
        ) from None
    if ema is not None:
        ema.load_state_dict(_part(tensors, "ema/"))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer/").items():
        index, moment = name.split("/")
        moments.setdefault(int(index), {})[moment] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    set_random_state(state["random"][process % len(state["random"])])
    return state["step"]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
