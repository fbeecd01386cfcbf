"""Degenerate batches, extreme scores, half precision: a finite value and a finite gradient, and zeros where due."""

import math

import pytest
import torch

from pqa_lab import losses

DTYPES = [torch.float32, torch.float64]
SCENEWISE = ["scale_shift_invariant", "fidelity", "plcc", "pairwise_logistic", "bradley_terry"]


def run(name, pred, target, scene, **options):
    pred = pred.clone().requires_grad_(True)
    extra = (torch.zeros(len(pred), 4),) if name == "mse_scene" else ()
    value = losses.LOSSES[name](pred, target, scene, *extra, **options)
    value.backward()
    return value.detach(), pred.grad


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SCENEWISE)
def test_scenes_of_one_image_give_a_zero_that_backpropagates(name, dtype):
    pred, target = torch.tensor([3.0, -1.0, 0.2], dtype=dtype), torch.tensor([1.0, 2.0, -5.0], dtype=dtype)
    value, grad = run(name, pred, target, torch.tensor([0, 1, 2]))
    assert value == 0
    assert torch.equal(grad, torch.zeros_like(grad))


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_a_pair_the_merged_loss_is_its_mse(dtype):
    pred, target = torch.tensor([3.0, -1.0], dtype=dtype), torch.tensor([1.0, 2.0], dtype=dtype)
    value, grad = run("rank_mse", pred, target, torch.tensor([0, 1]))
    assert value == pytest.approx(((pred - target) ** 2).mean().item())
    torch.testing.assert_close(grad, pred - target)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(losses.LOSSES))
@pytest.mark.parametrize("pred_equal, target_equal", [(True, True), (True, False), (False, True)])
def test_equal_values_are_finite(name, dtype, pred_equal, target_equal):
    varied = torch.tensor([0.3, -1.2, 2.0, 0.3], dtype=dtype)
    pred = torch.full_like(varied, 0.7) if pred_equal else varied
    target = torch.full_like(varied, -0.1) if target_equal else varied
    value, grad = run(name, pred, target, torch.zeros(4, dtype=torch.long))
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()
    if pred_equal and target_equal and name in ("scale_shift_invariant", "plcc", "pairwise_logistic"):
        assert value == 0


@pytest.mark.parametrize("name", ["plcc", "pairwise_logistic"])
def test_a_scene_without_an_order_teaches_nothing(name):
    value, grad = run(name, torch.tensor([0.3, -1.2, 2.0]), torch.ones(3), torch.zeros(3, dtype=torch.long))
    assert value == 0
    assert torch.equal(grad, torch.zeros(3))


def test_equal_predictions_can_leave_their_point():
    """A head that starts at zero must not stay there: the gradient is finite and points the right way."""
    for name in ("scale_shift_invariant", "fidelity", "plcc", "pairwise_logistic", "bradley_terry", "rank_mse"):
        target = torch.tensor([-2.0, 0.1, 1.0])
        _, grad = run(name, torch.zeros(3), target, torch.zeros(3, dtype=torch.long))
        assert grad[0] > grad[2], name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(losses.LOSSES))
@pytest.mark.parametrize("size", [1e-30, 1e-6, 1e3, 1e6, 1e12])
def test_extreme_scores_are_finite(name, dtype, size):
    pred = torch.tensor([1.0, -2.0, 0.5, 0.7, -0.2], dtype=dtype) * size
    value, grad = run(name, pred, torch.tensor([-1.0, 2.0, 0.0, 0.0, 1.0], dtype=dtype), torch.tensor([0, 0, 0, 1, 1]))
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize("dtype, dead", [(torch.float32, 30.0), (torch.float64, 80.0)])
@pytest.mark.parametrize("options", [{}, {"label": "soft"}, {"sigma": 1.0}, {"eps": 1e-8}])
def test_fidelity_saturates_as_its_docstring_says(dtype, dead, options):
    scene, target = torch.zeros(2, dtype=torch.long), torch.tensor([1.0, -1.0], dtype=dtype)
    for gap in (0.0, 1.0, 5.0, 9.0, dead, 1e4):
        for sign in (1, -1):
            value, grad = run("fidelity", torch.tensor([sign * gap, 0.0], dtype=dtype), target, scene, **options)
            assert torch.isfinite(value)
            assert torch.isfinite(grad).all()
            assert -1e-3 <= value <= 1 + 1e-6
    if not options:
        # the pull on a wrong pair is that of the equation: d/dz sqrt(Phi(z)) = phi(z) / (2 sqrt(Phi(z)))
        _, grad = run("fidelity", torch.tensor([-9.0, 0.0], dtype=torch.float64), target.double(), scene)
        z = -9 / math.sqrt(2)
        phi, cdf = math.exp(-z * z / 2) / math.sqrt(2 * math.pi), math.erfc(-z / math.sqrt(2)) / 2
        assert grad[0].item() == pytest.approx(-phi / (2 * math.sqrt(cdf)) / math.sqrt(2), rel=1e-9)
        # float32 keeps it where a naive sqrt(Phi) has underflowed to a NaN or an infinity
        _, single = run("fidelity", torch.tensor([-20.0, 0.0]), target.float(), scene)
        _, double = run("fidelity", torch.tensor([-20.0, 0.0], dtype=torch.float64), target.double(), scene)
        assert single[0].item() == pytest.approx(double[0].item(), rel=1e-3)
        assert single[0] < 0
        # and beyond the documented point it is an exact zero, while the logistic relative still pulls
        _, grad = run("fidelity", torch.tensor([-dead * math.sqrt(2), 0.0], dtype=dtype), target, scene)
        assert torch.equal(grad, torch.zeros_like(grad))
        _, grad = run("pairwise_logistic", torch.tensor([-dead * 2, 0.0], dtype=dtype), target, scene)
        assert grad[0] == pytest.approx(-1.0)


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_bf16_scores_are_computed_in_float32(name):
    generator = torch.Generator().manual_seed(0)
    pred = torch.randn(24, generator=generator).bfloat16()
    target, scene = torch.randn(24, generator=generator), torch.arange(24) % 3
    exact, exact_grad = run(name, pred.float(), target, scene)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, grad = run(name, pred, target, scene)
    assert value.dtype == torch.float32
    assert grad.dtype == torch.bfloat16
    assert value.item() == pytest.approx(exact.item(), rel=1e-6)
    torch.testing.assert_close(grad.float(), exact_grad, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_a_nan_score_is_not_hidden(name):
    value, _ = run(
        name, torch.tensor([0.1, math.nan, 0.4]), torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3, dtype=torch.long)
    )
    assert torch.isnan(value)


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_whole_number_labels_are_welcome(name):
    value, grad = run(name, torch.tensor([0.1, 0.7, 0.4]), torch.tensor([1, 2, 3]), torch.zeros(3, dtype=torch.long))
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()
