"""The training loop, on Hugging Face Accelerate: one process or many, on the CPU or on GPUs, the same lines.

    history = fit(model, train, val, out="outputs/hyperiqa")          # in Python, in a notebook
    torchrun --nproc_per_node 2 train.py                              # the same script with several processes
    accelerate launch train.py                                        # or several machines, after `accelerate config`

Pre-training on other sources and then fine-tuning is two calls: rows whose ``scene`` names the source (RQ-Net takes
SPAQ, KonIQ-10k, LIVE-W and RBID as four "scenes"), then ``fit(model, portraits, recipe=...)`` with the same model.

How a batch is shared out: the sampler gives every process whole scenes, equally many, so for a loss that is a mean
over scenes the mean of the processes' means is the mean of the batch, and the loss curve does not depend on the
number of processes. ``recipe.accumulate`` cuts the batch in the same way into pieces that fit the memory. Batch
normalization does see the difference (its statistics are a piece's), and so do losses that compare across scenes.
"""

import math
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object, set_seed
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from pqa_lab.errors import InputError
from pqa_lab.methods.base import Batch, Recipe
from pqa_lab.methods.tta import predict_views
from pqa_lab.scenes.sampler import SceneBatchSampler
from pqa_lab.training.checkpoint import recover, replacing, save_checkpoint, write_checkpoint
from pqa_lab.training.data import Views, check_labels, column, numbers, scene_names, split_batch, training_loader
from pqa_lab.training.history import History
from pqa_lab.training.predict import autocast, find_device, median_srcc, score, to_device
from pqa_lab.training.schedule import frozen, lr_factor, parameter_groups, train_mode
from pqa_lab.training.state import gather_random_states, read_state, write_state

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class TrainingError(InputError):
    """Training cannot go on; the text says where and what to do. The last good checkpoint is kept."""


