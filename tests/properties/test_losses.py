"""What must hold of every loss on any batch; each loss's own invariances are in ``tests/losses/test_invariance.py``."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pqa_lab.losses import LOSSES, scene_cross_entropy

few = settings(max_examples=30, deadline=None, derandomize=True)
ALL = sorted(LOSSES)
ZERO_AT_TARGET = ["scale_shift_invariant", "rank_mse", "huber", "l1", "plcc"]
# Of the others the least value is not 0: their labels are chances.
numbers = st.one_of(st.integers(-12, 12).map(lambda k: k / 4), st.floats(-100, 100, width=32))


@st.composite
def batches(draw, least=1):
    """(pred, target, scene): up to 12 images of up to 4 scenes; equal values, scenes of one image, constant scenes."""
    n = draw(st.integers(least, 12))
    pred, target = (torch.tensor(draw(st.lists(numbers, min_size=n, max_size=n))) for _ in range(2))  # (n,)
    return pred, target, torch.tensor(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))


def loss_of(name, pred, target, scene):
    if name == "mse_scene":
        return LOSSES[name](pred, target, scene, torch.zeros(len(pred), 4))
    return LOSSES[name](pred, target, scene)


@pytest.mark.parametrize("name", ALL)
@few
@given(batch=batches())
def test_loss_and_gradient_are_finite_and_the_loss_is_not_negative(name, batch):
    pred, target, scene = batch
    pred.requires_grad_(True)
    loss = loss_of(name, pred, target, scene)
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert loss >= -1e-6
    loss.backward()
    assert torch.isfinite(pred.grad).all()


@pytest.mark.parametrize("name", ZERO_AT_TARGET)
@few
@given(batch=batches())
def test_nothing_to_learn_at_the_perfect_prediction(name, batch):
    _, target, scene = batch
    pred = target.clone().requires_grad_(True)
    loss = loss_of(name, pred, target, scene)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-4)
    assert pred.grad.abs().max() < 1e-3


@pytest.mark.parametrize("name", ALL)
@few
@given(batch=batches(least=3), seed=st.integers(0, 99))
def test_a_small_step_down_the_gradient_helps(name, batch, seed):
    """The gradient is that of the value: on a batch moved off the kinks, a small step lowers the loss."""
    _, target, scene = batch
    pred = torch.randn(len(target), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    target = target.double()
    pred.requires_grad_(True)
    loss = loss_of(name, pred, target, scene)
    loss.backward()
    slope = (pred.grad**2).sum().item()
    if slope < 1e-8:
        return
    step = 1e-6 / slope**0.5
    with torch.no_grad():
        moved = loss_of(name, pred - step * pred.grad, target, scene)
    # loss(p - s g) = loss(p) - s |g|^2 to first order
    assert (loss - moved).item() == pytest.approx(step * slope, rel=1e-2, abs=1e-12)


@few
@given(batch=batches(), seed=st.integers(0, 99))
def test_scene_cross_entropy_is_torchs(batch, seed):
    scene = batch[2]
    logits = torch.randn(len(scene), 4, generator=torch.Generator().manual_seed(seed))
    expected = torch.nn.functional.cross_entropy(logits, scene)
    assert scene_cross_entropy(logits, scene).item() == pytest.approx(expected.item(), rel=1e-5)
