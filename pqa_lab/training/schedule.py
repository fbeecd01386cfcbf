"""Learning rates over time and over parameters: closed forms of the step, so a resume has nothing to restore."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from pqa_lab.errors import InputError
from pqa_lab.methods.base import Recipe


def lr_factor(recipe: Recipe, step: int, steps_per_epoch: int, total_steps: int) -> float:
    """Factor on the learning rate of every parameter at an optimizer step.

    Linear warm-up per step, then ``recipe.schedule``. At the first step of an epoch, without warm-up, ``"cosine"``
    equals ``torch.optim.lr_scheduler.CosineAnnealingLR(T_max=period)`` (in between it moves every step; after
    ``period`` epochs it rises again) and ``"step"`` equals ``StepLR(period, gamma)``. With warm-up the cosine starts
    where the warm-up ends and keeps its half period T, so it does not quite reach its floor: that is RQ-Net's public
    code.

    Parameters
    ----------
    recipe : Recipe
        ``schedule``, ``warmup_epochs``, ``period`` (epochs; 0: the whole run), ``gamma``, ``min_lr`` and ``lr``.
    step : int
        Optimizer step, from 0.
    steps_per_epoch, total_steps : int
        Length of an epoch and of the run in optimizer steps.

    Raises
    ------
    InputError
        An unknown schedule.
    """
    warmup = recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        # f(t) = (t + 1) / w: the first step already learns
        return min(1.0, (step + 1) / warmup)
    half_period = recipe.period * steps_per_epoch or total_steps
    if recipe.schedule == "cosine":
        floor = recipe.min_lr / recipe.lr
        # f(t) = floor + (1 - floor) (1 + cos(π (t - w) / T)) / 2
        return floor + (1 - floor) * (1 + math.cos(math.pi * (step - warmup) / half_period)) / 2
    if recipe.schedule == "step":
        # f(t) = γ^⌊t / T⌋
        return recipe.gamma ** (step // half_period)
    if recipe.schedule == "constant":
        return 1.0
    raise InputError(f"Unknown schedule {recipe.schedule!r}: use 'cosine', 'step' or 'constant'.")


def parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict]:
    """Trainable parameters grouped by their factor on the learning rate, ``{"params", "lr_scale"}``.

    The longest prefix in ``recipe.lr_scale`` that a parameter's name starts with decides; without one the factor is
    1.

    Raises
    ------
    InputError
        A prefix that no parameter has, or nothing left to train.
    """
    by_scale: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        prefix = _longest_prefix(name, recipe)
        scale = recipe.lr_scale[prefix] if prefix is not None else 1.0
        if scale and parameter.requires_grad:
            by_scale.setdefault(scale, []).append(parameter)
    for prefix in recipe.lr_scale:
        if not any(name.startswith(prefix) for name, _ in model.named_parameters()):
            raise InputError(f"lr_scale names {prefix!r}, but no parameter's name starts so: check the recipe.")
    if not by_scale:
        raise InputError("Every parameter is frozen: leave something to train in the recipe's lr_scale.")
    return [{"params": parameters, "lr_scale": scale} for scale, parameters in sorted(by_scale.items())]


@contextmanager
def frozen(model: nn.Module, recipe: Recipe) -> Iterator[None]:
    """Switch off the gradients of parameters whose factor is 0; what was switched off before stays so afterwards."""
    before = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    try:
        for name, parameter in model.named_parameters():
            prefix = _longest_prefix(name, recipe)
            if prefix is not None and recipe.lr_scale[prefix] == 0:
                parameter.requires_grad_(False)
        yield
    finally:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(before[name])


def train_mode(model: nn.Module) -> None:
    """``model.train()``, but a module whose parameters are all frozen stays in evaluation mode.

    Otherwise a frozen backbone would still move through the running statistics of its batch normalization.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _longest_prefix(name: str, recipe: Recipe) -> str | None:
    return max((prefix for prefix in recipe.lr_scale if name.startswith(prefix)), key=len, default=None)