def fit(
    model: nn.Module,
    train_rows: datasets.Dataset,
    val_rows: datasets.Dataset | None = None,
    recipe: Recipe | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    resume: bool = False,
    max_steps: int | None = None,
    progress: bool = True,
    precision: str | None = None,
    callbacks: Iterable[Callable[[dict, History], Any]] = (),
    *,
    device: str | None = None,
    patience: int = 0,
    validate_every: float = 1,
    save_every: float = 1,
    num_workers: int = 0,
    sampler: Callable[..., Any] | None = None,
) -> History:
    """Train a method in place; it ends in evaluation mode with its best weights (without ``val_rows``: its last).

    What ``save_checkpoint`` should remember (scene names, settings, the chosen record) is left in ``model.facts``.

    Parameters
    ----------
    model : nn.Module
        A method: ``views``, ``forward``, ``loss``, ``recipe``.
    train_rows, val_rows : datasets.Dataset
        Rows with ``image``, ``scene`` and ``jod``. ``val_rows`` choose the checkpoint by the median over scenes of
        SRCC and must not be the test rows: take them from ``split_validation(train_rows)``.
    recipe : Recipe, optional
        Default ``model.recipe``; change a word with ``dataclasses.replace(model.recipe, lr=1e-4)``.
    out : path, optional
        Folder for ``history.jsonl``, ``last/`` and ``best/``. None: nothing is written.
    seed : int
        Fixes batches, crops and dropout. On the CPU two runs agree to the last bit.
    resume : bool
        Go on with the run in ``out`` (from the start if there is none): the result is that of a run never
        interrupted.
    max_steps : int, optional
        Optimizer steps instead of ``recipe.epochs`` epochs; schedules over "the whole run" are then that long.
    precision : str, optional
        ``"no"`` or ``"bf16"`` instead of the recipe's.
    callbacks : iterable of callables
        Each is called as ``callback(record, history)`` after every step, in the main process.
    device : str, optional
        ``"cpu"``, ``"cuda"``; default: a GPU if there is one. With several processes Accelerate gives each its own.
    patience : int
        Stop after so many validations without a better SRCC; 0 never does.
    validate_every, save_every : float
        In epochs.
    num_workers : int
        Processes that prepare photos; the result does not depend on it.
    sampler : callable, optional
        ``(scene_ids, seed=, num_replicas=, rank=) -> batch sampler``; default a ``SceneBatchSampler`` with the
        recipe's P and K and P different scenes in every batch.

    Returns
    -------
    History
        ``.table`` has one line a step, ``.best`` the chosen one, ``.checkpoint`` its folder.

    Raises
    ------
    InputError
        Labels missing, fewer scenes than P, no GPU though one was asked for, a folder that already holds another run,
        ...
    TrainingError
        The loss or the gradient is no longer a number.

    Lessons 06, 10, 11, 12, 14.
    """
    recipe = recipe or model.recipe
    precision = recipe.precision if precision is None else precision
    accelerator, callbacks = _accelerator(device), list(callbacks)
    count, main = accelerator.num_processes, accelerator.is_main_process
    set_seed(seed)

    check_labels(train_rows)
    if recipe.scenes_per_batch % (count * recipe.accumulate) and sampler is None:
        raise InputError(
            f"{recipe.scenes_per_batch} scenes a batch cannot be cut into {recipe.accumulate} pieces for {count} "
            "processes: use a multiple."
        )
    batches = (sampler or _scene_sampler(recipe))(
        column(train_rows, "scene"), seed=seed, num_replicas=count, rank=accelerator.process_index
    )
    per_epoch = len(batches)
    total = recipe.epochs * per_epoch if max_steps is None else max_steps
    if total < 1:
        raise InputError("There is no step to train: give at least one epoch or max_steps=1.")
    history = History(out=None if out is None else Path(out), scenes=scene_names(train_rows))
    settings = {"method": model.config.method, "recipe": asdict(recipe), "seed": seed, "precision": precision}
    settings |= {"steps": total, "rows": len(train_rows)}
    facts = {"scenes": history.scenes, "settings": settings}
    held_out = None if val_rows is None else _validation_views(model, val_rows, accelerator)

    with frozen(model, recipe):
        step_module, optimizer = accelerator.prepare(_Step(model, precision), _optimizer(model, recipe))
        ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema)) if recipe.ema else None
        averaged = ema.module if ema else model
        first = _begin(history, resume, settings, accelerator, model, optimizer, ema)
        loader = iter(training_loader(train_rows, model.views(train=True), batches, seed, first, num_workers))
        best_weights: dict[str, Tensor] = {}
        train_mode(model)

        steps = tqdm(range(first, total), "fit", total, initial=first, unit="step", disable=not (progress and main))
        for step in steps:
            if history.stale(patience):
                break
            lr = recipe.lr * lr_factor(recipe, step, per_epoch, total)
            for group in optimizer.param_groups:
                group["lr"] = lr * group["lr_scale"]

            batch = to_device(next(loader), accelerator.device)
            record = {"step": step + 1, "epoch": (step + 1) / per_epoch, "lr": lr}
            record |= _gradients(accelerator, step_module, split_batch(batch, recipe.accumulate))
            record["grad_norm"] = _clip(optimizer, recipe.clip_norm)
            _check_finite(record, step, per_epoch, batch, history)
            optimizer.step()
            optimizer.zero_grad()
            if ema:
                ema.update_parameters(model)

            if held_out is not None and _due(step + 1, validate_every, per_epoch, total):
                record["val_srcc"] = _validate(accelerator, averaged, held_out, precision)
                train_mode(model)
            history.add(record, write=main)
            if record is history.best and out is None:
                best_weights = {name: value.detach().clone() for name, value in averaged.state_dict().items()}
            elif record is history.best and main:
                save_checkpoint(averaged, history.out / "best", **facts, record=record)
            if out is not None and _due(step + 1, save_every, per_epoch, total):
                random_states = gather_random_states()
                if main:
                    with replacing(history.out / "last") as folder:
                        write_checkpoint(averaged, folder, **facts, record=record)
                        write_state(folder, step + 1, settings, random_states, model, optimizer, ema)
            if main:
                steps.set_postfix(history.headline, refresh=False)
                for callback in callbacks:
                    callback(record, history)

    accelerator.wait_for_everyone()
    if history.best and out is not None:
        load_model(model, history.out / "best" / "model.safetensors")
    elif history.best:
        model.load_state_dict(best_weights)
    elif ema:
        model.load_state_dict(averaged.state_dict())
    model.facts = {**getattr(model, "facts", {}), **facts, "record": history.best or history.records[-1]}
    model.eval()
    return history


class _Step(nn.Module):
    """Forward and loss in one module, so that DistributedDataParallel waits only for parameters that the loss uses."""

    def __init__(self, method: nn.Module, precision: str):
        super().__init__()
        self.method, self.precision, self.checked = method, precision, False

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        with autocast(batch["jod"].device, self.precision):
            prediction = predict_views(self.method, batch["views"], batch["scene"])  # score (B,), float32
        if prediction.scene_logits is not None and not self.checked:
            _check_scene_head(prediction.scene_logits.shape[1], int(batch["scene"].max()))
            self.checked = True
        terms = self.method.loss(prediction, batch)
        return {name: term if name == "loss" else term.detach() for name, term in terms.items()}


def _gradients(accelerator: Accelerator, module: nn.Module, pieces: list[Batch]) -> dict[str, float]:
    """Backward through every piece; returns the loss and its terms, averaged over pieces and processes."""
    total: dict[str, Tensor] = {}
    for i, piece in enumerate(pieces):
        # Processes exchange gradients once a step, with the last piece.
        with nullcontext() if i == len(pieces) - 1 else accelerator.no_sync(module):
            terms = module(piece)
            # ∇L = (1/A) Σ_a ∇L_a
            accelerator.backward(terms["loss"] / len(pieces))
        for name, term in terms.items():
            total[name] = total.get(name, 0) + term.detach().float() / len(pieces)
    values = torch.stack(list(total.values()))  # one transfer from the device for all terms
    return dict(zip(total, accelerator.reduce(values, "mean").tolist(), strict=True))


