"""Scores of rows, one line an image: the frame that evaluation, ranking and the choice of a checkpoint read."""

from collections.abc import Iterator
from contextlib import contextmanager

import datasets
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from pqa_lab.errors import InputError
from pqa_lab.methods.base import Batch
from pqa_lab.methods.tta import predict_views
from pqa_lab.training.data import Views, column, numbers

COPIED = ("scene", "device", "subject", "condition", "attribute", "split")


def predict(
    model: nn.Module,
    rows: datasets.Dataset,
    batch_size: int = 8,
    progress: bool = True,
    parts: bool = False,
    device: str | torch.device | None = None,
    precision: str = "no",
    num_workers: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """Score every row with test-time augmentation (``predict_views``). Lessons 06, 12, 14.

    Every photo is looked at with the same random numbers, so the same photo twice gives the same score, wherever it
    stands in the rows. (On several threads or a GPU, another ``batch_size`` may change the last bits.)

    Parameters
    ----------
    model : nn.Module
        A method; left in the mode that it was in.
    rows : datasets.Dataset
        Only ``image`` is needed.
    batch_size : int
        Photos at a time; the model sees ``batch_size`` times the views of a photo.
    parts : bool
        Also return ``prediction.parts`` and the scene logits, as columns ``part.<name>``: a number an image, or an
        array.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ...; default: where the model is.
    precision : str
        ``"no"`` (float32) or ``"bf16"``.
    num_workers : int
        Processes that prepare photos.
    seed : int
        Of random crops.

    Returns
    -------
    pandas.DataFrame
        ``scene, image`` (the row's number), ``path`` (None for embedded photos), ``score`` (higher is better within a
        scene), ``jod, jod_std`` (NaN where unknown), ``device, subject, condition, attribute, split``.

    Raises
    ------
    InputError
        A photo that cannot be read, a device that is not there, or a score that is not a number.
    """
    frame = pd.DataFrame({name: column(rows, name) for name in COPIED}, dtype=object)
    frame.insert(1, "image", np.arange(len(rows)))
    data = Views(rows, model.views(train=False), cache=False)
    frame.insert(2, "path", [stored and stored["path"] for stored in data.rows["image"]])
    frame["jod"], frame["jod_std"] = numbers(rows, "jod"), numbers(rows, "jod_std")

    columns = score(model, data, batch_size, device, precision, num_workers, seed, progress, parts)
    for name, values in columns.items():
        frame[name] = pd.Series(values, dtype=object if name != "score" and np.ndim(values[0]) else float)
    if not np.isfinite(frame["score"]).all():
        raise InputError("The model answers with scores that are not numbers: its weights are damaged, train it again.")
    return frame[["scene", "image", "path", "score", "jod", "jod_std", *COPIED[1:], *list(columns)[1:]]]


def score(
    model: nn.Module,
    data: Views,
    batch_size: int = 8,
    device: str | torch.device | None = None,
    precision: str = "no",
    num_workers: int = 0,
    seed: int = 0,
    progress: bool = False,
    parts: bool = False,
) -> dict[str, list]:
    """Scores (and parts) of rows that already have a view; the words are those of ``predict``."""
    device = next(model.parameters()).device if device is None else find_device(device)
    batches = _batches(data, batch_size, getattr(model, "compares", False))
    loader = DataLoader(
        data,
        batch_sampler=[[(row, seed) for row in batch] for batch in batches],
        num_workers=num_workers,
        generator=torch.Generator(),  # leaves torch's global generator alone, which a training run restores
    )
    columns: dict[str, list] = {"score": []}
    with _evaluating(model, device), torch.inference_mode():
        for batch in tqdm(loader, desc="predict", unit="batch", disable=not progress, leave=False):
            with autocast(device, precision):
                prediction = predict_views(model, to_device(batch["views"], device))
            columns["score"].extend(prediction.score.tolist())
            if parts:
                logits = {} if prediction.scene_logits is None else {"scene_logits": prediction.scene_logits}
                for name, value in {**prediction.parts, **logits}.items():
                    columns.setdefault(f"part.{name}", []).extend(_cells(value))
    order = np.argsort([row for batch in batches for row in batch], kind="stable")
    return {name: [values[i] for i in order] for name, values in columns.items()}


def _batches(data: Views, batch_size: int, compares: bool) -> list[list[int]]:
    """Row numbers, ``batch_size`` at a time, or a whole scene at a time for a model that compares its photos."""
    if not compares:
        return [list(range(i, min(i + batch_size, len(data)))) for i in range(0, len(data), batch_size)]
    scenes: dict[object, list[int]] = {}
    for row, name in enumerate(data.scene_name):
        scenes.setdefault(name, []).append(row)
    return list(scenes.values())


def median_srcc(frame: pd.DataFrame) -> float:
    """Median over scenes of Spearman's correlation of ``score`` with ``jod``: it chooses checkpoints.

    Scenes with less than two different JODs are left out, and a constant score earns 0. Figures to report come from
    ``pqa_lab.evaluation``, a room to the right of this one. NaN if no scene is left.

    Lessons 06, 07, 08.
    """
    values = []
    for _, scene in frame[np.isfinite(frame["jod"])].groupby("scene"):
        if scene["jod"].nunique() > 1:
            # ρ_c = Pearson's correlation of the ranks within scene c
            constant = scene["score"].nunique() == 1
            values.append(0.0 if constant else scene["score"].rank().corr(scene["jod"].rank()))
    return float(np.median(values)) if values else float("nan")


def find_device(name: str | torch.device) -> torch.device:
    """The device of that name.

    Raises
    ------
    InputError
        It does not exist, or there is no GPU.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"There is no device {name!r}: use 'cpu' or 'cuda'.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError("No GPU was found although one was asked for: leave the device out, or ask for 'cpu'.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("No Apple GPU was found although one was asked for: leave the device out, or ask for 'cpu'.")
    return device


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision: weights stay float32, matrix products run in bfloat16 if ``precision`` is ``"bf16"``."""
    if precision not in ("no", "bf16"):
        raise InputError(f"Unknown precision {precision!r}: use 'no' (float32) or 'bf16'.")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def to_device(value: Tensor | Batch, device: torch.device) -> Tensor | Batch:
    """A batch, or any nested dict of tensors, on a device."""
    if isinstance(value, dict):
        return {name: to_device(part, device) for name, part in value.items()}
    return value.to(device, non_blocking=True)


def _cells(value: Tensor) -> list:
    value = value.float().cpu()
    return value.tolist() if value.ndim == 1 else list(value.numpy())


@contextmanager
def _evaluating(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode on a device inside the block; every module's own mode and the model's device afterwards."""
    home = next(model.parameters()).device
    modes = [(module, module.training) for module in model.modules()]
    model.to(device).eval()
    try:
        yield
    finally:
        model.to(home)
        for module, training in modes:
            module.training = training
