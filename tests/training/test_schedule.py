import math

import pytest
import torch
from torch import nn
from training_toy import recipe, toy

from pqa_lab.errors import InputError
from pqa_lab.training.schedule import frozen, lr_factor, parameter_groups, train_mode

STEPS = 7  # an epoch


def factors(r, epochs, total=None):
    total = total or epochs * STEPS
    return [lr_factor(r, step, STEPS, total) for step in range(epochs * STEPS)]


def torch_factors(make, epochs, lr):
    """What a torch scheduler that moves once an epoch gives at the first step of each epoch."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr)
    scheduler = make(optimizer)
    values = []
    for _ in range(epochs):
        values.append(optimizer.param_groups[0]["lr"] / lr)
        optimizer.step()
        scheduler.step()
    return values


@pytest.mark.parametrize("period, min_lr", [(50, 0.0), (5, 2e-4)])
def test_cosine_is_torchs_at_every_epoch_and_rises_again(period, min_lr):
    r = recipe(schedule="cosine", period=period, lr=1e-2, min_lr=min_lr)
    mine = factors(r, 2 * period + 3)[::STEPS]
    theirs = torch_factors(
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=period, eta_min=min_lr), 2 * period + 3, 1e-2
    )
    assert mine == pytest.approx(theirs, abs=1e-9)
    assert mine[period] == pytest.approx(min_lr / 1e-2)
    assert mine[2 * period] == pytest.approx(1)


@pytest.mark.parametrize("period, gamma", [(2, 0.9), (6, 0.1)])
def test_step_is_torchs(period, gamma):
    r = recipe(schedule="step", period=period, gamma=gamma)
    theirs = torch_factors(lambda o: torch.optim.lr_scheduler.StepLR(o, period, gamma), 13, 1.0)
    assert factors(r, 13) == pytest.approx([value for value in theirs for _ in range(STEPS)])


def test_rqnets_warm_up_then_cosine_that_does_not_quite_reach_zero():
    # linear per step for w, then (1 + cos(pi (t - w) / T)) / 2 with T = epochs x steps
    r = recipe(schedule="cosine", warmup_epochs=3, lr=1e-5)
    values = factors(r, 20)
    w, total = 3 * STEPS, 20 * STEPS
    assert values[:w] == pytest.approx([(t + 1) / w for t in range(w)])
    assert values[w:] == pytest.approx([0.5 * (1 + math.cos(math.pi * (t - w) / total)) for t in range(w, total)])
    assert values[-1] > 0.04


def test_constant_and_fractional_warm_up_never_exceed_one():
    assert factors(recipe(schedule="constant"), 2) == [1.0] * 2 * STEPS
    values = factors(recipe(schedule="constant", warmup_epochs=0.36), 2)  # 2.52 steps
    assert values[:4] == pytest.approx([1 / 2.52, 2 / 2.52, 1, 1])


def test_the_longest_prefix_decides_and_zero_freezes():
    model = toy()
    r = recipe(lr_scale={"": 0.5, "backbone": 0.0, "backbone.0.bias": 0.1})
    with frozen(model, r):
        groups = {group["lr_scale"]: group["params"] for group in parameter_groups(model, r)}
        assert {scale: len(parameters) for scale, parameters in groups.items()} == {0.1: 1, 0.5: 2}
        assert groups[0.1][0] is model.backbone[0].bias
        assert not model.backbone[0].weight.requires_grad
    assert model.backbone[0].weight.requires_grad


def test_what_the_method_froze_itself_stays_frozen_and_out_of_the_optimizer():
    model = toy()
    model.head.requires_grad_(False)
    with frozen(model, recipe()):
        assert sum(len(group["params"]) for group in parameter_groups(model, recipe())) == 2
    assert not model.head.weight.requires_grad


def test_a_frozen_module_keeps_its_running_statistics():
    model = nn.ModuleDict({"frozen": nn.BatchNorm1d(3), "free": nn.BatchNorm1d(3), "drop": nn.Dropout()})
    with frozen(model, recipe(lr_scale={"frozen": 0.0})):
        train_mode(model)
    assert (model["frozen"].training, model["free"].training, model["drop"].training) == (False, True, True)


def test_bad_recipes():
    with pytest.raises(InputError, match="no parameter's name starts"):
        parameter_groups(toy(), recipe(lr_scale={"bakcbone": 0.1}))
    with frozen(model := toy(), recipe(lr_scale={"": 0.0})), pytest.raises(InputError, match="frozen"):
        parameter_groups(model, recipe(lr_scale={"": 0.0}))
    with pytest.raises(InputError, match="schedule"):
        lr_factor(recipe(schedule="linear"), 0, 1, 1)