def _clip(optimizer: torch.optim.Optimizer, clip_norm: float) -> float:
    """Length of the whole gradient; a longer one than ``clip_norm`` (0: any) is shortened to it."""
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if clip_norm:
        return float(nn.utils.clip_grad_norm_(parameters, clip_norm))
    return float(nn.utils.get_total_norm([p.grad for p in parameters]))


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer not in OPTIMIZERS:
        raise InputError(f"Unknown optimizer {recipe.optimizer!r}: use {' or '.join(map(repr, OPTIMIZERS))}.")
    return OPTIMIZERS[recipe.optimizer](parameter_groups(model, recipe), recipe.lr, weight_decay=recipe.weight_decay)


def _scene_sampler(recipe: Recipe) -> Callable[..., SceneBatchSampler]:
    return partial(SceneBatchSampler, scenes_per_batch=recipe.scenes_per_batch,
                   images_per_scene=recipe.images_per_scene, distinct=True)  # fmt: skip


def _accelerator(device: str | None) -> Accelerator:
    target = None if device is None else find_device(device)
    if target is not None and target.index is not None:
        raise InputError(f"Ask for {target.type!r}, not {device!r}: CUDA_VISIBLE_DEVICES says which GPUs there are.")
    if not torch.distributed.is_initialized():
        # Accelerate keeps its device for the life of the process; a notebook may train here on the CPU, there on a GPU.
        AcceleratorState._reset_state(reset_partial_state=True)
    no_gpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    return Accelerator(
        cpu=no_gpu or (target is not None and target.type == "cpu"),
        mixed_precision="no",  # autocast is in _Step, so that two runs of a process may differ in precision
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],  # branches that rest for a step
    )


def _begin(history: History, resume: bool, settings: dict, accelerator: Accelerator, *parts: Any) -> int:
    """Prepare the folder, and with ``resume`` put the last state back; returns the number of steps done."""
    if history.out is None:
        if resume:
            raise InputError(
                "There is nothing to resume without a folder: name the one of the interrupted run (out=...)."
            )
        return 0
    last, log = history.out / "last", history.out / "history.jsonl"
    if not resume and log.exists():
        raise InputError(f"{history.out} already holds a run: go on with it (resume=True) or choose another folder.")
    accelerator.wait_for_everyone()  # all have looked before the first one writes
    if accelerator.is_main_process:
        recover(last)
        recover(history.out / "best")
        history.out.mkdir(parents=True, exist_ok=True)
        log.touch()
    accelerator.wait_for_everyone()
    done = read_state(last, settings, accelerator.process_index, *parts) if last.exists() else 0
    history.rewind(done, write=accelerator.is_main_process)
    return done


def _validation_views(model: nn.Module, rows: datasets.Dataset, accelerator: Accelerator) -> Views:
    """This process's part of the validation rows, once it is sure that they can choose a checkpoint."""
    if "test" in column(rows, "split"):
        warnings.warn(
            "Validation on rows of the test split: their score will be optimistic. See split_validation.", stacklevel=3
        )
    frame = pd.DataFrame({"scene": column(rows, "scene"), "jod": numbers(rows, "jod")}).dropna()
    if frame.groupby("scene")["jod"].nunique().max() in (0, 1) or frame.empty:
        raise InputError("The validation rows rank nothing: they need a scene with two different JODs.")
    # Whole scenes, since a method may compare the photos of a scene.
    names = column(rows, "scene")
    place = {name: i % accelerator.num_processes for i, name in enumerate(dict.fromkeys(names))}
    mine = [row for row, name in enumerate(names) if place[name] == accelerator.process_index]
    return Views(rows.select(mine), model.views(train=False))


def _validate(accelerator: Accelerator, model: nn.Module, views: Views, precision: str) -> float:
    scores = score(model, views, device=accelerator.device, precision=precision)["score"]
    lines = list(zip(views.scene_name, views.jod.tolist(), scores, strict=True))
    lines = gather_object(lines) if accelerator.num_processes > 1 else lines
    return median_srcc(pd.DataFrame(lines, columns=["scene", "jod", "score"]))


def _due(step: int, every: float, per_epoch: int, total: int) -> bool:
    """Whether what happens every so many epochs happens after this step; it always does after the last one."""
    return step == total or step % max(1, round(every * per_epoch)) == 0


def _check_finite(record: dict, step: int, per_epoch: int, batch: Batch, history: History) -> None:
    for name in ("loss", "grad_norm"):
        if not math.isfinite(record[name]):
            scenes = sorted({history.scenes[i] for i in batch["scene"].tolist()})
            what = "loss" if name == "loss" else "gradient"
            kept = f" The last good checkpoint is in {history.out / 'last'}." if history.out else ""
            raise TrainingError(
                f"The {what} is not a number ({record[name]}) in epoch {step // per_epoch + 1}, step {step + 1}, "
                f"scenes {', '.join(scenes)}: lower the learning rate, clip the gradient or check the labels.{kept}"
            )


def _check_scene_head(classes: int, highest: int) -> None:
    if highest >= classes:
        raise InputError(
            f"The rows have at least {highest + 1} scenes, but the method tells only {classes} apart: "
            "build it with as many scenes as the training rows have."
        )
